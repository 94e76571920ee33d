"""How many of a run's first steps are warm-up, found from the samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: Samples of which one median is taken: single outliers do not count.
BATCH = 5
#: Steps that may be found to be warm-up, at the beginning of a run.
MOST = 500


def find_warmup(samples: npt.NDArray[Any], most: int = MOST) -> int:
    """How many samples to leave out at the beginning, at most ``most``.

    MSER-5: those without which the mean of the rest, in batches of five, is known best. K. P. White, An effective
    truncation heuristic for bias reduction in simulation output, Simulation 69(6), 1997; of each batch the median is
    taken in place of the mean.
    """
    count = len(samples) // BATCH
    if count < 2:
        return 0
    values = np.median(samples[: count * BATCH].reshape(count, BATCH), axis=1)
    left = np.arange(count, 0, -1)
    sums, squares = (np.cumsum(part[::-1])[::-1] for part in (values, values * values))
    errors = (squares - sums * sums / left) / (left * left)
    allowed = min(most // BATCH, count // 2)
    return int(np.argmin(errors[: allowed + 1])) * BATCH
