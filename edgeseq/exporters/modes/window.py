"""The last frames, run again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgeseq.errors import UsageError
from edgeseq.exporters.modes.whole_numbers import check_whole


@dataclass(frozen=True)
class Window:
    """After every ``hop`` new frames the whole model is run on the last ``frames`` frames, or on those there are.

    Outputs with a time axis get the frames that are new, ``lookahead`` frames late: the later, the more of the window
    lies on both sides of a frame. Outputs without one get their value for the window. All in base frames. Where the
    stream ends the window ends with it. A call holds ``hop`` frames.
    """

    name: ClassVar[str] = "window"
    frames: int
    hop: int = 1
    lookahead: int = 0

    def __post_init__(self) -> None:
        """UsageError for numbers that mean nothing."""
        check_whole("Window", "frames", self.frames, 1)
        check_whole("Window", "hop", self.hop, 1)
        check_whole("Window", "lookahead", self.lookahead, 0)
        if self.hop + self.lookahead > self.frames:
            raise UsageError(
                "the window is too short",
                why="the frames that it gives must lie in it",
                got=f"{self.frames} frames",
                wanted=f"at least hop + lookahead = {self.hop + self.lookahead}",
            )
