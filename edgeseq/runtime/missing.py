"""What stands in for frames that never came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from edgeseq.contract import Port, resolve_shape
from edgeseq.errors import ShapeError, UsageError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.schedule import along, frames_of
from edgeseq.runtime.states import zeros

POLICIES = ("raise", "zero", "hold")
#: Base frames of filler that are fed at once, so that a gap of any length takes the same memory.
PIECE = 256


class Missing:
    """The policy of a stream for frames that never came, and with ``hold`` the last frame of every input.

    ``holds``: ``last`` wants to be every step's last frames, of every input with a time axis of size 1, which nobody
    writes to; None before there was a step. ``count``: base frames that were missing so far.
    """

    __slots__ = ("_policy", "_ports", "_sizes", "_zeros", "count", "holds", "last")

    def __init__(self, policy: str, ports: tuple[Port, ...], sizes: Mapping[str, int]) -> None:
        """UsageError for a policy that is unknown, or that would give an input a value beside its range."""
        if policy not in POLICIES:
            raise UsageError(
                "unknown on_missing", got=repr(policy), wanted=" or ".join(repr(word) for word in POLICIES)
            )
        self._policy = policy
        self._ports = ports
        self._sizes = sizes
        self.holds = policy == "hold"
        if policy == "zero":
            self._check_zeros("open the stream with on_missing='hold'")
        self._zeros = {port.name: self._zero(port) for port in ports} if policy != "raise" else {}
        self.begin()

    def begin(self) -> None:
        """Forget what was seen and counted."""
        self.count = 0
        self.last: Mapping[str, Array] | None = None

    @property
    def held(self) -> Mapping[str, Array] | None:
        """The inputs' last frames, none before there was one; None where they are not held."""
        return (self.last or {}) if self.holds else None

    def put(self, held: Mapping[str, Array] | None, count: int) -> None:
        """Go on from what :attr:`held` was, and from so many missing frames."""
        self.last = (held or None) if self.holds else None
        self.count = count

    def release(self) -> None:
        """Let go of the frames that are held; the count stays."""
        self.last = None
        self._zeros = {}

    def see_frames(self, frames: Mapping[str, Array]) -> None:
        """Keep the last frames of whole chunks."""
        self.last = copies((port.name, frames[port.name][along(port.time_axis or 0, -1, None)]) for port in self._ports)

    def check(self, base_frames: int) -> None:
        """UsageError or ShapeError where ``base_frames`` cannot be made up."""
        if self._policy == "raise":
            raise UsageError(
                "this stream does not say what stands in for a missing frame",
                do="open it with model.stream(on_missing='hold'), which repeats the last frame, or on_missing='zero'",
            )
        if self.holds and self.last is None:
            self._check_zeros("step a frame first: there is none to hold yet")
        for port in self._ports:
            if base_frames * port.ratio.numerator % port.ratio.denominator:
                raise ShapeError(
                    f"{port.name} has no whole number of frames in this stretch of time",
                    got=f"{base_frames} base frames",
                    wanted=f"a multiple of {port.ratio.denominator}",
                )

    def frames(self, base_frames: int) -> dict[str, Array]:
        """What stands in for so many base frames, for reading only: one frame of every input, shown many times."""
        arrays, lasts = {}, self.last or self._zeros
        for port in self._ports:
            last, axis = lasts[port.name], port.time_axis or 0
            shape = (*last.shape[:axis], frames_of(port, base_frames), *last.shape[axis + 1 :])
            arrays[port.name] = np.broadcast_to(last, shape)
        return arrays

    def _zero(self, port: Port) -> Array:
        """One frame of zeros."""
        return zeros(resolve_shape(port.shape, {**self._sizes, "time": 1}), np.dtype(port.dtype))

    def _check_zeros(self, do: str) -> None:
        for port in self._ports:
            if port.range is None or np.dtype(port.dtype).kind not in "iu":
                continue
            low, high = port.range
            if not low <= 0 <= high:
                raise UsageError(
                    f"zeros cannot stand in for frames of {port.name}",
                    why=f"its values go from {low:.0f} to {high:.0f}",
                    do=do,
                )


def copies(tails: Iterable[tuple[str, Array]]) -> dict[str, Array]:
    """Copies of arrays by name."""
    return {name: tail.copy() for name, tail in tails}
