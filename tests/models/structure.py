"""Several inputs, several outputs, conditioning, and time on every axis or folded into one."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Heads(NamedTuple):
    """What a multi-task model returns."""

    logits: Tensor
    energy: Tensor


class MultiTask(nn.Module):
    """A named tuple of frame-wise outputs, one of them looking ahead."""

    def __init__(self, features: int = 6) -> None:
        super().__init__()
        self.gru = nn.GRU(features, 10, batch_first=True)
        self.logits = nn.Linear(10, 4)
        self.smooth = nn.Conv1d(10, 1, 5, padding=2)

    def forward(self, x: Tensor) -> Heads:
        h, _ = self.gru(x)
        return Heads(self.logits(h), self.smooth(h.transpose(1, 2)).squeeze(1))


class DictOutputs(nn.Module):
    """A dict with frames, a pooled embedding and a list inside."""

    def __init__(self, features: int = 6) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, 8, batch_first=True)
        self.phone, self.tone = nn.Linear(8, 5), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor | list[Tensor]]:
        y, (h, _) = self.lstm(x)
        return {"scores": [self.phone(y), self.tone(y)], "embedding": F.normalize(y.mean(1), dim=-1), "last": h[0]}


class AddedInputs(nn.Module):
    """Audio and video features of the same rate, each with its own layer, added; then a GRU."""

    def __init__(self, audio: int = 6, video: int = 4) -> None:
        super().__init__()
        self.audio = nn.Conv1d(audio, 10, 3, padding=1)
        self.video = nn.Linear(video, 10)
        self.gru = nn.GRU(10, 10, batch_first=True)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        joined = self.audio(x.transpose(1, 2)).transpose(1, 2) + self.video(z)
        return self.gru(joined)[0]  # type: ignore[no-any-return]


class ConcatenatedInputs(nn.Module):
    """Tokens and durations side by side."""

    def __init__(self, words: int = 20) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 8)
        self.lstm = nn.LSTM(10, 12, batch_first=True)

    def forward(self, tokens: Tensor, durations: Tensor) -> Tensor:
        x = torch.cat([self.embedding(tokens), durations], dim=-1)
        return self.lstm(x)[0]  # type: ignore[no-any-return]


class SpeakerConditioned(nn.Module):
    """A speaker vector, without time, beside every frame, and as scale and shift after a norm."""

    def __init__(self, features: int = 8, speaker: int = 5) -> None:
        super().__init__()
        self.gru = nn.GRU(features + speaker, 12, batch_first=True)
        self.norm = nn.LayerNorm(12, elementwise_affine=False)
        self.film = nn.Linear(speaker, 24)

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        beside = speaker.unsqueeze(1).expand(-1, x.size(1), -1)
        h, _ = self.gru(torch.cat([x, beside], dim=2))
        scale, shift = self.film(speaker).chunk(2, dim=-1)
        return self.norm(h) * (1 + scale[:, None]) + shift[:, None]  # type: ignore[no-any-return]


class TimeDistributed(nn.Module):
    """Batch and time folded for an MLP, and unfolded again, as in Keras ports."""

    def __init__(self, features: int = 9) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(features, 12), nn.BatchNorm1d(12), nn.Tanh(), nn.Linear(12, 7))

    def forward(self, x: Tensor) -> Tensor:
        b, t, f = x.shape
        y = self.mlp(x.reshape(-1, f))
        return y.view(b, t, -1)  # type: ignore[no-any-return]


class DualPath(nn.Module):
    """A bidirectional GRU over frequency inside every frame, a GRU over time inside every band."""

    def __init__(self, channels: int = 6) -> None:
        super().__init__()
        self.intra = nn.GRU(channels, channels, batch_first=True, bidirectional=True)
        self.intra_fc = nn.Linear(2 * channels, channels)
        self.intra_norm = nn.LayerNorm(channels)
        self.inter = nn.GRU(channels, channels, batch_first=True)
        self.inter_norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        b, t, f, c = x.shape
        y, _ = self.intra(x.reshape(b * t, f, c))
        x = x + self.intra_norm(self.intra_fc(y)).reshape(b, t, f, c)
        y, _ = self.inter(x.transpose(1, 2).reshape(b * f, t, c))
        return x + self.inter_norm(y).reshape(b, f, t, c).transpose(1, 2)  # type: ignore[no-any-return]


class FrequencyAttention(nn.Module):
    """Self-attention, not causal, over the bands of each frame: it mixes no frames."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return x + self.out(F.scaled_dot_product_attention(q, k, v))  # type: ignore[no-any-return]


class ChannelNorms(nn.Module):
    """Time last: norms over channels by transposing, an instance of FiLM-free feature scaling, GELU and softmax."""

    def __init__(self, channels: int = 12) -> None:
        super().__init__()
        self.proj = nn.Conv1d(channels, channels, 1)
        self.norm = nn.LayerNorm(channels)
        self.scale = nn.Parameter(torch.rand(channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.proj(x).transpose(1, 2)).transpose(1, 2)
        y = y / (y.norm(dim=1, keepdim=True) + 1e-5) * self.scale
        return torch.softmax(F.gelu(y), dim=1) * x.clamp(-2.0, 2.0) + x.std(dim=1, keepdim=True)


class Derivatives(nn.Module):
    """First differences beside the features, one frame shorter than the input; logarithms and powers of each frame."""

    def __init__(self, features: int = 5) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * features, 8)

    def forward(self, x: Tensor) -> Tensor:
        delta = x[:, 1:] - x[:, :-1]
        now = x[:, 1:]
        return torch.tanh(self.fc(torch.cat([now, delta, torch.log1p(now**2)], dim=-1)))


class PixelNet(nn.Module):
    """A small 2-d network on every video frame, then an LSTM: batch and time folded around convolutions."""

    def __init__(self, hidden: int = 12) -> None:
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 2), nn.ReLU()
        )
        self.lstm = nn.LSTM(6, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 3)

    def forward(self, video: Tensor) -> Tensor:
        b, t, c, h, w = video.size()
        features = self.cnn(video.view(b * t, c, h, w)).view(b, t, -1)
        out, _ = self.lstm(features)
        return self.fc(out)  # type: ignore[no-any-return]
