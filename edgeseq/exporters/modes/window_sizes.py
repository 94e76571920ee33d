"""The arithmetic of ``Window``: where windows lie and which frames each gives. All counts are in base frames.

After a call that brings the count to N + hop, with ``e`` the real frames so far::

    frames    |. . . . . . . . . . . . . . . .|
    window              |s . . . . . . . . . e|        at most ``frames`` of them
    given                       |- hop -|              ``delay`` behind N + hop
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgeseq.contract import Contract, Length, Port
from edgeseq.errors import UsageError
from edgeseq.exporters.modes.window import Window
from edgeseq.runtime.schedule import round_up, spare


@dataclass(frozen=True)
class Windows:
    """The windows of one model. ``step``: windows start at its multiples, where frames of all rates begin.

    ``least``: frames of the shortest window; at the start of a stream it is filled up with zeros in front.
    """

    frames: int
    hop: int
    step: int
    least: int

    def start(self, end: int) -> int:
        """The first frame of the window that ends before ``end``; negative where zeros stand in front."""
        return round_up(max(0, end - self.frames), self.step) - round_up(max(0, self.least - end), self.step)


def windows_of(mode: Window, step: int, least: int, most: int | None) -> Windows:
    """UsageError where the model does not take such windows."""
    for name, count in (("frames", mode.frames), ("hop", mode.hop)):
        if count % step:
            raise UsageError(
                f"{name} of Window does not fit the model",
                why=f"its frames come in groups of {step}",
                got=count,
                wanted=f"a multiple of {step}",
            )
    shortest = least + step - 1
    if mode.frames < shortest:
        raise UsageError("the window is too short for the model", got=mode.frames, wanted=f"at least {shortest} frames")
    if most is not None and mode.frames > most:
        raise UsageError("the window is longer than what the model takes", got=mode.frames, wanted=f"at most {most}")
    return Windows(mode.frames, mode.hop, step, least)


def delay_of(mode: Window, length: Length) -> int:
    """Frames by which an output of this length is late: the look-ahead asked for, or what its missing end makes it."""
    cut = [int(length.ratio * (rest - rest % mode.hop)) - at for rest, at in enumerate(length.at) if at is not None]
    return max(math.ceil(mode.lookahead * length.ratio), 0, *cut)


def check_delays(contract: Contract, windows: Windows) -> None:
    """UsageError where frames would be given that lie before their window."""
    for port in contract.with_role("output"):
        within = (windows.frames - windows.hop - (windows.step - 1)) * port.ratio
        if port.length is not None and port.delay > within:
            raise UsageError(
                "the window is too short",
                why=f"{port.name} is {port.delay} frames late",
                got=windows.frames,
                wanted=f"at least {math.ceil(port.delay / port.ratio) + windows.hop + windows.step - 1} frames",
            )


def filler(contract: Contract) -> int:
    """Base frames past the end that calls may be made for."""
    return spare(contract)


def history(contract: Contract, windows: Windows) -> int:
    """Frames of the past that a call needs beside its own."""
    return windows.frames + filler(contract) - windows.hop


def first_given(port: Port, fed: int) -> int:
    """The first frame of an output that the call after ``fed`` base frames gives; negative ones are not real."""
    return int(fed * port.ratio) - port.delay
