"""How far what comes out of an adapter lags what goes in: samples known before the first call, and seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Latency:
    """The lag of an adapter, in output samples, the same in every call from the first on.

    ``buffering``: samples that wait for a whole hop. ``overlap``: samples that later frames still add to.
    ``look_ahead``: what the model itself waits for, its delay. ``rate``: output samples per second.

    ``compute``: the seconds of a call, None where nobody has said or measured them. It is a time, not samples: it moves
    nothing in what is returned, but what is returned is there so much later. A host that plays the answer of one call
    in the next adds a block instead, within which the computing is done.
    """

    buffering: int
    overlap: int
    look_ahead: int
    rate: float
    compute: float | None = None

    @property
    def samples(self) -> int:
        """Output sample ``i + samples`` belongs to input sample ``i`` (where there are as many out as in)."""
        return self.buffering + self.overlap + self.look_ahead

    @property
    def seconds(self) -> float:
        """The lag as time, ``compute`` included where it is known."""
        return self.samples / self.rate + (self.compute or 0.0)

    def __str__(self) -> str:
        parts = f"buffering {self.buffering} + overlap {self.overlap} + look-ahead {self.look_ahead}"
        compute = "compute not measured" if self.compute is None else f"compute {1000 * self.compute:.3g} ms"
        return (
            f"{self.samples} samples, {1000 * self.samples / self.rate:.3f} ms at {self.rate:,.6g} Hz"
            f" ({parts}); {compute}"
        )


def most_waiting(step: int, hop: int) -> int:
    """The most samples that wait for a whole ``hop`` when any multiple of ``step`` samples may have come in.

    Of ``n`` samples ``n mod hop`` wait. Multiples of ``step`` leave just the multiples of the greatest common divisor
    (Bezout), the largest below ``hop`` is ``hop - gcd``. So many zeros in front are enough, and with one fewer the call
    after which they wait would come out short. PortAudio's ``CalculateFrameShift`` (pa_process.c) goes through
    the remainders to find the same.

        hop 4, blocks of 3    |abc|def|ghi|jkl|      in so far   3  6  9 12
                              |abcd|efgh|ijkl|       waiting     3  2  1  0    most: 4 - gcd(3, 4) = 3
    """
    return hop - math.gcd(step, hop)
