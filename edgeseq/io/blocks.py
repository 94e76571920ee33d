"""Blocks of any size in, blocks of the same size out: what an audio callback hands over, at constant latency."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from math import inf
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.errors import NonFiniteInput, ProviderError, ShapeError, StreamEnded, UsageError
from edgeseq.io.direct import Direct
from edgeseq.io.framed import Framed, Frames
from edgeseq.io.latency import Latency, most_waiting
from edgeseq.io.rates import same_rate
from edgeseq.runtime.model import Model

__all__ = ["Blocks", "Frames", "Latency"]

Array = npt.NDArray[Any]


class Blocks:
    """A stream of ``model`` that is given blocks ``[n]`` or ``[n, channels]`` and returns as many samples each time.

    The first ``latency.samples`` samples are zeros; what follows, with :meth:`flush`, is the model's output for the
    whole signal. A call that raises has changed nothing, unless its message asks for ``reset``. Not for two threads.
    """

    def __init__(
        self,
        model: Model,
        block: int | None = None,
        *,
        max_block: int | None = None,
        rate: float | None = None,
        channels: int = 1,
        frames: Frames | None = None,
        compute: float | None = None,
        **opened: Any,
    ) -> None:
        """All blocks have ``block`` samples, or each any number up to ``max_block``.

        ``rate``: input samples per second, where the contract has no frame period. ``frames``: how samples become
        frames, for a model whose time axis is not samples. ``compute``: seconds of a call, for ``latency``; see
        :meth:`measured`. ``opened`` is for ``model.stream``: conditioning, max_context.

        Raises UsageError where these do not fit the model.
        """
        _check_arguments(model, block, max_block, channels)
        self._again: Callable[[], Blocks] = lambda: Blocks(
            model, block, max_block=max_block, rate=rate, channels=channels, frames=frames, **opened
        )
        path = Direct(model, channels, **opened) if frames is None else Framed(model, frames, channels, **opened)
        self._path: Direct | Framed = path
        self._channels = channels
        self._block, self._most = block, block or max_block or 0
        self._closed = False
        self.latency = _latency(path, block, _rate(path.rate, rate), compute)
        self.reset()

    def reset(self) -> None:
        """Start anew: nothing waits, zeros come first. StreamEnded where the adapter was closed."""
        if self._closed:
            raise StreamEnded("the adapter is closed", do="open another")
        self._broken = True
        self._path.reset()
        self._waiting: Array = np.zeros((0, self._channels), np.float32)
        self._ready: Array = np.zeros((self.latency.samples, self._path.channels_out), np.float32)
        self._flat = self._channels == 1
        self.samples_in = 0
        self._ended = self._broken = False

    def step(self, block: Any) -> Array:
        """Take a block of float32 samples and return as many, times the model's ratio of output to input.

        What comes back is the caller's own, ``[n]`` where it came so and there is one channel out, else
        ``[n, channels]``. Raises ShapeError, NonFiniteInput, StreamEnded after :meth:`flush`, and what a step raises.
        """
        samples = self._checked(block, self._block)
        count = len(samples) * self._path.ratio
        if count.denominator != 1:
            wanted = f"a multiple of {self._path.ratio.denominator}"
            raise ShapeError("the block gives no whole number of samples", got=len(samples), wanted=wanted)
        joined = np.concatenate([self._waiting, samples])
        whole = len(joined) // self._path.hop * self._path.hop
        if whole:
            self._ready = self._moved(lambda: np.concatenate([self._ready, self._path.take(joined[:whole])]))
        answer, self._ready = self._ready[: int(count)], self._ready[int(count) :]
        self._waiting = joined[whole:]
        self.samples_in += len(samples)
        self._flat = np.ndim(block) == 1
        return self._shaped(answer)

    def flush(self, last: Any = None) -> Array:
        """Return all that is owed and end the stream; ``last`` is a last block, shorter than the others.

        All answers together are ``latency.samples`` zeros and the model's output for the whole signal. ShapeError, and
        nothing changed, where the model takes no signal of this length.
        """
        samples = self._checked(np.zeros((0, self._channels), np.float32) if last is None else last, None)
        rest = np.concatenate([self._waiting, samples])
        total = self.samples_in + len(samples)
        answer = self._moved(lambda: np.concatenate([self._ready, self._path.finish(rest, total)]))
        self._ended, self.samples_in = True, total
        self._flat = self._flat if last is None else np.ndim(last) == 1
        return self._shaped(answer)

    def measured(self, calls: int = 100) -> Latency:
        """``latency`` with the longest of so many calls as ``compute``, made back to back on a stream of their own.

        At a pace calls take longer: docs/measuring.md.
        """
        noise = 0.1 * np.random.default_rng(0).standard_normal((self._most, self._channels)).astype(np.float32)
        seconds = []
        with self._again() as twin:
            for _ in range(calls):
                begin = time.perf_counter()
                twin.step(noise)
                seconds.append(time.perf_counter() - begin)
        return replace(self.latency, compute=max(seconds))

    def close(self) -> None:
        """Let go of the stream for good."""
        self._ended = self._closed = True
        self._path.stream.close()

    def __enter__(self) -> Blocks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _moved(self, move: Callable[[], Array]) -> Array:
        """What ``move`` gives; where it raises after the stream has moved on, the adapter is broken."""
        stream = self._path.stream
        before = stream.frames_in, stream.frames_out
        try:
            return move()
        except BaseException:
            self._broken = (stream.frames_in, stream.frames_out) != before
            raise

    def _checked(self, block: Any, size: int | None) -> Array:
        """The block as ``[n, channels]``; refused where it does not fit or holds what is not finite."""
        if self._broken:
            raise ProviderError("an earlier call failed half way", do="call reset() to start anew")
        if self._ended:
            raise StreamEnded("the adapter has ended", do="call reset(), or open another where it was closed")
        samples = np.asarray(block)
        flat = samples.ndim == 1 and self._channels == 1
        most = self._most if size is None else size
        fits = (samples.ndim == 2 and samples.shape[1] == self._channels) or flat
        if not fits or samples.dtype != np.float32 or not (size or 0) <= len(samples) <= most:
            most_told = most if size is not None else f"up to {most}"
            wanted = f"float32 [{most_told}]" if self._channels == 1 else f"float32 [{most_told}, {self._channels}]"
            raise ShapeError(
                "the block does not fit",
                got=f"{samples.dtype} {list(samples.shape)}",
                wanted=wanted,
                do=_remedy(samples, fits),
            )
        if not np.isfinite(samples).all():
            raise NonFiniteInput(
                "the block holds a value that is not finite", do="repair it, or step zeros in its place"
            )
        return samples[:, None] if flat else samples

    def _shaped(self, answer: Array) -> Array:
        """As the latest block came: ``[n]`` or ``[n, channels]``."""
        return answer[:, 0] if self._flat and answer.shape[1] == 1 else answer


def _check_arguments(model: object, block: object, max_block: object, channels: object) -> None:
    if not isinstance(model, Model):
        raise UsageError("no model", got=type(model).__name__, wanted="edgeseq.runtime.load(path)")
    sizes = [size for size in (block, max_block) if size is not None]
    if len(sizes) != 1 or not all(type(number) is int and number >= 1 for number in (*sizes, channels)):
        got = f"block={block!r}, max_block={max_block!r}, channels={channels!r}"
        raise UsageError("blocks need one size", got=got, wanted="block= or max_block=, a whole number from 1")


def _remedy(samples: Array, fits: bool) -> str:
    if samples.dtype != np.float32:
        return "divide integers by their full scale, then x.astype(np.float32)"
    if not fits:
        return "give samples along the first axis, channels along the second"
    return "give a last, shorter block to flush(last); max_block= takes blocks of any size up to it"


def _latency(path: Direct | Framed, block: int | None, rate: float, compute: float | None) -> Latency:
    ratio = path.ratio
    if block is not None and block % ratio.denominator:
        wanted = f"a multiple of {ratio.denominator}"
        raise UsageError("blocks of this size give no whole number of samples", got=block, wanted=wanted)
    buffering = ratio * most_waiting(block or ratio.denominator, path.hop)
    return Latency(int(buffering), path.overlap, path.look_ahead, rate * float(ratio), compute)


def _rate(of_model: float | None, given: float | None) -> float:
    """Input samples per second; UsageError where the model has another rate, or nobody knows it."""
    if given is None and of_model is None:
        raise UsageError("the sample rate is not known", why="the file has no frame period", do="give rate=")
    if given is not None and (not isinstance(given, (int, float)) or not 0 < given < inf):
        raise UsageError("rate must be a number of samples per second", got=repr(given))
    if given is not None and of_model is not None and not same_rate(given, of_model):
        got, wanted = f"{given:,.6g} Hz", f"{of_model:,.6g} Hz"
        raise UsageError("wrong sample rate", got=got, wanted=wanted, do=f"resample the sound to {wanted}")
    return float(given or of_model or 0.0)
