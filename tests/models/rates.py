"""Inputs of several rates, a fixed batch or none, and axes that inputs share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Vocoder(nn.Module):
    """Four samples for each frame of a spectrogram, which is repeated and smoothed to reach their rate."""

    def __init__(self, bands: int = 6) -> None:
        super().__init__()
        self.smooth = nn.Conv1d(bands, bands, 5, padding=2)
        self.gru = nn.GRU(bands + 1, 12, batch_first=True)
        self.out = nn.Linear(12, 1)

    def forward(self, mel: Tensor, wave: Tensor) -> Tensor:
        slow = mel.unsqueeze(2).expand(-1, -1, 4, -1).flatten(1, 2)
        fast = self.smooth(slow.transpose(1, 2)).transpose(1, 2)
        h, _ = self.gru(torch.cat([fast, wave.unsqueeze(-1)], -1))
        return torch.tanh(self.out(h)).squeeze(-1)


class LipReader(nn.Module):
    """Sound at four times the rate of the video: strided convolutions bring it down, an LSTM reads both."""

    def __init__(self) -> None:
        super().__init__()
        self.sound = nn.Sequential(
            nn.Conv1d(3, 8, 5, stride=2, padding=2), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 8, 2, stride=2)
        )
        self.lips = nn.Sequential(nn.Flatten(2), nn.Linear(16, 8))
        self.lstm = nn.LSTM(16, 10, batch_first=True)
        self.words = nn.Linear(10, 5)

    def forward(self, audio: Tensor, video: Tensor) -> Tensor:
        heard = self.sound(audio.transpose(1, 2)).transpose(1, 2)
        h, _ = self.lstm(torch.cat([heard, self.lips(video)], -1))
        return self.words(h)  # type: ignore[no-any-return]


class ThreeToTwo(nn.Module):
    """Two rates, neither a multiple of the other, each folded into steps of its own size."""

    def __init__(self) -> None:
        super().__init__()
        self.fast, self.slow = nn.Linear(3 * 4, 8), nn.Linear(2 * 5, 8)
        self.gru = nn.GRU(8, 8, batch_first=True)

    def forward(self, fast: Tensor, slow: Tensor) -> Tensor:
        rows = fast.shape[0]
        h = self.fast(fast.reshape(rows, -1, 12)) + self.slow(slow.reshape(rows, -1, 10))
        return self.gru(h)[0]  # type: ignore[no-any-return]


class SingleRow(nn.Module):
    """Written for one sequence at a time: ``squeeze(0)``, and recurrent layers without a batch axis."""

    def __init__(self, features: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv1d(features, 8, 3, padding=1)
        self.lstm = nn.LSTM(8, 8)
        self.out = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.lstm(torch.relu(self.conv(x.transpose(1, 2))).squeeze(0).t())
        return self.out(h).unsqueeze(0)  # type: ignore[no-any-return]


class Pair(nn.Module):
    """A batch of exactly two, which the model mixes: the difference of both ears."""

    def __init__(self, features: int = 4) -> None:
        super().__init__()
        self.gru = nn.GRU(2 * features, 6, batch_first=True)

    def forward(self, ears: Tensor) -> Tensor:
        joined = torch.cat([ears[0] + ears[1], ears[0] - ears[1]], -1)
        return self.gru(joined.unsqueeze(0))[0]  # type: ignore[no-any-return]


class Unbatched(nn.Module):
    """No batch axis: ``nn.GRU`` on ``[time, features]``."""

    def __init__(self, features: int = 3) -> None:
        super().__init__()
        self.gru = nn.GRU(features, 7, num_layers=2)
        self.out = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(self.gru(x)[0])  # type: ignore[no-any-return]


class MaskedMemory(nn.Module):
    """A sentence and its mask, of one length that the model does not know; their mean conditions every frame."""

    def __init__(self, features: int = 6) -> None:
        super().__init__()
        self.embed = nn.Linear(5, features)
        self.gru = nn.GRU(features, features, batch_first=True)

    def forward(self, x: Tensor, src: Tensor, mask: Tensor) -> Tensor:
        weights = mask.to(src.dtype).unsqueeze(-1) + 1e-3
        memory = (self.embed(src) * weights).sum(1) / weights.sum(1)
        return self.gru(x + memory.unsqueeze(1))[0]  # type: ignore[no-any-return]


class AlignedDecoder(nn.Module):
    """Each frame comes with how much it attends to each word: an axis of the frames is an axis of the memory."""

    def __init__(self, features: int = 6) -> None:
        super().__init__()
        self.gru = nn.GRU(features, 8, batch_first=True)

    def forward(self, alignment: Tensor, words: Tensor) -> Tensor:
        return self.gru(torch.softmax(alignment, -1) @ words)[0]  # type: ignore[no-any-return]
