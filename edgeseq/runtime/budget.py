"""What a stream takes of memory, told from the contract alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from edgeseq.contract import Contract, State, axis_parts, resolve_shape
from edgeseq.runtime.overlap import history_shape
from edgeseq.runtime.schedule import spare

#: The sizes of named axes, where none is known.
NO_SIZES: Mapping[str, int] = MappingProxyType({})


def grows(state: State) -> bool:
    """Whether the state is a cache: an entry for every frame."""
    return any(isinstance(axis, str) and axis_parts(axis)[1] == "capacity" for axis in state.shape)


def overlap_bytes(contract: Contract, sizes: Mapping[str, int] = NO_SIZES) -> int | None:
    """Bytes of the frames kept, twice, to be put in front of the next call; None where the size of an axis is open."""
    ports = [port for port in contract.with_role("frame") if port.overlap]
    try:
        shapes = [resolve_shape(history_shape(port), {**sizes, "batch": 1}) for port in ports]
    except KeyError:
        return None
    return 2 * sum(math.prod(shape) * np.dtype(port.dtype).itemsize for port, shape in zip(ports, shapes, strict=True))


def held_bytes(contract: Contract, frames: int | None = None, sizes: Mapping[str, int] = NO_SIZES) -> int | None:
    """Bytes of state that one stream holds with room for ``frames`` base frames: what ``Stream.state_bytes`` tells.

    A state that is not updated in place is held twice: its two copies take turns. ``frames`` matters to caches only.
    None where it cannot be told: ``frames`` is None and there is a cache, or a state or an input that overlaps has a
    dynamic axis of its own that is not in ``sizes``.
    """
    total = overlap_bytes(contract, sizes)
    if total is None:
        return None
    for state in contract.states:
        known = {**sizes, "batch": 1}
        if grows(state) and frames is not None:
            known["capacity"] = math.ceil((frames + spare(contract)) * state.ratio)
        try:
            shape = resolve_shape(state.shape, known)
        except KeyError:
            return None
        total += math.prod(shape) * np.dtype(state.dtype).itemsize * (1 if state.in_place else 2)
    return total
