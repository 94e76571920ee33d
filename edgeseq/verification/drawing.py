"""Inputs to verify on: random ones, or stretches of the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Contract, Port, resolve_shape
from edgeseq.errors import UsageError
from edgeseq.verification.arrays import Arrays

Calibration = Iterable[Mapping[str, Any]]
Array = np.ndarray[Any, Any]

#: The size of a dynamic axis of the user's own.
_WORD = 6
#: Integers for an input that no table is indexed by.
_SMALL = 100


class Draws:
    """Inputs of any size for a contract: ``draws(frames, batch, seed)`` gives arrays by port name.

    Without calibration: standard normal values, and integers within the port's range. With it: every row is a random
    stretch of a random sample, the same of all ports, repeated from its beginning where it is too short.
    """

    def __init__(self, contract: Contract, calibration: Calibration | None = None) -> None:
        """Raises UsageError where a sample does not fit its port."""
        self.ports = contract.with_role("frame") + contract.with_role("conditioning")
        self.samples = _samples(self.ports, calibration)

    @property
    def guessed(self) -> list[str]:
        """Integer inputs for which neither the model nor calibration says which values they take."""
        return [
            port.name
            for port in self.ports
            if "int" in port.dtype and port.range is None and port.name not in self.samples
        ]

    @property
    def longest(self) -> int:
        """Base frames of the longest sample; 0 without calibration."""
        timed = {port.name: port for port in self.ports if port.time_axis is not None}
        return max(
            (
                int(array.shape[timed[name].time_axis or 0] / timed[name].ratio)
                for name, samples in self.samples.items()
                for array in samples
                if name in timed
            ),
            default=0,
        )

    def __call__(self, frames: int, batch: int, seed: int) -> Arrays:
        """Inputs of ``frames`` base frames and ``batch`` rows; the same for the same seed."""
        generator = np.random.default_rng(seed)
        sizes = {"batch": batch, "time": frames}
        words: dict[str, int] = {}
        places = generator.random((batch, 3)) if self.samples else np.zeros((batch, 3))
        arrays = {}
        for port in self.ports:
            samples = self.samples.get(port.name)
            if samples:
                arrays[port.name] = _stretch(port, samples, sizes, words, places)
            else:
                arrays[port.name] = _random(port, _shape(port, {**words, **sizes}), generator)
        return arrays


def _samples(ports: tuple[Port, ...], calibration: Calibration | None) -> dict[str, list[Array]]:
    known = {port.name: port for port in ports}
    found: dict[str, list[Array]] = {}
    for sample in calibration or ():
        for name, value in sample.items():
            if name not in known:
                raise UsageError(f"calibration names {name!r}", wanted=f"one of {', '.join(known)}")
            found.setdefault(name, []).append(_checked(known[name], np.asarray(value)))
    return found


def _checked(port: Port, array: Array) -> Array:
    fits = array.ndim == len(port.shape) and all(
        size > 0 and (isinstance(axis, str) or axis == size)
        for axis, size in zip(port.shape, array.shape, strict=False)
    )
    if str(array.dtype) != port.dtype or not fits:
        raise UsageError(
            f"calibration for {port.name} does not fit",
            got=f"{array.dtype}[{','.join(map(str, array.shape))}]",
            wanted=f"{port.dtype}[{','.join(map(str, port.shape))}]",
        )
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise UsageError(f"calibration for {port.name} holds NaN", do="leave such samples out")
    return array


def _stretch(port: Port, samples: list[Array], sizes: Mapping[str, int], words: dict[str, int], places: Array) -> Array:
    """Rows of samples, each from some frame on. Axes of the user's own keep the first sample's size.

    ``places`` ``[rows, 3]`` from 0 to 1 say which sample, which row of it and which frame: what belongs together in the
    ports' samples is drawn together.
    """
    rows = sizes["batch"] if "batch" in port.shape else 1
    pieces = []
    for which, row, frame in places[:rows]:
        array = samples[int(which * len(samples))]
        for axis, name in enumerate(port.shape):
            if name == "batch":
                array = array.take([int(row * array.shape[axis])], axis)
            elif axis == port.time_axis:
                wanted = int(sizes["time"] * port.ratio)
                last = max(0, int(array.shape[axis] / port.ratio) - sizes["time"])
                first = int(int(frame * (last + 1)) * port.ratio)
                array = array.take(range(first, first + wanted), axis, mode="wrap")
            elif isinstance(name, str):
                wanted = words.setdefault(name, array.shape[axis])
                array = array.take(range(wanted), axis, mode="wrap")
        pieces.append(array)
    return np.ascontiguousarray(np.concatenate(pieces, port.shape.index("batch")) if rows > 1 else pieces[0])


def _shape(port: Port, sizes: Mapping[str, int]) -> tuple[int, ...]:
    words = {axis: _WORD for axis in port.shape if isinstance(axis, str)}
    shape = list(resolve_shape(port.shape, {**words, **sizes}))
    if port.time_axis is not None:
        shape[port.time_axis] = int(sizes["time"] * port.ratio)
    return tuple(shape)


def _random(port: Port, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    if "int" in port.dtype:
        low, high = port.range or (0, _SMALL)
        return generator.integers(int(low), int(high), shape, endpoint=True).astype(port.dtype)
    if port.dtype == "bool":
        return generator.integers(0, 2, shape).astype(bool)
    return generator.standard_normal(shape).astype(port.dtype)
