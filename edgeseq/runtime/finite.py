"""NaN and infinities in what a caller gives: found by a dot product, named by a full look."""

from __future__ import annotations

import sys
from math import isfinite
from typing import Any

import numpy as np

from edgeseq.errors import NonFiniteInput, UsageError
from edgeseq.runtime.devices import Array

#: Values of one dot product. numpy's OpenBLAS takes a second thread for more than 10,000, and a thread that sleeps
#: between two frames takes longer to wake than the whole product.
PIECE = 8192
#: Values up to which their top bytes are looked through faster.
SHORT = 256

#: The dot product of a vector with itself is finite only if every value is. This one sets off no warning when it
#: overflows, unlike ``np.dot``; beneath its dispatch to other array types, which takes a tenth of a microsecond.
dot: Any = getattr(np.vdot, "_implementation", np.vdot)


def refuses_nonfinite(on_nonfinite: object) -> bool:
    """What the word says about NaN and infinities; UsageError for another word."""
    if on_nonfinite not in ("raise", "pass"):
        raise UsageError("unknown on_nonfinite", got=repr(on_nonfinite), wanted="'raise' or 'pass'")
    return on_nonfinite == "raise"


def flat_pieces(array: Array) -> tuple[Array, ...]:
    """The values of a contiguous array as vectors of at most ``PIECE`` values that share its memory."""
    flat = np.asarray(array).reshape(-1)
    return tuple(flat[begin : begin + PIECE] for begin in range(0, flat.size, PIECE))


def top_bytes(vector: Array) -> Array | None:
    """The bytes that hold sign and exponent of a short vector's values, sharing its memory; None for a longer one.

    NaN, infinities and hardly anything else have 127 or 255 there. For few values that is looked up twice as fast as a
    dot product is made.
    """
    if vector.size > SHORT or sys.byteorder != "little" or vector.dtype.itemsize not in (4, 8):
        return None
    return vector.view(np.uint8)[vector.dtype.itemsize - 1 :: vector.dtype.itemsize]


def summable(dtype: np.dtype[Any]) -> bool:
    """Whether the dot product is the fast way for this dtype: float16 overflows at once and is slow to multiply."""
    return dtype.kind == "f" and dtype.itemsize > 2


def all_finite(array: Array) -> bool:
    """Whether there is neither NaN nor an infinity in ``array``, whatever its dtype."""
    if array.dtype.kind != "f":
        return True
    if summable(array.dtype) and all(isfinite(dot(piece, piece)) for piece in flat_pieces(array)):
        return True
    return bool(np.isfinite(np.asarray(array)).all())


def check_finite(name: str, array: Array, do: str) -> None:
    """NonFiniteInput, which names the first value in ``array`` that is NaN or infinite, where there is one."""
    if all_finite(array):
        return
    values = np.asarray(array)
    index = tuple(int(place) for place in np.argwhere(~np.isfinite(values))[0])
    raise NonFiniteInput(
        f"{name} holds a value that is not finite",
        where=name + (str(list(index)) if index else ""),
        why="a state would keep it, or turn it into plausible numbers",
        got=float(values[index]),
        wanted="finite numbers",
        do=do,
    )
