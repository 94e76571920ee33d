"""Windows for frames that overlap: they have to add up, or what comes out is louder here than there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.errors import UsageError

Window = npt.NDArray[np.float32]
#: How far the sum may be from constant, of itself: what float32 windows are off by.
_WITHIN = 1e-5


def root_hann(frame: int) -> npt.NDArray[np.float64]:
    """The square root of a periodic Hann window of ``frame`` samples: a half wave of a sine."""
    half_wave: npt.NDArray[np.float64] = np.sin(np.pi * np.arange(frame) / frame)
    return half_wave


def window_pair(given: Any, frame: int, hop: int) -> tuple[Window, Window]:
    """The windows before and after the model, each ``[frame]``, scaled so that overlapping products add up to 1.

    ``given``: one window for both, a tuple of two, or None: the root of a Hann window, all ones where frames do not
    overlap. UsageError where the sum is not constant (constant overlap-add: J. O. Smith, Spectral Audio Signal
    Processing, "Overlap-Add Decomposition").
    """
    if given is None:
        given = np.ones(frame) if hop == frame else root_hann(frame)
    before, after = given if isinstance(given, tuple) and len(given) == 2 else (given, given)
    before, after = _checked(before, frame), _checked(after, frame)
    product = np.zeros(-(-frame // hop) * hop)
    product[:frame] = before * after
    sums = product.reshape(-1, hop).sum(axis=0)
    mean = float(sums.mean())
    if mean <= 0 or np.ptp(sums) > _WITHIN * mean:
        raise UsageError(
            "the windows do not add up",
            where=f"frames of {frame}, hop {hop}",
            got=f"sums of their products from {sums.min():.6g} to {sums.max():.6g}",
            wanted="the same sum at every sample",
            do="take a hop that divides half the frame, or another window",
        )
    return before.astype(np.float32), (after / mean).astype(np.float32)


def _checked(window: Any, frame: int) -> npt.NDArray[np.float64]:
    try:
        array = np.asarray(window, np.float64)
    except (TypeError, ValueError):
        got = repr(window) if isinstance(window, str) else type(window).__name__
        raise UsageError("a window does not fit", got=got, wanted=f"[{frame}] finite numbers") from None
    if array.shape != (frame,) or not np.isfinite(array).all():
        raise UsageError("a window does not fit", got=list(array.shape), wanted=f"[{frame}] finite numbers")
    return array
