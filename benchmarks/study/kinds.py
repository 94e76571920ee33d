"""The architectures that are compared: how each is made at a size, and how it is exported."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from benchmarks.study.attention import HEAD, REACH, Hybrid, Sight, Transformer
from benchmarks.study.recurrent import ConvolutionalGRU, MinimalBlock, Recurrent, TemporalBlock
from benchmarks.study.seq2seq import RecurrentTranslator, TransformerTranslator
from benchmarks.tasks.models import parameters
from benchmarks.tasks.readers import vowels

#: No hidden size is below this.
LEAST_WIDTH, MOST_WIDTH = 128, 1_025
#: How far from the wanted number of parameters the first depth may be before another is tried.
CLOSE = 0.1

Body = Callable[[int, int, float], nn.Module]


@dataclass(frozen=True)
class Kind:
    """One architecture. ``body(width, layers, dropout)`` keeps ``[batch, time, width]``.

    ``depths`` are the numbers of layers to choose from, the usual one first. ``ahead`` says whether a frame's answer
    may look at later frames, so that a forecast would see what it is asked for. ``mode`` is how it is exported.
    """

    name: str
    title: str
    body: Body
    depths: tuple[int, ...] = (1, 2)
    step: int = 8
    mode: Literal["exact", "lookahead", "window"] = "exact"

    @property
    def ahead(self) -> bool:
        """Whether an answer may look at later frames."""
        return self.mode != "exact"

    def fitting(self, make: Callable[[int, int], nn.Module], wanted: int) -> tuple[int, int]:
        """Width and layers with which ``make`` comes closest to ``wanted`` parameters, at the usual depth if close."""
        found: dict[int, tuple[int, int]] = {}
        for layers in self.depths:
            found[layers] = self._closest(make, layers, wanted)
            if found[layers][0] <= CLOSE * wanted:
                break
        chosen = min(found, key=lambda layers: found[layers][0])
        return found[chosen][1], chosen

    def _closest(self, make: Callable[[int, int], nn.Module], layers: int, wanted: int) -> tuple[int, int]:
        """How far the best width is from ``wanted``, and that width; models grow with it."""
        widths = range(LEAST_WIDTH, MOST_WIDTH, self.step)

        def size(width: int) -> int:
            with torch.device("meta"):
                return parameters(make(width, layers))

        place = min(bisect_left(widths, wanted, key=size), len(widths) - 1)
        return min((abs(size(width) - wanted), width) for width in widths[max(0, place - 1) : place + 1])


def _recurrent(cell: str, both: bool = False) -> Body:
    return lambda width, layers, dropout: Recurrent(cell, width, layers, dropout, both)


def _transformer(sight: Sight) -> Body:
    return lambda width, layers, dropout: Transformer(width, layers, dropout, sight)


def _convolutional(width: int, layers: int, dropout: float) -> nn.Module:
    return nn.Sequential(*(TemporalBlock(width, 2**number, dropout) for number in range(layers)), nn.LayerNorm(width))


def _minimal(width: int, layers: int, dropout: float) -> nn.Module:
    return nn.Sequential(*(MinimalBlock(width, dropout) for _ in range(layers)), nn.LayerNorm(width))


#: Of one stream of frames, those that most people know first.
KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("rnn", "RNN", _recurrent("rnn")),
        Kind("lstm", "LSTM", _recurrent("lstm")),
        Kind("gru", "GRU", _recurrent("gru")),
        Kind("transformer", "Transformer", _transformer("past"), (2, 1, 4), HEAD),
        Kind("sliding", f"Transformer, last {REACH}", _transformer("last"), (2, 1, 4), HEAD),
        Kind("deep_lstm", "deep LSTM", _recurrent("lstm"), (3, 2, 4)),
        Kind("bilstm", "bidirectional LSTM", _recurrent("lstm", both=True), (1, 2), mode="lookahead"),
        Kind("tcn", "TCN", _convolutional, (4, 2, 8)),
        Kind("cnn_gru", "CNN + GRU", ConvolutionalGRU),
        Kind("mingru", "minGRU", _minimal, (4, 2, 8)),
        Kind("hybrid", "GRU + attention", Hybrid, (2, 1, 3), HEAD),
        Kind("bert", "BERT encoder", _transformer("all"), (2, 1, 4), HEAD, mode="window"),
    )
}
#: Of a target given a source; ``body`` is the whole model but for its vocabulary.
TRANSLATORS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("gru_seq2seq", "GRU seq2seq", lambda *of: RecurrentTranslator(vowels.VOCABULARY, *of), (1, 2), HEAD),
        Kind(
            "transformer_seq2seq",
            "Transformer seq2seq",
            lambda *of: TransformerTranslator(vowels.VOCABULARY, *of),
            (1, 2),
            HEAD,
        ),
    )
}
