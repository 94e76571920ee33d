"""Random networks, as data: chains and parallel branches of blocks that mix time in every supported way."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

CHANNELS = 4
Block = tuple[Any, ...]

#: Blocks that keep the length, so that they may stand in a branch.
KEEPING = (
    *("centred", "chomped", "padded", "late", "early", "gru", "lstm", "rnn", "attention", "tanh", "fold", "norm"),
    "unet",
    "running",
    "bands",
    "turned",
)
#: Blocks that change it.
CHANGING = (
    *("valid", "strided", "even", "drop_front", "drop_back", "pad_front", "pad_back", "conv_pad_wide", "group"),
    *("transposed", "reflected", "nearest", "linear"),
)
SUMMARIES = ("mean", "max", "last", "state", "share")


def random_chain(generator: random.Random, depth: int, *, keep: bool, nested: int = 0) -> list[Block]:
    """A chain of ``depth`` blocks; with ``keep`` the whole of it keeps the length."""
    return [random_block(generator, keep=keep, nested=nested) for _ in range(depth)]


def random_block(generator: random.Random, *, keep: bool, nested: int) -> Block:
    """One block, drawn with its parameters; residual and concatenated branches hold chains of their own."""
    roll = generator.random() if nested < 3 else 0.0
    if roll > 0.72:
        branches = 1 if roll > 0.82 else 2
        chains = (
            random_chain(generator, generator.randint(1, 2), keep=True, nested=nested + 1) for _ in range(branches)
        )
        return ("residual" if branches == 1 else "concat", *chains)
    kind = generator.choice(KEEPING if keep or generator.random() < 0.5 else CHANGING)
    kernel, dilation = generator.randint(1, 4), generator.randint(1, 3)
    return {
        "centred": ("centred", 2 * generator.randint(0, 2) + 1, dilation),
        "chomped": ("chomped", kernel, dilation),
        "padded": ("padded", kernel, dilation, generator.randint(0, (kernel - 1) * dilation), generator.random() < 0.5),
        "late": ("late", generator.randint(1, 3)),
        "early": ("early", generator.randint(1, 3)),
        "strided": ("strided", kernel, generator.randint(2, 3), generator.randint(0, 2)),
        "even": ("even", 2 * generator.randint(1, 2), generator.randint(0, 2)),
        "valid": ("valid", kernel, dilation),
        "conv_pad_wide": ("conv_pad_wide", kernel, generator.randint(0, 4)),
        "group": ("group", 2),
        "nearest": ("nearest", generator.randint(2, 3)),
        "linear": ("linear", generator.randint(2, 3)),
        "reflected": ("reflected", kernel, generator.randint(1, 3), generator.choice(["reflect", "replicate"])),
        "unet": ("unet", kernel, generator.randint(2, 3)),
        "transposed": ("transposed", kernel, dilation, *_trims(generator, (kernel - 1) * dilation)),
    }.get(kind, (kind, generator.randint(1, 3)))


def _trims(generator: random.Random, reach: int) -> tuple[int, int, int]:
    """Stride, trim and frames behind of a transposed convolution."""
    stride = generator.randint(1, 3)
    return stride, generator.randint(0, min(2, reach // 2)), generator.randint(0, stride - 1)


class Network(nn.Module):
    """A module built from a chain. It returns the frames and the summaries that were asked for."""

    def __init__(self, chain: Sequence[Block], summaries: Sequence[str] = ()) -> None:
        super().__init__()
        self.chain, self.summaries = list(chain), list(summaries)
        self.parts = nn.ModuleList(_part(block) for block in self.chain)
        self.final = nn.GRU(CHANNELS, CHANNELS, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:
        """Frames ``[batch, time, CHANNELS]`` to the same with another length, and summaries ``[batch, CHANNELS]``."""
        for block, part in zip(self.chain, self.parts, strict=True):
            x = _run(block, part, x)
        found = [_summary(kind, x, self.final) for kind in self.summaries]
        return (x, *found) if found else x


def _part(block: Block) -> nn.Module:
    kind = block[0]
    if kind in ("residual", "concat"):
        return nn.ModuleDict(
            {
                "chains": nn.ModuleList(Network(chain) for chain in block[1:]),
                "mix": nn.Linear(CHANNELS * len(block[1:]), CHANNELS),
            }
        )
    if kind in ("gru", "lstm", "rnn"):
        classes: dict[str, Callable[..., nn.Module]] = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}
        return classes[kind](CHANNELS, CHANNELS, batch_first=True)
    if kind == "bands":
        return nn.GRU(CHANNELS // 2, CHANNELS // 2, batch_first=True)
    if kind in ("fold", "attention"):
        return nn.Linear(CHANNELS, 3 * CHANNELS if kind == "attention" else CHANNELS)
    if kind == "group":
        return nn.Linear(CHANNELS * block[1], CHANNELS)
    if kind == "norm":
        return nn.LayerNorm(CHANNELS)
    if kind == "unet":
        size, stride = block[1:]
        shrink, grow = (c(CHANNELS, CHANNELS, size + stride, stride) for c in (nn.Conv1d, nn.ConvTranspose1d))
        return nn.ModuleDict({"down": shrink, "up": grow})
    if kind == "transposed":
        kernel, dilation, stride, trim, behind = block[1:]
        return nn.ConvTranspose1d(CHANNELS, CHANNELS, kernel, stride, trim, behind, dilation=dilation)
    return _conv(block)


def _conv(block: Block) -> nn.Module:
    kind, numbers = block[0], block[1:]
    if kind == "centred":
        kernel, dilation = numbers
        return nn.Conv1d(CHANNELS, CHANNELS, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)
    if kind == "chomped":
        kernel, dilation = numbers
        return nn.Conv1d(CHANNELS, CHANNELS, kernel, dilation=dilation, padding=(kernel - 1) * dilation)
    if kind in ("padded", "valid"):
        return nn.Conv1d(CHANNELS, CHANNELS, numbers[0], dilation=numbers[1])
    if kind == "reflected":
        return nn.Conv1d(CHANNELS, CHANNELS, numbers[0])
    if kind == "strided":
        return nn.Conv1d(CHANNELS, CHANNELS, numbers[0], stride=numbers[1], padding=numbers[2])
    if kind in ("even", "conv_pad_wide"):
        return nn.Conv1d(CHANNELS, CHANNELS, numbers[0], padding=numbers[1])
    return nn.Identity()


def _run(block: Block, part: Any, x: torch.Tensor) -> Any:
    kind, numbers = block[0], block[1:]
    if kind == "residual":
        return x + part["mix"](part["chains"][0](x))
    if kind == "concat":
        return part["mix"](torch.cat([chain(x) for chain in part["chains"]], -1))
    if kind in ("gru", "lstm", "rnn"):
        return part(x)[0]
    if kind == "attention":
        q, k, v = (y.unflatten(-1, (2, CHANNELS // 2)).transpose(1, 2) for y in part(x).chunk(3, -1))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return y.transpose(1, 2).flatten(2)
    if kind == "fold":
        return torch.tanh(part(x.reshape(-1, CHANNELS))).view(x.shape[0], -1, CHANNELS)
    if kind == "bands":
        return _bands(part, x)
    if kind == "turned":
        z = torch.view_as_complex(x.reshape(*x.shape[:2], CHANNELS // 2, 2).contiguous())
        return torch.view_as_real(z * torch.polar(torch.ones_like(z.real), z.imag)).flatten(2)
    if kind == "group":
        return part(x[:, : x.shape[1] // numbers[0] * numbers[0]].reshape(x.shape[0], -1, CHANNELS * numbers[0]))
    if kind == "tanh":
        return torch.tanh(x) + 0.3
    if kind == "running":
        return _running(numbers[0], x)
    if kind == "norm":
        return part(x)
    return _along_time(kind, numbers, part, x.transpose(1, 2)).transpose(1, 2)


def _bands(part: Any, x: torch.Tensor) -> Any:
    """A recurrence over the frames of each half of the features, the halves folded into the batch."""
    batch, time, features = x.shape
    halves = x.view(batch, time, 2, features // 2).transpose(1, 2).reshape(batch * 2, time, features // 2)
    return part(halves)[0].view(batch, 2, time, features // 2).transpose(1, 2).reshape(batch, time, features)


def _running(which: int, x: torch.Tensor) -> torch.Tensor:
    """A mean, an extreme or a log-sum of the frames so far."""
    if which == 1:
        return x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]
    return x.cummax(1).values if which == 2 else torch.logcumsumexp(x.mT, -1).mT


def _along_time(kind: str, numbers: Sequence[Any], part: Any, x: torch.Tensor) -> Any:
    """``x`` is ``[batch, channels, time]``."""
    if kind == "chomped":
        cut = (numbers[0] - 1) * numbers[1]
        return part(x)[:, :, :-cut] if cut else part(x)
    if kind == "padded":
        kernel, dilation, left, squashed = numbers
        padded = functional.pad(x, (left, (kernel - 1) * dilation - left), value=0.5)
        return part(torch.tanh(padded) if squashed else padded)
    first = numbers[0]
    if kind == "unet":
        low = part["down"](functional.pad(x, (sum(numbers) - 1, 0)))
        return x + part["up"](torch.tanh(low))[..., : x.shape[2]]
    if kind == "reflected":
        _, amount, mode = numbers
        return part(functional.pad(x, (amount, 3 - amount), mode=mode))
    if kind in ("nearest", "linear"):
        return functional.interpolate(x, scale_factor=numbers[0], mode=kind)
    if kind == "late":
        return functional.pad(x, (first, 0), value=-0.3)[:, :, :-first]
    if kind == "early":
        return functional.pad(x, (0, first), value=0.7)[:, :, first:]
    if kind == "drop_front":
        return x[:, :, first:]
    if kind == "drop_back":
        return x[:, :, :-first]
    if kind == "pad_front":
        return functional.pad(x, (first, 0), value=0.4)
    if kind == "pad_back":
        return functional.pad(x, (0, first), value=0.6)
    return part(x)


def _summary(kind: str, x: torch.Tensor, final: nn.Module) -> Any:
    if kind == "mean":
        return x.mean(1)
    if kind == "max":
        return x.amax(1)
    if kind == "last":
        return x[:, -1]
    if kind == "share":
        return x.sum(1) / x.shape[1]
    return final(x)[1][0]
