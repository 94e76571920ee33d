"""Attention as people write it: masks of every origin, hand-written scores, positions and biases over distances."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

WIDTH, HEADS = 16, 2
SIZE = WIDTH // HEADS
Scores = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class ByHand(nn.Module):
    """``softmax(q k^T / s + mask) v``: subclasses say what happens to the scores ``[batch, heads, time, time]``."""

    def __init__(self, block: int = 64) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.tril: torch.Tensor
        self.slopes: torch.Tensor
        self.register_buffer("tril", torch.tril(torch.ones(block, block)))
        self.register_buffer("slopes", torch.tensor([2.0 ** (-4 * (h + 1)) for h in range(HEADS)]).view(-1, 1, 1))
        self.bias = nn.Embedding(32, HEADS)
        self.table = nn.Parameter(torch.randn(2 * block - 1, HEADS))

    def heads(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        batch, time, _ = x.shape
        return tuple(p.view(batch, time, HEADS, SIZE).transpose(1, 2) for p in self.qkv(x).chunk(3, -1))

    def forward(self, x: torch.Tensor) -> Any:
        q, k, v = self.heads(x)
        weights = functional.softmax(self.masked(q @ k.transpose(-2, -1) / math.sqrt(SIZE), x), dim=-1)
        return self.out((weights @ v).transpose(1, 2).contiguous().view(x.shape))

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        time = x.size(1)
        return scores.masked_fill(self.tril[:time, :time] == 0, float("-inf"))


class AddedInfinity(ByHand):
    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return scores + torch.triu(torch.full((x.size(1), x.size(1)), float("-inf"), device=x.device), diagonal=1)


class OnesTimesInfinity(ByHand):
    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        mask = (torch.triu(torch.ones(x.size(1), x.size(1))) == 1).transpose(0, 1)
        mask = mask.float().masked_fill(mask == 0, float("-inf")).masked_fill(mask == 1, 0.0)
        return scores + mask


class Additive10000(ByHand):
    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        time = x.size(1)
        mask = self.tril[None, None, :time, :time]
        return scores * mask - 1e4 * (1 - mask)


class Where(ByHand):
    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        keep = self.tril[: x.size(1), : x.size(1)].bool()
        return torch.where(keep, scores, torch.finfo(torch.float32).min)


class Comparison(ByHand):
    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        place = torch.arange(x.size(1), device=x.device)
        return scores.masked_fill(place[None, :] > place[:, None], float("-inf"))


class Sliding(ByHand):
    """Sliding window: the last four frames."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        place = torch.arange(x.size(1), device=x.device)
        distance = place[:, None] - place[None, :]
        return scores.masked_fill((distance < 0) | (distance >= 4), float("-inf"))


class Banded(ByHand):
    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        ones = torch.ones(x.size(1), x.size(1), dtype=torch.bool)
        return scores.masked_fill(~(ones.tril() & ones.triu(-5)), float("-inf"))


class Alibi(ByHand):
    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        place = torch.arange(x.size(1))
        bias = (place[None, :] - place[:, None]).to(x.dtype)[None] * self.slopes
        return super().masked(scores + bias, x)


class BloomAlibi(ByHand):
    """BLOOM's: the bias depends on the key alone."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        bias = self.slopes * torch.arange(x.size(1)).view(1, 1, -1)
        return super().masked(scores + bias, x)


class RelativeBuckets(ByHand):
    """T5's relative position bias, one-directional."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        place = torch.arange(x.size(1))
        back = -torch.min(place[None, :] - place[:, None], torch.zeros_like(place[None, :] - place[:, None]))
        exact = 16
        log = exact + (torch.log(back.float() / exact) / math.log(128 / exact) * (32 - exact)).to(torch.long)
        bucket = torch.where(back < exact, back, torch.min(log, torch.full_like(log, 31)))
        return super().masked(scores + self.bias(bucket).permute(2, 0, 1).unsqueeze(0), x)


class RelativeTable(ByHand):
    """A learned bias per distance, looked up in a table of all distances."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        place = torch.arange(x.size(1))
        index = place[:, None] - place[None, :] + 63
        return super().masked(scores + self.table[index].permute(2, 0, 1), x)


class KeyPadding(ByHand):
    """Frames whose first feature is negative are padding, as data say."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        pad = (x[:, :, 0] < -1.5).unsqueeze(1).unsqueeze(2)
        return super().masked(scores.masked_fill(pad, -1e9), x)


class PaddingAndSubsequent(ByHand):
    """The annotated transformer's target mask."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        subsequent = torch.triu(torch.ones(1, x.size(1), x.size(1)), diagonal=1).type(torch.uint8) == 0
        mask = (x[:, :, 0] > -1.5).unsqueeze(-2) & subsequent.type_as(x.data).bool()
        return scores.masked_fill(mask.unsqueeze(1) == 0, -1e9)


class Chunked(ByHand):
    """Frames of a chunk of four see each other and the chunk before."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        chunk = torch.arange(x.size(1)) // 4
        reach = chunk[:, None] - chunk[None, :]
        return scores.masked_fill((reach < 0) | (reach > 1), float("-inf"))


class ChunkedAll(ByHand):
    """Frames of a chunk of three see each other and all chunks before."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        chunk = torch.div(torch.arange(x.size(1)), 3, rounding_mode="floor")
        return scores.masked_fill(chunk[:, None] < chunk[None, :], float("-inf"))


class LooksAhead(ByHand):
    """Six frames back, two ahead."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        place = torch.arange(x.size(1))
        distance = place[:, None] - place[None, :]
        return scores.masked_fill((distance < -2) | (distance > 6), float("-inf"))


class LooksAheadFromAll(ByHand):
    """All frames so far and two ahead."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return scores + torch.full((x.size(1), x.size(1)), float("-inf")).triu(3)


class AfterConvolution(ByHand):
    """A mask over frames that come late."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(WIDTH, WIDTH, 5, padding=2)

    def forward(self, x: torch.Tensor) -> Any:
        return x + super().forward(self.conv(x.transpose(1, 2)).transpose(1, 2))


class Subsampled(Sliding):
    """A window over frames at half the rate."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(self.conv(x.transpose(1, 2)).transpose(1, 2))


class Einsum(ByHand):
    def forward(self, x: torch.Tensor) -> Any:
        batch, time, _ = x.shape
        q, k, v = (part.view(batch, time, HEADS, SIZE) for part in self.qkv(x).split(WIDTH, -1))
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / SIZE**0.5
        weights = self.masked(scores, x).softmax(-1)
        return self.out(torch.einsum("bhqk,bkhd->bqhd", weights, v).flatten(2))


class BatchedProducts(ByHand):
    """Fairseq's: heads folded into the batch, time first."""

    def forward(self, x: torch.Tensor) -> Any:
        x = x.transpose(0, 1)
        time, batch, _ = x.shape
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k, v = (p.contiguous().view(time, batch * HEADS, SIZE).transpose(0, 1) for p in (q * SIZE**-0.5, k, v))
        scores = torch.bmm(q, k.transpose(1, 2))
        scores = scores + torch.triu(scores.new_full((time, time), float("-inf")), 1).unsqueeze(0)
        weights = functional.softmax(scores, dim=-1)
        out = torch.bmm(weights, v).transpose(0, 1).contiguous().view(time, batch, WIDTH)
        return self.out(out).transpose(0, 1)


class ManualSoftmax(ByHand):
    """exp, and a division by the sum."""

    def forward(self, x: torch.Tensor) -> Any:
        q, k, v = self.heads(x)
        weights = torch.exp(self.masked(torch.tanh(q @ k.transpose(-2, -1)), x))
        y = (weights @ v) / weights.sum(-1, keepdim=True)
        return self.out(y.transpose(1, 2).flatten(2))


class Retention(ByHand):
    """RetNet's parallel form: a decay in place of a softmax."""

    def forward(self, x: torch.Tensor) -> Any:
        q, k, v = self.heads(x)
        place = torch.arange(x.size(1))
        distance = (place[:, None] - place[None, :]).to(x.dtype)
        decay = torch.where(distance >= 0, 0.9**distance, torch.zeros(()).to(x.dtype))
        y = (q @ k.transpose(-1, -2) * decay) @ v
        return self.out(y.transpose(1, 2).flatten(2))


class AdditiveScores(nn.Module):
    """Bahdanau's scores between all frames."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(WIDTH, 8), nn.Linear(WIDTH, 8)
        self.score = nn.Linear(8, 1, bias=False)

    def forward(self, x: torch.Tensor) -> Any:
        energy = self.score(torch.tanh(self.query(x)[:, :, None] + self.key(x)[:, None])).squeeze(-1)
        mask = torch.ones_like(energy[0]).triu(1).bool()
        return functional.softmax(energy.masked_fill(mask, float("-inf")), -1) @ x


class Averages(nn.Module):
    """The average of all frames so far, by a softmax of nothing but the mask."""

    def forward(self, x: torch.Tensor) -> Any:
        weights = torch.zeros(x.size(1), x.size(1)).masked_fill(
            torch.tril(torch.ones(x.size(1), x.size(1))) == 0, float("-inf")
        )
        return functional.softmax(weights, dim=-1) @ x


class BagOfWords(nn.Module):
    """makemore's causal bag of words."""

    def __init__(self) -> None:
        super().__init__()
        self.bias: torch.Tensor
        self.register_buffer("bias", torch.tril(torch.ones(64, 64)).view(1, 64, 64))

    def forward(self, x: torch.Tensor) -> Any:
        batch, time, _ = x.size()
        weights = torch.zeros((batch, time, time), device=x.device)
        weights = weights.masked_fill(self.bias[:, :time, :time] == 0, float("-inf"))
        return functional.softmax(weights, dim=-1) @ x


class DividedTriangle(nn.Module):
    """The average of all frames so far, by a lower triangle divided by its row sums."""

    def forward(self, x: torch.Tensor) -> Any:
        weights = torch.tril(torch.ones(x.size(1), x.size(1)))
        return (weights / weights.sum(1, keepdim=True)) @ x


class FusedWithMask(ByHand):
    """scaled_dot_product_attention with a mask of bools over a window."""

    def forward(self, x: torch.Tensor) -> Any:
        q, k, v = self.heads(x)
        ones = torch.ones(x.size(1), x.size(1), dtype=torch.bool)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=ones.tril() & ones.triu(-3))
        return self.out(y.transpose(1, 2).flatten(2))


class GroupedWithMask(nn.Module):
    """Grouped heads, repeated by hand, with a causal mask."""

    def __init__(self, fused: bool = False) -> None:
        super().__init__()
        self.fused = fused
        self.q, self.k, self.v = nn.Linear(WIDTH, 32), nn.Linear(WIDTH, 16), nn.Linear(WIDTH, 16)

    def forward(self, x: torch.Tensor) -> Any:
        batch, time, _ = x.shape
        q = self.q(x).view(batch, time, 4, 8).transpose(1, 2)
        k, v = (m(x).view(batch, time, 2, 8).transpose(1, 2) for m in (self.k, self.v))
        mask = torch.full((time, time), float("-inf")).triu(1)
        mask = mask + torch.full((time, time), float("-inf")).tril(-9)
        if self.fused:
            y = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
        else:
            k, v = (p[:, :, None].expand(batch, 2, 2, time, 8).reshape(batch, 4, time, 8) for p in (k, v))
            y = torch.matmul(functional.softmax(torch.matmul(q, k.transpose(2, 3)) / 8**0.5 + mask, -1), v)
        return y.transpose(1, 2).reshape(batch, time, -1)


class KeysFirst(ByHand):
    """Scores with the keys' axis first, normalized over it."""

    def forward(self, x: torch.Tensor) -> Any:
        q, k, v = self.heads(x)
        scores = k @ q.transpose(-2, -1) / math.sqrt(SIZE)
        scores = scores.masked_fill(self.tril[: x.size(1), : x.size(1)].t() == 0, float("-inf"))
        weights = functional.softmax(scores, dim=-2)
        return self.out((weights.transpose(-2, -1) @ v).transpose(1, 2).flatten(2))


class Layers(nn.Module):
    """torch's own layers with a mask."""

    def __init__(self, layer: nn.Module, time_first: bool = False) -> None:
        super().__init__()
        self.layer, self.time_first = layer, time_first

    def forward(self, x: torch.Tensor) -> Any:
        mask = nn.Transformer.generate_square_subsequent_mask(x.size(0 if self.time_first else 1))
        return self.layer(x, mask)


class MultiHead(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.options = options

    def forward(self, x: torch.Tensor) -> Any:
        mask = torch.triu(torch.ones(x.size(1), x.size(1), dtype=torch.bool), diagonal=1)
        return self.attention(x, x, x, attn_mask=mask, **self.options)[0]


class PaddedMultiHead(nn.Module):
    def __init__(self, need_weights: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.need_weights = need_weights

    def forward(self, x: torch.Tensor) -> Any:
        mask = torch.triu(torch.ones(x.size(1), x.size(1), dtype=torch.bool), diagonal=1)
        pad = x[:, :, 0] < -1.5
        y, _ = self.attention(x, x, x, attn_mask=mask, key_padding_mask=pad, need_weights=self.need_weights)
        return y


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerDecoder(nn.TransformerDecoderLayer(WIDTH, HEADS, 32, batch_first=True), 2)

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> Any:
        mask = nn.Transformer.generate_square_subsequent_mask(x.size(1))
        return self.layer(x, memory, tgt_mask=mask, tgt_is_causal=True)


def encoder(**options: Any) -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


BATCH_FIRST = {"x": f"float32[batch,time,{WIDTH}]"}
TIME_FIRST = {"x": f"float32[time,batch,{WIDTH}]"}
MODELS: dict[str, tuple[Callable[[], nn.Module], dict[str, str]]] = {
    cls.__name__: (cls, BATCH_FIRST)
    for cls in (
        ByHand,
        AddedInfinity,
        OnesTimesInfinity,
        Additive10000,
        Where,
        Comparison,
        Sliding,
        Banded,
        Alibi,
        BloomAlibi,
        RelativeBuckets,
        RelativeTable,
        KeyPadding,
        PaddingAndSubsequent,
        Chunked,
        ChunkedAll,
        LooksAhead,
        LooksAheadFromAll,
        AfterConvolution,
        Subsampled,
        Einsum,
        BatchedProducts,
        ManualSoftmax,
        Retention,
        AdditiveScores,
        Averages,
        BagOfWords,
        DividedTriangle,
        FusedWithMask,
        GroupedWithMask,
        KeysFirst,
        MultiHead,
    )
}
MODELS |= {
    "GroupedFused": (lambda: GroupedWithMask(fused=True), BATCH_FIRST),
    "MultiHeadFused": (lambda: MultiHead(need_weights=False), BATCH_FIRST),
    "PaddedMultiHead": (lambda: PaddedMultiHead(True), BATCH_FIRST),
    "PaddedMultiHeadFused": (lambda: PaddedMultiHead(False), BATCH_FIRST),
    "Encoder": (lambda: Layers(encoder(batch_first=True)), BATCH_FIRST),
    "EncoderNormFirst": (lambda: Layers(encoder(batch_first=True, norm_first=True, activation="gelu")), BATCH_FIRST),
    "EncoderTimeFirst": (lambda: Layers(encoder(), time_first=True), TIME_FIRST),
    "Decoder": (Decoder, BATCH_FIRST | {"memory": f"float32[batch,source,{WIDTH}]"}),
}
