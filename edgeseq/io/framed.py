"""Models whose frames are windows of samples: cut into overlapping frames, stepped, added up again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.contract import Contract, Port
from edgeseq.errors import ShapeError, UsageError
from edgeseq.io.framing import Cutter, OverlapAdd
from edgeseq.io.layout import Layout
from edgeseq.io.windows import window_pair
from edgeseq.runtime.model import Model
from edgeseq.runtime.schedule import lengths_at_end

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Frames:
    """How samples become the frames of a model, and its answers samples again.

    ``size``: samples of a frame. ``hop``: samples from frame to frame; ``size`` where None. ``window``: one ``[size]``
    for before and after the model, or a tuple of both; the root of a Hann window where None. ``features``: makes the
    input of ``stream.step`` of windowed frames ``[channels, n, size]``; they are the input themselves where None.
    ``apply``: makes frames ``[channels, n, size]`` of the model's answer and of the windowed frames that it belongs to,
    ``apply(answer, frames)``; the answer holds the frames where None. Both treat every frame alone.
    """

    size: int
    hop: int | None = None
    window: Any = None
    features: Callable[[Array], Any] | None = None
    apply: Callable[[Any, Array], Array] | None = None


class Framed:
    """A stream of frames behind samples: ``hop``, ``ratio``, ``overlap`` and ``look_ahead`` count samples."""

    ratio = Fraction(1)

    def __init__(self, model: Model, frames: Frames, channels: int, **opened: Any) -> None:
        """UsageError where the windows do not add up, or the model gives other than a frame for a frame."""
        self._size, self._hop = frames.size, frames.size if frames.hop is None else frames.hop
        if type(self._size) is not int or type(self._hop) is not int or not 1 <= self._hop <= self._size:
            got = f"size {self._size!r}, hop {self._hop!r}"
            raise UsageError("frames need a hop within their size", got=got, wanted="whole numbers of samples")
        self._before, self._after = window_pair(frames.window, self._size, self._hop)
        self._contract = model.contract
        self._timed = _one_for_one(model.contract)
        self._features = frames.features or _fitting(model.contract, "frame", self._size).put
        self._apply = frames.apply or _frames_in_answer(model.contract, self._size)
        self._channels = self.channels_out = channels
        self.hop = self._hop * model.contract.chunk.multiple
        self.overlap, self.look_ahead = self._size - self._hop, self._timed.delay * self._hop
        period = model.contract.frame_period
        self.rate = None if period is None else self._hop / period
        self.stream = model.stream(batch=channels, **opened)
        self.reset()

    def reset(self) -> None:
        """Start anew: nothing heard, nothing owed."""
        self.stream.reset()
        self._cutter = Cutter(self._size, self._hop, self._channels)
        self._adder = OverlapAdd(self._size, self._hop, self._channels)
        self._unanswered = np.zeros((self._channels, 0, self._size), np.float32)
        self._given = 0

    def take(self, samples: Array) -> Array:
        """Whole hops in, ``[n, channels]``; the samples out that no later frame adds to, from sample 0 on."""
        frames = self._cutter.cut(samples) * self._before
        answer = self.stream.step(self._features(frames))
        self._cutter.keep(samples)
        self._unanswered = np.concatenate([self._unanswered, frames], axis=1)
        return self._added(answer)

    def finish(self, rest: Array, total: int) -> Array:
        """The rest of ``total`` samples in, zeros behind it; all that is owed out, so that there are ``total``."""
        count = -(-(total + self.overlap) // self._hop) if total else 0
        lengths_at_end(self._contract, count)  # refuses before anything is fed
        owed, parts = total - self._given, [np.zeros((0, self._channels), np.float32)]
        missing = (count - self.stream.frames_in) * self._hop - len(rest)
        if count > self.stream.frames_in:
            parts.append(self.take(np.concatenate([rest, np.zeros((missing, self._channels), np.float32)])))
        parts.append(self._added(self.stream.flush()))
        return np.concatenate(parts)[:owed]

    def _added(self, answer: Any) -> Array:
        """The samples that are complete after an answer."""
        timed = answer[self._timed.name] if isinstance(answer, dict) else answer
        count = timed.shape[self._timed.time_axis or 0]
        if count == 0:
            return np.zeros((0, self._channels), np.float32)
        made = np.asarray(self._apply(answer, self._unanswered[:, :count]))
        if made.shape != (self._channels, count, self._size) or made.dtype.kind != "f":
            wanted = f"float32 {[self._channels, count, self._size]}"
            raise ShapeError("apply made other than frames", got=f"{made.dtype} {list(made.shape)}", wanted=wanted)
        self._unanswered = self._unanswered[:, count:]
        samples = self._adder.add(made.astype(np.float32, copy=False) * self._after)
        self._given += len(samples)
        return samples


def _one_for_one(contract: Contract) -> Port:
    """An output with time; UsageError unless all inputs and outputs with time have a frame per frame, equally late."""
    timed = [port for port in contract.with_role("output") if port.time_axis is not None and port.length is not None]
    same = all(port.length and all(at in (None, r) for r, at in enumerate(port.length.at)) for port in timed)
    ratios = {port.ratio for port in (*timed, *contract.with_role("frame"))}
    if not timed or not same or ratios != {1} or len({port.delay for port in timed}) > 1:
        told = ", ".join(f"{port.name}: ratio {port.ratio}, delay {port.delay}" for port in timed) or "none with time"
        raise UsageError("the model gives other than one frame for each frame", got=told, wanted="ratio 1, one delay")
    return timed[0]


def _fitting(contract: Contract, role: Any, size: int) -> Layout:
    """The layout of the only port of this role; UsageError where there are several, or its frames have another size."""
    ports = contract.with_role(role)
    layout = Layout(ports[0])
    if len(ports) > 1 or layout.width != size or not layout.has_batch:
        got = ", ".join(f"{port.name}[{','.join(map(str, port.shape))}]" for port in ports)
        do = f"give {'features' if role == 'frame' else 'apply'}= to Frames"
        wanted = f"one {role} port with batch, time and {size}"
        raise UsageError("the model's frames are not these samples", got=got, wanted=wanted, do=do)
    return layout


def _frames_in_answer(contract: Contract, size: int) -> Callable[[Any, Array], Array]:
    layout = _fitting(contract, "output", size)
    return lambda answer, frames: layout.take(answer)
