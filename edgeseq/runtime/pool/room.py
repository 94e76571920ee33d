"""What a pool takes of memory, and whether this machine has it: asked before anything is allocated."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgeseq.contract import Contract, Port, resolve_shape
from edgeseq.errors import PoolFull
from edgeseq.runtime.budget import held_bytes
from edgeseq.runtime.pool.stores import has_batch

#: Python's own counters and flags of one stream, in bytes, rounded up.
ROW_BYTES = 64


def stream_bytes(contract: Contract, context: int | None, sizes: Mapping[str, int]) -> int | None:
    """Bytes that a pool holds for one stream with room for ``context`` base frames; None where it cannot be told.

    ``sizes``: those of the model's own named axes, as far as they are known.
    """
    held = held_bytes(contract, context, sizes)
    if held is None:
        return None
    own = (*contract.with_role("conditioning"), *contract.with_role("constant"))
    try:
        given = sum(_bytes(port, sizes) for port in own if has_batch(port.shape))
    except KeyError:
        return None
    return held + given + ROW_BYTES


def _bytes(port: Port, sizes: Mapping[str, int]) -> int:
    return math.prod(resolve_shape(port.shape, {**sizes, "batch": 1})) * np.dtype(port.dtype).itemsize


def check_room(contract: Contract, capacity: int, context: int | None, sizes: Mapping[str, int]) -> None:
    """PoolFull, with the arithmetic, where so many streams do not fit into the memory that is free."""
    one, free = stream_bytes(contract, context, sizes), free_bytes()
    if one is None or free is None or one * capacity <= free:
        return
    at = "" if context is None else f" with room for {context:,} frames"
    raise PoolFull(
        "there is no memory for this pool",
        got=f"{in_words(one)} a stream{at} x {capacity:,} = {in_words(one * capacity)}",
        wanted=f"at most {in_words(free)}",
        do=f"take a capacity of at most {free // one:,}, or bound the streams with max_context",
    )


def free_bytes() -> int | None:
    """Bytes of memory that a process can still have without swapping; None where the system does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def in_words(count: int) -> str:
    """``75.5 MB``; a MB is 1,000,000 bytes."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            text = f"{count / size:.3g}" if count < 1000 * size else f"{math.ceil(count / size):,}"
            return f"{text} {unit}"
    return f"{count} B"
