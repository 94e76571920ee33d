"""Ten ordinary models, written as one writes them in PyTorch, whose step graphs are counted."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

FEATURES, HIDDEN = 8, 16
WIDTH, HEADS = 32, 4
SIZE = WIDTH // HEADS
POSITIONS = 64


class Gru(nn.Module):
    """One GRU layer over ``[batch, time, 8]``."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(FEATURES, HIDDEN, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:
        return self.gru(x)[0]


class Lstm(nn.Module):
    """Two LSTM layers and a linear one."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, HIDDEN, num_layers=2, batch_first=True)
        self.head = nn.Linear(HIDDEN, FEATURES)

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(self.lstm(x)[0])


class Chomp(nn.Module):
    """Cuts the frames that a padding on both sides added at the end."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, : -self.size].contiguous()


class TemporalBlock(nn.Module):
    """Two weight-normed dilated causal convolutions beside a residual (Bai et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, dilation: int, kernel: int = 3) -> None:
        super().__init__()
        pad = (kernel - 1) * dilation
        first = weight_norm(nn.Conv1d(inputs, outputs, kernel, padding=pad, dilation=dilation))
        second = weight_norm(nn.Conv1d(outputs, outputs, kernel, padding=pad, dilation=dilation))
        self.net = nn.Sequential(
            *(first, Chomp(pad), nn.ReLU(), nn.Dropout(0.2)), *(second, Chomp(pad), nn.ReLU(), nn.Dropout(0.2))
        )
        self.downsample = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.net(x) + self.downsample(x))


class Tcn(nn.Module):
    """A temporal convolutional network over ``[batch, 8, time]``."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(TemporalBlock(FEATURES, HIDDEN, 1), TemporalBlock(HIDDEN, HIDDEN, 2))

    def forward(self, x: torch.Tensor) -> Any:
        return self.blocks(x)


class WaveNet(nn.Module):
    """Gated dilated convolutions with residual and skip connections."""

    def __init__(self, dilations: tuple[int, ...] = (1, 2, 4)) -> None:
        super().__init__()
        self.dilations = dilations
        self.start = nn.Conv1d(1, HIDDEN, 1)
        self.filters = nn.ModuleList(nn.Conv1d(HIDDEN, HIDDEN, 2, dilation=d) for d in dilations)
        self.gates = nn.ModuleList(nn.Conv1d(HIDDEN, HIDDEN, 2, dilation=d) for d in dilations)
        self.residuals = nn.ModuleList(nn.Conv1d(HIDDEN, HIDDEN, 1) for _ in dilations)
        self.skips = nn.ModuleList(nn.Conv1d(HIDDEN, WIDTH, 1) for _ in dilations)
        self.end = nn.Conv1d(WIDTH, 1, 1)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.start(x)
        total: Any = 0
        for d, take, gate, residual, skip in zip(
            self.dilations, self.filters, self.gates, self.residuals, self.skips, strict=True
        ):
            padded = F.pad(x, (d, 0))
            gated = torch.tanh(take(padded)) * torch.sigmoid(gate(padded))
            total = total + skip(gated)
            x = x + residual(gated)
        return self.end(F.relu(total))


class Denoiser(nn.Module):
    """A strided convolution, a GRU over its frames and a transposed convolution back, over ``[batch, 1, time]``."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv1d(1, HIDDEN, 8, stride=4)
        self.gru = nn.GRU(HIDDEN, HIDDEN, batch_first=True)
        self.mask = nn.Linear(HIDDEN, HIDDEN)
        self.decoder = nn.ConvTranspose1d(HIDDEN, 1, 8, stride=4)

    def forward(self, x: torch.Tensor) -> Any:
        z = F.relu(self.encoder(x))
        mask = torch.sigmoid(self.mask(self.gru(z.transpose(1, 2))[0]))
        return self.decoder(z * mask.transpose(1, 2))


class Attention(nn.Module):
    """nanoGPT's causal self-attention with the fused op."""

    def __init__(self) -> None:
        super().__init__()
        self.c_attn = nn.Linear(WIDTH, 3 * WIDTH)
        self.c_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> Any:
        batch, time, width = x.size()
        q, k, v = self.c_attn(x).split(width, dim=2)
        k = k.view(batch, time, HEADS, SIZE).transpose(1, 2)
        q = q.view(batch, time, HEADS, SIZE).transpose(1, 2)
        v = v.view(batch, time, HEADS, SIZE).transpose(1, 2)
        y = self.attend(q, k, v)
        return self.c_proj(y.transpose(1, 2).contiguous().view(batch, time, width))

    def attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=True)


class TrilAttention(Attention):
    """The same with a mask kept in a buffer."""

    tril: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("tril", torch.tril(torch.ones(POSITIONS, POSITIONS)).view(1, 1, POSITIONS, POSITIONS))

    def attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        time = q.shape[2]
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        scores = scores.masked_fill(self.tril[:, :, :time, :time] == 0, float("-inf"))
        return F.softmax(scores, dim=-1) @ v


class SlidingAttention(Attention):
    """Each frame sees the last eight."""

    def attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        place = torch.arange(q.shape[2], device=q.device)
        distance = place[:, None] - place[None, :]
        scores = q @ k.transpose(-2, -1) / math.sqrt(SIZE)
        scores = scores.masked_fill((distance < 0) | (distance >= 8), float("-inf"))
        return F.softmax(scores, dim=-1) @ v


class GptBlock(nn.Module):
    """Attention and a perceptron, each behind a norm and beside a residual."""

    def __init__(self, attention: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn = attention()
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: torch.Tensor) -> Any:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt(nn.Module):
    """Two blocks over tokens ``int64[batch, time]`` with a learned table of positions."""

    def __init__(self, attention: Callable[[], nn.Module] = Attention, positions: bool = True) -> None:
        super().__init__()
        self.wte = nn.Embedding(FEATURES, WIDTH)
        self.wpe = nn.Embedding(POSITIONS, WIDTH) if positions else None
        self.h = nn.ModuleList(GptBlock(attention) for _ in range(2))
        self.ln_f = nn.LayerNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, FEATURES, bias=False)

    def forward(self, idx: torch.Tensor) -> Any:
        x = self.wte(idx)
        if self.wpe is not None:
            x = x + self.wpe(torch.arange(0, idx.size(1), dtype=torch.long, device=idx.device))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


class Encoder(nn.Module):
    """nn.TransformerEncoder of two layers with a causal mask."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)

    def forward(self, x: torch.Tensor) -> Any:
        mask = nn.Transformer.generate_square_subsequent_mask(x.size(1), device=x.device)
        return self.encoder(x, mask=mask, is_causal=True)


class RmsNorm(nn.Module):
    """Llama's: divided by the root of the mean square."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def rotate_half(x: torch.Tensor) -> torch.Tensor:
    """Minus the second half, then the first."""
    first, second = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat((-second, first), dim=-1)


class LlamaBlock(nn.Module):
    """Rotary attention with grouped heads and a gated perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.input_norm, self.post_norm = RmsNorm(), RmsNorm()
        self.q_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.k_proj = nn.Linear(WIDTH, WIDTH // 2, bias=False)
        self.v_proj = nn.Linear(WIDTH, WIDTH // 2, bias=False)
        self.o_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate_proj = nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        self.up_proj = nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        self.down_proj = nn.Linear(2 * WIDTH, WIDTH, bias=False)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> Any:
        x = x + self.attend(self.input_norm(x), cos, sin)
        y = self.post_norm(x)
        return x + self.down_proj(F.silu(self.gate_proj(y)) * self.up_proj(y))

    def attend(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> Any:
        shape = (*x.shape[:-1], -1, SIZE)
        q, k, v = (p(x).view(shape).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.o_proj(y.transpose(1, 2).reshape(x.shape))


class Llama(nn.Module):
    """Two blocks over tokens; the rotation is computed once for both."""

    inv_freq: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(FEATURES, WIDTH)
        self.layers = nn.ModuleList(LlamaBlock() for _ in range(2))
        self.norm = RmsNorm()
        self.lm_head = nn.Linear(WIDTH, FEATURES, bias=False)
        self.register_buffer("inv_freq", 1.0 / 10000 ** (torch.arange(0, SIZE, 2).float() / SIZE))

    def forward(self, idx: torch.Tensor) -> Any:
        x = self.embed(idx)
        freqs = torch.outer(torch.arange(idx.shape[1], device=idx.device).float(), self.inv_freq)
        emb = torch.cat((freqs, freqs), dim=-1)
        cos, sin = emb.cos(), emb.sin()
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.lm_head(self.norm(x))


class CumulativeMean(nn.Module):
    """The mean of all frames so far."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
        return torch.cumsum(x, dim=1) / count[None, :, None]


FRAMES = f"float32[batch,time,{FEATURES}]"
CHANNELS = f"float32[batch,{FEATURES},time]"
SAMPLES = "float32[batch,1,time]"
TOKENS = "int64[batch,time]"
WIDE = f"float32[batch,time,{WIDTH}]"

MODELS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "gru": (Gru, FRAMES),
    "lstm": (Lstm, FRAMES),
    "tcn": (Tcn, CHANNELS),
    "wavenet": (WaveNet, SAMPLES),
    "denoiser": (Denoiser, SAMPLES),
    "gpt": (Gpt, TOKENS),
    "gpt_by_hand": (lambda: Gpt(TrilAttention), TOKENS),
    "encoder": (Encoder, WIDE),
    "llama": (Llama, TOKENS),
    "sliding": (lambda: Gpt(SlidingAttention, positions=False), TOKENS),
    "mean": (CumulativeMean, FRAMES),
}
