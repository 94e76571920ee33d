"""How far a stream may be from the module: four times as far as the module's own float32 run is.

Distances are from the float64 module. Where the float32 run happens to hit the float64 one exactly, one unit of
rounding at the output's scale takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

FACTOR = 4.0
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Yardstick:
    """``|stream - exact| <= FACTOR * max(noise, eps * scale) + atol + rtol * |exact|``, noise and scale per output."""

    atol: float = 0.0
    rtol: float = 0.0

    def allowed(self, exact: Array, plain: Array) -> Array:
        """The distance allowed at every element, given the module's float64 and float32 outputs."""
        if exact.size == 0 or not np.issubdtype(plain.dtype, np.floating):
            return np.zeros(exact.shape)
        noise = float(np.max(np.abs(plain.astype(np.float64) - exact)))
        scale = float(np.max(np.abs(exact)))
        unit = float(np.finfo(plain.dtype).eps) * scale
        return FACTOR * max(noise, unit) + self.atol + self.rtol * np.abs(exact)

    def worst(self, streamed: Array, exact: Array, plain: Array) -> tuple[float, float, tuple[int, ...] | None]:
        """The distance and the allowance where they are most at odds, and the place if it is too far."""
        if streamed.size == 0:
            return 0.0, 0.0, None
        with np.errstate(invalid="ignore"):
            distance = np.abs(streamed.astype(np.float64) - exact.astype(np.float64))
        distance = np.where(np.isnan(distance), np.inf, distance)
        distance = np.where((streamed == exact) | (np.isnan(streamed) & np.isnan(exact)), 0.0, distance)
        allowed = np.broadcast_to(self.allowed(exact, plain), distance.shape)
        place = np.unravel_index(int(np.argmax(distance - allowed)), distance.shape)
        found = (float(distance[place]), float(allowed[place]))
        return (*found, tuple(int(i) for i in place) if found[0] > found[1] else None)
