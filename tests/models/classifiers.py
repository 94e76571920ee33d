"""Whole-sequence answers: a class, a forecast, a pooled vector. They obey the prefix law."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SentimentLast(nn.Module):
    """Sentiment from the last step of an LSTM."""

    def __init__(self, words: int = 60, hidden: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 12)
        self.lstm = nn.LSTM(12, hidden, num_layers=2, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(hidden, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        out, _ = self.lstm(self.embedding(tokens))
        return torch.sigmoid(self.fc(self.dropout(out[:, -1, :]))).squeeze(1)


class SentimentHidden(nn.Module):
    """Sentiment from the final hidden state of the top layer."""

    def __init__(self, words: int = 60, hidden: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 12)
        self.lstm = nn.LSTM(12, hidden, num_layers=2)
        self.fc = nn.Linear(hidden, 2)

    def forward(self, text: Tensor) -> Tensor:
        embedded = self.embedding(text)
        _, (hidden, _) = self.lstm(embedded)
        return self.fc(hidden[-1])  # type: ignore[no-any-return]


class ConcatPooling(nn.Module):
    """Last step, mean over time and max over time, concatenated."""

    def __init__(self, words: int = 60, hidden: int = 12) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 12)
        self.gru = nn.GRU(12, hidden, batch_first=True)
        self.fc = nn.Linear(3 * hidden, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        out, _ = self.gru(self.embedding(tokens))
        pooled = torch.cat([out[:, -1], out.mean(dim=1), out.max(dim=1).values], dim=1)
        return self.fc(pooled)  # type: ignore[no-any-return]


class TextCNN(nn.Module):
    """Convolutions of several widths over words, the largest answer of each, a class."""

    def __init__(self, words: int = 60, channels: int = 8) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 10)
        self.convs = nn.ModuleList([nn.Conv1d(10, channels, width) for width in (3, 4, 5)])
        self.fc = nn.Linear(3 * channels, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens).permute(0, 2, 1)
        pooled = [F.relu(conv(x)).max(dim=2)[0] for conv in self.convs]
        return self.fc(torch.cat(pooled, dim=1))  # type: ignore[no-any-return]


class FullyConvolutional(nn.Module):
    """A time-series classifier: centred convolutions with batch norm, global average pooling."""

    def __init__(self, channels: int = 3, classes: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(channels, 8, 7, padding="same"),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Conv1d(8, 12, 5, padding="same"),
            nn.BatchNorm1d(12),
            nn.ReLU(),
        )
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.head = nn.Linear(12, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.body(x)).squeeze(-1))  # type: ignore[no-any-return]


class Forecaster(nn.Module):
    """The next six hours of three series, from the last step of an LSTM."""

    def __init__(self, series: int = 3, horizon: int = 6, hidden: int = 16) -> None:
        super().__init__()
        self.series, self.horizon = series, horizon
        self.lstm = nn.LSTM(series, hidden, num_layers=2, batch_first=True, dropout=0.1)
        self.fc = nn.Linear(hidden, horizon * series)

    def forward(self, past: Tensor) -> Tensor:
        out, _ = self.lstm(past)
        return self.fc(out[:, -1]).view(-1, self.horizon, self.series)  # type: ignore[no-any-return]
