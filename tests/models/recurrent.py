"""Taggers, regressors and character models on plain recurrent layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ElmanTagger(nn.Module):
    """A part-of-speech tagger: embedding, tanh RNN, a score per tag and word."""

    def __init__(self, words: int = 50, tags: int = 7, hidden: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 12, padding_idx=0)
        self.rnn = nn.RNN(12, hidden, num_layers=2, batch_first=True)
        self.hidden2tag = nn.Linear(hidden, tags)

    def forward(self, sentence: Tensor) -> Tensor:
        embeds = self.embedding(sentence)
        out, _ = self.rnn(embeds)
        return torch.log_softmax(self.hidden2tag(out), dim=-1)


class ReluRegressor(nn.Module):
    """Sensor regression on a ReLU RNN, time first as torch's default has it."""

    def __init__(self, sensors: int = 6, hidden: int = 12) -> None:
        super().__init__()
        self.rnn = nn.RNN(sensors, hidden, nonlinearity="relu")
        self.head = nn.Sequential(nn.Linear(hidden, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.rnn(x)[0]
        return self.head(y).squeeze(-1)  # type: ignore[no-any-return]


class StackedLSTM(nn.Module):
    """Three LSTM layers with zero initial states made in forward, as most tutorials do."""

    def __init__(self, features: int = 10, hidden: int = 14, layers: int = 3) -> None:
        super().__init__()
        self.hidden, self.layers = hidden, layers
        self.lstm = nn.LSTM(features, hidden, layers, batch_first=True, dropout=0.2)
        self.fc = nn.Linear(hidden, 4)

    def forward(self, x: Tensor) -> Tensor:
        h0 = torch.zeros(self.layers, x.size(0), self.hidden).to(x.device)
        c0 = torch.zeros(self.layers, x.size(0), self.hidden).to(x.device)
        self.lstm.flatten_parameters()
        out, _ = self.lstm(x, (h0, c0))
        return self.fc(out)  # type: ignore[no-any-return]


class ProjectedAcousticModel(nn.Module):
    """An acoustic model on LSTMP layers (a recurrent projection), senone scores per frame."""

    def __init__(self, features: int = 9, cells: int = 20, projection: int = 8) -> None:
        super().__init__()
        self.lstmp = nn.LSTM(features, cells, num_layers=2, proj_size=projection, batch_first=True)
        self.senones = nn.Linear(projection, 11)

    def forward(self, features: Tensor) -> Tensor:
        y, _ = self.lstmp(features)
        return self.senones(y).log_softmax(-1)  # type: ignore[no-any-return]


class UnbiasedLSTM(nn.Module):
    """An LSTM without biases, time first, with a residual connection around it."""

    def __init__(self, features: int = 12) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.lstm = nn.LSTM(features, features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.lstm(self.norm(x))[0]  # type: ignore[no-any-return]


class DeepGRU(nn.Module):
    """A GRU stack built as a list of one-layer GRUs with dropout and skip connections between them."""

    def __init__(self, features: int = 8, hidden: int = 16, layers: int = 3) -> None:
        super().__init__()
        self.inp = nn.Linear(features, hidden)
        self.layers = nn.ModuleList([nn.GRU(hidden, hidden, batch_first=True) for _ in range(layers)])
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(hidden, features)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.inp(x))
        for gru in self.layers:
            y, _ = gru(h)
            h = h + self.drop(y)
        return torch.sigmoid(self.out(h)) * x


class PlacedWords(nn.Module):
    """Words and their places, the places repeated for the batch as BERT ports do, then a GRU."""

    def __init__(self, words: int = 30, longest: int = 80, width: int = 10) -> None:
        super().__init__()
        self.word, self.place = nn.Embedding(words, width), nn.Embedding(longest, width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.gru = nn.GRU(width, width, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, length = tokens.shape
        places = torch.arange(0, length).unsqueeze(0).repeat(batch, 1).to(tokens.device)
        y: Tensor = self.gru(self.norm(self.word(tokens) + self.place(places)))[0]
        return y
