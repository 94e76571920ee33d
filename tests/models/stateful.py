"""Models whose forward takes the hidden state and returns it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GruWithState(nn.Module):
    """Takes h0, returns hn: written to be called on one buffer after another."""

    def __init__(self, features: int = 8, hidden: int = 16, layers: int = 2) -> None:
        super().__init__()
        self.gru = nn.GRU(features, hidden, layers, batch_first=True)
        self.fc = nn.Linear(hidden, 5)

    def forward(self, x: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        out, hn = self.gru(x, h0)
        return self.fc(out), hn


class LstmWithState(nn.Module):
    """Takes and returns the usual ``(h, c)`` pair."""

    def __init__(self, features: int = 8, hidden: int = 16) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 3)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        out, state = self.lstm(x, state)
        return self.fc(F.relu(out)), state


class CharRNN(nn.Module):
    """A character model: one-hot input, GRU, next-character scores and the hidden state."""

    def __init__(self, characters: int = 30, hidden: int = 24) -> None:
        super().__init__()
        self.characters = characters
        self.rnn = nn.GRU(characters, hidden, num_layers=2, dropout=0.3, batch_first=True)
        self.decoder = nn.Linear(hidden, characters)

    def forward(self, text: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        onehot = F.one_hot(text, self.characters).float()
        output, hidden = self.rnn(onehot, hidden)
        return self.decoder(output), hidden


class WordLanguageModel(nn.Module):
    """The shape of torch's word-level language model: time first, tied weights, scores folded to ``[T*B, words]``."""

    def __init__(self, words: int = 40, width: int = 16, layers: int = 2) -> None:
        super().__init__()
        self.words = words
        self.drop = nn.Dropout(0.5)
        self.encoder = nn.Embedding(words, width)
        self.rnn = nn.LSTM(width, width, layers, dropout=0.5)
        self.decoder = nn.Linear(width, words)
        self.decoder.weight = self.encoder.weight

    def forward(self, tokens: Tensor, hidden: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        emb = self.drop(self.encoder(tokens))
        output, hidden = self.rnn(emb, hidden)
        decoded = self.decoder(self.drop(output))
        decoded = decoded.view(-1, self.words)
        return F.log_softmax(decoded, dim=1), hidden


class LearnedStart(nn.Module):
    """A GRU whose initial state is a parameter, repeated for the batch."""

    def __init__(self, features: int = 6, hidden: int = 10) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(1, 1, hidden))
        self.gru = nn.GRU(features, hidden, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        h0 = self.start.repeat(1, x.shape[0], 1)
        y: Tensor = self.gru(x, h0)[0]
        return y


class StateWithoutLayers(nn.Module):
    """A two-layer stack of single GRUs whose states come and go as ``[batch, hidden]`` and as one stacked tensor."""

    def __init__(self, features: int = 6, hidden: int = 10) -> None:
        super().__init__()
        self.first = nn.GRU(features, hidden, batch_first=True)
        self.second = nn.GRU(hidden, hidden, batch_first=True)
        self.third = nn.GRU(hidden, hidden, batch_first=True)

    def forward(self, x: Tensor, top: Tensor, below: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, h1 = self.first(x, below[0:1])
        y, h2 = self.second(y, below[1:2])
        y, h3 = self.third(y, top.unsqueeze(0))
        return y, h3.squeeze(0), torch.cat([h1, h2], dim=0)
