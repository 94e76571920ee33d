"""What a contract may ask for before the caller has given a single frame: memory and calls, by the size of its file."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from edgeseq.contract import Axis, Contract, axis_parts
from edgeseq.errors import ContractError
from edgeseq.runtime.budget import grows
from edgeseq.runtime.missing import PIECE
from edgeseq.runtime.schedule import frames_in_call, largest_call, round_up, spare
from edgeseq.runtime.states import FIRST_CONTEXT

#: The most filler that ``flush`` feeds in base frames (five seconds of sound at 48 kHz), in calls, and in entries of a
#: cache: each of these looks at all the others.
MOST_FRAMES = 2**18
MOST_CALLS = 2**14
MOST_ENTRIES = 2**12
#: A stream of one row may take so much, however small its file: delay lines, caches and pictures need no weights.
LEAST_BYTES = 256 * 2**20
#: And a thousand times its file: a convolution's history can be so much larger than its kernel, a cache than its layer.
TIMES_THE_FILE = 1024
#: What an axis of the model's own counts for; its real size comes from the arrays that the caller gives.
_OWN_AXIS = 64


def check_allowance(contract: Contract, file_bytes: int, where: str) -> None:
    """ContractError where opening a stream, or ending it, would take more than a file of so many bytes justifies."""
    filler = spare(contract)
    calls = -(-filler // min(_piece(contract), largest_call(contract.chunk, batch=2) or filler + 1))
    ratios = [state.ratio for state in contract.states if grows(state)]
    for what, count, most in (
        ("base frames of filler", filler, MOST_FRAMES),
        ("calls of filler", calls, MOST_CALLS),
        ("cache entries of filler", math.ceil(filler * max(ratios, default=Fraction(0))), MOST_ENTRIES),
    ):
        if count > most:
            raise _too_much(where, f"{count} {what} at the end of a stream", f"at most {most}")
    needed, allowed = opening_bytes(contract), LEAST_BYTES + TIMES_THE_FILE * file_bytes
    if needed > allowed:
        raise _too_much(where, f"{needed} bytes for a stream", f"at most {allowed} for a file of {file_bytes}")


def opening_bytes(contract: Contract) -> int:
    """Bytes of one stream with batch 1: its states, defaults, the smallest call, those of ``flush`` and its answer."""
    filler, total = spare(contract), 0
    room = min(contract.max_context or FIRST_CONTEXT, FIRST_CONTEXT) + filler
    for state in contract.states:
        entries = math.ceil(room * state.ratio)
        total += _bytes(state.shape, state.dtype, capacity=entries) * (1 if state.in_place else 2)
    call = max(contract.chunk.multiple, min(_piece(contract), filler))
    for port in contract.ports:
        frames = frames_in_call(port, call + filler if port.role == "output" else call)
        total += _bytes(port.shape, port.dtype, time=frames + port.overlap)
    return total


def _piece(contract: Contract) -> int:
    """The most base frames of filler that ``flush`` feeds at once."""
    return round_up(PIECE, contract.chunk.multiple)


def _bytes(shape: tuple[Axis, ...], dtype: str, **sizes: int) -> int:
    count = 1
    for axis in shape:
        times, name = axis_parts(axis) if isinstance(axis, str) else (axis, "")
        count *= times * (sizes.get(name, 1 if name == "batch" else _OWN_AXIS) if name else 1)
    return count * np.dtype(dtype).itemsize


def _too_much(where: str, got: str, wanted: str) -> ContractError:
    return ContractError(
        "the contract asks for more than its file justifies",
        where=where,
        got=got,
        wanted=wanted,
        do="do not trust this file, or export the model again",
    )
