"""Convolutions along time, with and without look-ahead, alone and in front of recurrent layers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EcgNet(nn.Module):
    """Beat labels for every sample block: centred convolutions, batch norm, a GRU. Channels first, time last."""

    def __init__(self, leads: int = 2, classes: int = 5) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(leads, 8, kernel_size=7, padding=3)
        self.bn1 = nn.BatchNorm1d(8)
        self.conv2 = nn.Conv1d(8, 12, kernel_size=5, padding=2)
        self.bn2 = nn.BatchNorm1d(12)
        self.gru = nn.GRU(12, 16, batch_first=True)
        self.fc = nn.Linear(16, classes)

    def forward(self, ecg: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(ecg)))
        x = F.relu(self.bn2(self.conv2(x)))
        x, _ = self.gru(x.transpose(1, 2))
        return self.fc(x)  # type: ignore[no-any-return]


class KeywordSpotter(nn.Module):
    """Two strided 2-d convolutions over a mel spectrogram, a GRU, a score per keyword and frame."""

    def __init__(self, mels: int = 20, keywords: int = 4) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=(5, 4), stride=(2, 2), padding=(2, 1)),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1)),
            nn.ReLU(),
        )
        self.gru = nn.GRU(8 * (mels // 4), 12, num_layers=2, batch_first=True)
        self.fc = nn.Linear(12, keywords)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.conv(mel.unsqueeze(1))
        b, c, t, f = x.shape
        x = x.permute(0, 2, 1, 3).reshape(b, t, c * f)
        x, _ = self.gru(x)
        return self.fc(x)  # type: ignore[no-any-return]


class ResidualFrontEnd(nn.Module):
    """Centred convolutions with residual branches in front of an LSTM: branches of different look-ahead meet."""

    def __init__(self, features: int = 10, blocks: int = 3) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv1d(features, features, 3, padding=2**i, dilation=2**i),
                    nn.BatchNorm1d(features),
                    nn.ELU(),
                    nn.Conv1d(features, features, 1),
                )
                for i in range(blocks)
            ]
        )
        self.lstm = nn.LSTM(features, 14, batch_first=True)
        self.out = nn.Linear(14, features)

    def forward(self, x: Tensor) -> Tensor:
        h = x.transpose(1, 2)
        for block in self.blocks:
            h = F.relu(h + block(h))
        y, _ = self.lstm(h.transpose(1, 2))
        noise: Tensor = self.out(y)
        return x - noise


class StridedEncoder(nn.Module):
    """A waveform encoder: strided convolutions without padding, as speech encoders begin."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Conv1d(1 if i == 0 else width, width, kernel, stride, bias=False)
                for i, (kernel, stride) in enumerate([(10, 5), (3, 2), (2, 2)])
            ]
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, wave: Tensor) -> Tensor:
        x = wave.unsqueeze(1)
        for conv in self.layers:
            x = F.gelu(conv(x))
        return self.norm(x.transpose(1, 2))  # type: ignore[no-any-return]


class SameFrontEnd(nn.Module):
    """padding="same" with odd and even kernels, then a GRU."""

    def __init__(self, features: int = 6, hidden: int = 12) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(features, 10, 5, padding="same")
        self.conv2 = nn.Conv1d(10, 10, 4, padding="same", dilation=2)
        self.gru = nn.GRU(10, hidden)

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.conv1(x.permute(1, 2, 0)), 0.1)
        h = torch.tanh(self.conv2(h)).permute(2, 0, 1)
        y, _ = self.gru(h)
        return y  # type: ignore[no-any-return]


class DepthwiseSeparable(nn.Module):
    """Depthwise and pointwise convolution with batch norm and a learned PReLU, a residual around both."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, 5, padding=2, groups=channels, bias=False)
        self.pointwise = nn.Conv1d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm1d(channels)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.act(self.bn(self.pointwise(self.depthwise(x))))  # type: ignore[no-any-return]


class SeparableStack(nn.Module):
    """Depthwise-separable blocks between two 1x1 convolutions."""

    def __init__(self, features: int = 6, channels: int = 12) -> None:
        super().__init__()
        self.inp = nn.Conv1d(features, channels, 1)
        self.blocks = nn.Sequential(DepthwiseSeparable(channels), DepthwiseSeparable(channels))
        self.out = nn.Conv1d(channels, features, 1, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.blocks(self.inp(x)))  # type: ignore[no-any-return]


class GatedConvolutions(nn.Module):
    """A gated convolutional language model: causal by a pad in front, GLU, even kernels and groups."""

    def __init__(self, words: int = 40, channels: int = 12, kernel: int = 4) -> None:
        super().__init__()
        self.kernel = kernel
        self.embedding = nn.Embedding(words, channels)
        self.convs = nn.ModuleList([nn.Conv1d(channels, 2 * channels, kernel, groups=2) for _ in range(2)])
        self.out = nn.Linear(channels, words)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens).transpose(1, 2)
        for conv in self.convs:
            x = x + F.glu(conv(F.pad(x, (self.kernel - 1, 0))), dim=1)
        return self.out(x.transpose(1, 2))  # type: ignore[no-any-return]


class ValidResidual(nn.Module):
    """Convolutions without padding; the residual drops the frames that the convolution eats, two at the front."""

    def __init__(self, features: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(features, features, 3)
        self.conv2 = nn.Conv1d(features, features, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.conv1(x.transpose(1, 2))).transpose(1, 2) + x[:, 2:]
        return torch.relu(self.conv2(y.transpose(1, 2))).transpose(1, 2) + y[:, 1:-1]


class SpectrogramConvs(nn.Module):
    """2-d convolutions over frequency and time, time on the last axis, pooled over frequency only."""

    def __init__(self, bins: int = 16) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, (3, 3), padding=(1, 1))
        self.conv2 = nn.Conv2d(4, 6, (3, 5), padding=(1, 2), stride=(2, 1))
        self.fc = nn.Linear(6 * bins // 2, 5)

    def forward(self, spectrogram: Tensor) -> Tensor:
        x = torch.log1p(spectrogram.abs()).unsqueeze(1)
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return self.fc(x.flatten(1, 2).transpose(1, 2))  # type: ignore[no-any-return]


class Smoother(nn.Module):
    """One recording without a batch axis: pre-emphasis, a centred filter, the loudest answer so far."""

    def __init__(self, taps: int = 7) -> None:
        super().__init__()
        self.filter = nn.Conv1d(1, 3, taps, padding=taps // 2)

    def forward(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        sharper = wave - 0.97 * F.pad(wave, (1, 0))[:-1]
        y: Tensor = self.filter(sharper[None, None])[0]
        return y.t(), y.amax(dim=1)
