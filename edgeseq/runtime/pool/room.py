"""What a pool takes of memory, and whether this machine has it: asked before anything is allocated."""

from __future__ import annotations

import math
import os
from pathlib import Path

from edgeseq.contract import Contract
from edgeseq.errors import PoolFull
from edgeseq.runtime.budget import held_bytes

#: Python's own counters and flags of one stream, in bytes, rounded up.
ROW_BYTES = 64


def stream_bytes(contract: Contract, context: int | None) -> int | None:
    """Bytes that a pool holds for one stream with room for ``context`` base frames; None where it cannot be told."""
    held = held_bytes(contract, context)
    return None if held is None else held + ROW_BYTES


def check_room(contract: Contract, capacity: int, context: int | None) -> None:
    """PoolFull, with the arithmetic, where so many streams do not fit into the memory that is free."""
    one, free = stream_bytes(contract, context), free_bytes()
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
