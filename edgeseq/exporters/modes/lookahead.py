"""Bidirectional recurrent layers with a bounded look-ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgeseq.exporters.modes.whole_numbers import check_whole


@dataclass(frozen=True)
class Lookahead:
    """Bidirectional recurrent layers hear ``frames`` of the future; everything else stays exact.

    The forward half of a layer streams exactly. Its backward half starts anew every ``chunk`` frames, from the layer's
    initial state, and runs back over the last ``chunk + frames`` frames of the layer's input; it gives the first
    ``chunk`` of them::

        chunk = 4, frames = 2      0 1 2 3|4 5 6 7|8 9        every 4 frames:
        first run                  <-----               gives 0 1
        second run                     <----------      gives 2 3 4 5
        at the end                             <----    gives 6 7 8 9

    No frame past the end is read: there the backward half starts at the last frame, as the model's own does. Both
    numbers are in base frames. One layer delays by ``frames``; each layer has its right context on its own input, so
    that the delays of stacked layers add up, each brought to a whole number of chunks before the next layer. A call
    holds a multiple of ``chunk``.
    """

    name: ClassVar[str] = "lookahead"
    frames: int
    chunk: int = 1

    def __post_init__(self) -> None:
        """UsageError for numbers that mean nothing."""
        check_whole("Lookahead", "frames", self.frames, 0)
        check_whole("Lookahead", "chunk", self.chunk, 1)
