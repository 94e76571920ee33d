"""A call that is run again as it is, laid out for the fast path of ``Stream.step``."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from edgeseq.contract import Port
from edgeseq.runtime.devices import Array, Buffer
from edgeseq.runtime.finite import dot, flat_pieces, summable, top_bytes
from edgeseq.runtime.inputs import check_finite_frames, check_range
from edgeseq.runtime.schedule import along


class Repeat:
    """A call on the CPU laid out flat for the fast path of ``Stream.step``: every attribute saved there is some 20 ns.

    ``target``, ``shape`` and ``dtype`` are those of the only input, ``result``, ``out_shape`` and ``out_dtype`` of the
    only output; shapes and the result are None where there are several, and all are in ``targets`` and ``results``.
    ``vector`` holds all values that must be finite, in one piece, ``top`` their top bytes where they are few; where
    ``vector`` is None and ``unsure``, it takes more to know, and :meth:`check` is to be called in every step. ``tails``
    are the inputs' last frames. ``bound``: the caller's array that ``bound_handles`` have in place of the only output.
    """

    __slots__ = (
        "_bindable",
        "_finite",
        "_latest",
        "_looked_at",
        "_ports",
        "_vectors",
        "base_frames",
        "bound",
        "bound_handles",
        "dtype",
        "handles",
        "out_dtype",
        "out_shape",
        "result",
        "results",
        "shape",
        "tails",
        "target",
        "targets",
        "top",
        "unsure",
        "vector",
    )

    def __init__(
        self,
        base_frames: int,
        handles: tuple[Any, Any],
        ports: tuple[Port, ...],
        targets: dict[str, Array],
        results: dict[str, Array],
        memory: Mapping[str, Array],
        finite: bool,
        bindable: bool,
    ) -> None:
        """``memory``: what the graph is given of every target, in one piece; the frames in front of it are finite.

        ``bindable``: nobody looks for the result in ``results`` later, so that it may be elsewhere.
        """
        self._ports = ports
        self._finite = finite
        self._latest: Array | None = None
        self._bindable = bindable
        self.base_frames = base_frames
        self.handles = self.bound_handles = handles
        self.bound: Array | None = None
        self.targets = tuple(targets.items())
        self.target = self.targets[0][1]
        self.shape = self.target.shape if len(targets) == 1 else None
        self.dtype = self.target.dtype
        self.results = tuple(results.items())
        first = self.results[0][1]
        self.result = first if len(results) == 1 else None
        self.out_shape = first.shape if len(results) == 1 else None
        self.out_dtype = first.dtype
        watched = [memory[name] for name, target in targets.items() if finite and target.dtype.kind == "f"]
        self._vectors = tuple(piece for target in watched if summable(target.dtype) for piece in flat_pieces(target))
        ranged = any(port.range is not None and targets[port.name].dtype.kind in "iu" for port in ports)
        self._looked_at = ranged or not all(summable(target.dtype) for target in watched)
        alone = len(self._vectors) == 1 and not self._looked_at
        self.vector = self._vectors[0] if alone else None
        self.top = None if self.vector is None else top_bytes(self.vector)
        self.unsure = not alone and (self._looked_at or bool(self._vectors))
        self.tails = tuple((port.name, targets[port.name][along(port.time_axis or 0, -1, None)]) for port in ports)

    def take(self, given: Mapping[str, Any]) -> bool:
        """Copy the inputs in where all fit; False where the general step must look at them."""
        for name, target in self.targets:
            value = given.get(name)
            if type(value) is not np.ndarray or value.shape != target.shape or value.dtype is not target.dtype:
                return False
        for name, target in self.targets:
            target[...] = given[name]
        return len(given) == len(self.targets)

    def check(self) -> None:
        """ShapeError or NonFiniteInput where the values that were copied in are not to be stepped."""
        for vector in self._vectors:
            if not isfinite(dot(vector, vector)):
                break
        else:
            if not self._looked_at:
                return
        for port, (_, target) in zip(self._ports, self.targets, strict=True):
            check_range(port, target)
            if self._finite:
                check_finite_frames(port, target)

    def copies(self) -> dict[str, Array]:
        """The results of several outputs, copied."""
        return {name: result.copy() for name, result in self.results}

    def fill(self, out: Any) -> None:
        """Copy the results into ``out``, that fits."""
        if self.result is not None:
            out[...] = self.result
            return
        for name, result in self.results:
            out[name][...] = result

    def without_frames(self, ports: tuple[Port, ...]) -> Repeat:
        """The same call, with no frame taken of the outputs that have a time axis."""
        early, axes = copy.copy(self), {port.name: port.time_axis for port in ports}
        early.results = tuple((name, _none_of(result, axes[name])) for name, result in self.results)
        first = early.results[0][1]
        early.result = None if self.result is None else first
        early.out_shape = None if self.result is None else first.shape
        early._bindable = False
        return early

    def again(self, out: Any) -> bool:
        """Whether this array came in the step before, too, and the graph may write to it: the only output's place."""
        again, self._latest = out is self._latest, out if self._bindable else None
        return again and out.flags.aligned

    def fits(self, out: object) -> bool:
        """Whether ``out`` is a dict with a place for each of several outputs."""
        if self.result is not None or type(out) is not dict or len(out) != len(self.results):
            return False
        return all(is_place(out.get(name), result) for name, result in self.results)


def _none_of(result: Array, axis: int | None) -> Array:
    return result if axis is None else result[along(axis, 0, 0)]


def is_place(out: object, result: Array) -> bool:
    """Whether ``result`` can be copied to ``out`` as it is; False also where that takes a closer look."""
    return (
        type(out) is np.ndarray
        and out.shape == result.shape
        and out.dtype is result.dtype
        and (flags := out.flags).c_contiguous
        and flags.writeable
    )


def repeat_of(
    base_frames: int,
    handles: tuple[Any, Any],
    ports: tuple[Port, ...],
    inputs: Mapping[str, Buffer],
    outputs: Mapping[str, Buffer],
    finite: bool,
    bindable: bool,
) -> Repeat | None:
    """The flat form of a call; None where its buffers lie on another device."""
    targets = {name: buffer.array for name, buffer in inputs.items() if buffer.array is not None}
    results = {name: buffer.array for name, buffer in outputs.items() if buffer.array is not None}
    memory = {name: buffer.memory for name, buffer in inputs.items() if buffer.memory is not None}
    if len(targets) < len(inputs) or len(results) < len(outputs):
        return None
    return Repeat(base_frames, handles, ports, targets, results, memory, finite, bindable)
