"""Random arrays that fit a contract's inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeseq.contract import Axis, Contract, Port, axis_parts, resolve_shape
from edgeseq.runtime.devices import Array

#: The size given to a named axis that nothing else fixes: the length of a source sentence, say.
OTHER_AXIS = 16


def random_frames(contract: Contract, batch: int, base_frames: int, random: np.random.Generator) -> dict[str, Array]:
    """One array of ``base_frames`` for every frame input."""
    ports = contract.with_role("frame")
    return {
        port.name: random_array(port, {"batch": batch, "time": int(base_frames * port.ratio)}, random) for port in ports
    }


def random_conditioning(contract: Contract, batch: int, random: np.random.Generator) -> dict[str, Array]:
    """One array for every conditioning input that has no default."""
    ports = [port for port in contract.with_role("conditioning") if port.default is None]
    return {port.name: random_array(port, {"batch": batch}, random) for port in ports}


def random_array(port: Port, sizes: Mapping[str, int], random: np.random.Generator) -> Array:
    """Standard normal floats; integers below the upper end of the port's range, zeros where it has none."""
    others = {axis_parts(axis)[1]: OTHER_AXIS for axis in port.shape if isinstance(axis, str)}
    shape = resolve_shape(tuple[Axis, ...](port.shape), {**others, **sizes})
    dtype = np.dtype(port.dtype)
    if dtype.kind == "f":
        return random.standard_normal(shape).astype(dtype)
    if port.range is None or dtype.kind == "b":
        return np.zeros(shape, dtype)
    low, high = int(port.range[0]), int(port.range[1])
    return random.integers(low, max(low + 1, high), size=shape).astype(dtype)
