"""Causal convolutional networks: the temporal convolutional network and a WaveNet."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations


class Chomp1d(nn.Module):
    """Cuts what the right padding added."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, : -self.size].contiguous()


class TemporalBlock(nn.Module):
    """Two dilated convolutions, padded on both sides and chomped, and a residual connection."""

    def __init__(self, inputs: int, outputs: int, dilation: int, norm: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        pad = 2 * dilation
        self.net = nn.Sequential(
            norm(nn.Conv1d(inputs, outputs, 3, padding=pad, dilation=dilation)),
            Chomp1d(pad),
            nn.ReLU(),
            nn.Dropout(0.2),
            norm(nn.Conv1d(outputs, outputs, 3, padding=pad, dilation=dilation)),
            Chomp1d(pad),
            nn.ReLU(),
            nn.Dropout(0.2),
        )
        self.downsample = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        residual = x if self.downsample is None else self.downsample(x)
        return F.relu(self.net(x) + residual)


class TemporalConvNet(nn.Module):
    """Dilations 1 and 2, a linear head on every frame."""

    def __init__(self, norm: Callable[[nn.Module], nn.Module], features: int = 5, channels: int = 10) -> None:
        super().__init__()
        blocks = [TemporalBlock(features if i == 0 else channels, channels, 2**i, norm) for i in range(2)]
        self.tcn = nn.Sequential(*blocks)
        self.linear = nn.Linear(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.tcn(x.transpose(1, 2)).transpose(1, 2))  # type: ignore[no-any-return]


def tcn() -> nn.Module:
    """With today's weight norm, a parametrization."""
    return TemporalConvNet(parametrizations.weight_norm)


def old_tcn() -> nn.Module:
    """With the weight norm of older repositories, a hook before forward."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return TemporalConvNet(torch.nn.utils.weight_norm)


class WaveNetBlock(nn.Module):
    """A dilated causal convolution with a gate; gives the residual and the skip."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.conv = nn.Conv1d(channels, 2 * channels, 2, dilation=dilation)
        self.residual = nn.Conv1d(channels, channels, 1)
        self.skip = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        filtered, gate = self.conv(F.pad(x, (self.dilation, 0))).chunk(2, dim=1)
        z = torch.tanh(filtered) * torch.sigmoid(gate)
        return x + self.residual(z), self.skip(z)


class WaveNet(nn.Module):
    """Two stacks of dilations 1, 2, 4, summed skips, scores for every sample. Time last."""

    def __init__(self, levels: int = 32, channels: int = 8) -> None:
        super().__init__()
        self.levels = levels
        self.inp = nn.Conv1d(levels, channels, 1)
        self.blocks = nn.ModuleList([WaveNetBlock(channels, 2**i) for _ in range(2) for i in range(3)])
        self.end1 = nn.Conv1d(channels, channels, 1)
        self.end2 = nn.Conv1d(channels, levels, 1)

    def forward(self, samples: Tensor) -> Tensor:
        x = self.inp(F.one_hot(samples, self.levels).float().transpose(1, 2))
        skips = torch.zeros_like(x)
        for block in self.blocks:
            x, skip = block(x)
            skips = skips + skip
        return self.end2(F.relu(self.end1(F.relu(skips))))  # type: ignore[no-any-return]


class ValidWaveNet(nn.Module):
    """The early form: convolutions without padding, residual and skip cropped to the newest frames by size."""

    def __init__(self, channels: int = 6) -> None:
        super().__init__()
        self.dilations = (1, 2, 4)
        self.convs = nn.ModuleList([nn.Conv1d(channels, 2 * channels, 2, dilation=d) for d in self.dilations])
        self.skips = nn.ModuleList([nn.Conv1d(channels, 4, 1) for _ in self.dilations])

    def forward(self, x: Tensor) -> Tensor:
        length = x.size(2) - sum(self.dilations)
        total = torch.zeros(())
        for conv, skip in zip(self.convs, self.skips, strict=True):
            y = F.glu(conv(x), dim=1)
            total = total + skip(y)[:, :, -length:]
            x = y + x[:, :, -y.size(2) :]
        return total


class CausalConv1d(nn.Conv1d):
    """A subclass that pads in front before it convolves, as many repositories have it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, dilation=dilation)
        self.front = (kernel - 1) * dilation

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (self.front, 0)))


class CausalDenoiser(nn.Module):
    """Strided causal encoder, GRU, and a mask for the frames that were kept."""

    def __init__(self, bins: int = 12) -> None:
        super().__init__()
        self.enc1 = CausalConv1d(bins, 10, 3)
        self.enc2 = CausalConv1d(10, 10, 3, dilation=2)
        self.norm = nn.GroupNorm(2, 10)
        self.rnn = nn.GRU(10, 10, batch_first=True)
        self.dec = nn.Linear(10, bins)

    def forward(self, spectrum: Tensor) -> Tensor:
        x = F.silu(self.enc2(F.silu(self.enc1(spectrum))))
        b, c, t = x.shape
        x = self.norm(x.transpose(1, 2).reshape(b * t, c)).view(b, t, c)
        x, _ = self.rnn(x)
        mask = torch.sigmoid(self.dec(x)).transpose(1, 2)
        return spectrum * mask
