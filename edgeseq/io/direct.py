"""Models whose time axis is samples: as many as are a multiple of what a call takes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.contract import Contract, Port
from edgeseq.errors import ShapeError, UsageError
from edgeseq.io.layout import Layout
from edgeseq.runtime.model import Model
from edgeseq.runtime.schedule import lengths_at_end

Array = npt.NDArray[Any]


class Direct:
    """A stream of samples: ``hop`` counts input samples, ``overlap`` and ``look_ahead`` output samples.

    Channels are the port's features where it has as many, else rows of the batch. ``ratio``: samples out per sample in.
    """

    overlap = 0

    def __init__(self, model: Model, channels: int, **opened: Any) -> None:
        """UsageError where the model does not take samples of so many channels."""
        contract = model.contract
        source, target = _only(contract, "frame"), _only(contract, "output")
        self._in, self._out, self._name = Layout(source), Layout(target), target.name
        self._rows = channels if self._in.width == 1 else 1
        fits = self._rows == 1 or (self._in.has_batch and self._out.has_batch and self._out.width == 1)
        if channels != self._rows * self._in.width or not fits:
            got = f"{channels} channels for {source.name}[{','.join(map(str, source.shape))}]"
            do = "give frames=Frames(..., features=) where the features are made of samples"
            wanted = "its features, or 1 feature"
            raise UsageError("the model does not take so many channels", got=got, wanted=wanted, do=do)
        self.channels_out = self._rows * self._out.width
        self.hop = _whole(contract.chunk.multiple * source.ratio, source)
        self.ratio = target.ratio / source.ratio
        self.look_ahead = target.delay
        self._contract, self._per_base = contract, source.ratio
        self.rate = None if contract.frame_period is None else float(source.ratio) / contract.frame_period
        self.stream = model.stream(batch=self._rows, **opened)

    def reset(self) -> None:
        """Start anew."""
        self.stream.reset()

    def take(self, samples: Array) -> Array:
        """Whole hops in, ``[n, channels]``; the samples out that are ready."""
        return self._samples(self.stream.step(self._fed(samples)))

    def finish(self, rest: Array, total: int) -> Array:
        """The rest of ``total`` samples in; all that is owed out."""
        base_frames = total / self._per_base
        if base_frames.denominator != 1:
            wanted = f"a multiple of {self._per_base.numerator}"
            raise ShapeError("the model takes no signal of this length", got=f"{total} samples", wanted=wanted)
        lengths_at_end(self._contract, int(base_frames))  # refuses before anything is fed
        parts = [self.take(rest)] if len(rest) else []
        return np.concatenate([*parts, self._samples(self.stream.flush())])

    def _fed(self, samples: Array) -> Array:
        return self._in.put(samples.T[:, :, None] if self._rows > 1 else samples[None])

    def _samples(self, answer: Any) -> Array:
        rows = self._out.take(answer[self._name] if isinstance(answer, dict) else answer)
        return rows[:, :, 0].T if self._rows > 1 else rows[0]


def _only(contract: Contract, role: Any) -> Port:
    """The only port of this role with time; UsageError where there is none or there are several."""
    ports = [port for port in contract.with_role(role) if port.time_axis is not None]
    if len(ports) != 1:
        got = ", ".join(port.name for port in ports) or "none"
        raise UsageError(
            f"an adapter of samples needs one {role} port with time", got=got, do="step the stream yourself"
        )
    return ports[0]


def _whole(samples: Fraction, port: Port) -> int:
    if samples.denominator != 1:
        raise UsageError("a call takes no whole number of samples", got=f"{samples} of {port.name}")
    return int(samples)
