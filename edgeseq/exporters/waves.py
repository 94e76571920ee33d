"""The cosines and sines of a Fourier transform of fixed size, as matrices."""

from __future__ import annotations

import math

import torch


def waves(rows: int, columns: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine of ``2 pi j k / n`` for ``rows`` j and ``columns`` k, in float64.

    The product is taken modulo ``n`` first, so that large angles lose nothing.
    """
    turns = torch.outer(torch.arange(rows), torch.arange(columns)) % n
    angles = turns.double() * (2 * math.pi / n)
    return torch.cos(angles), torch.sin(angles)


def inverse_waves(bins: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The matrices ``[bins, n]`` that give a real signal from the real and the imaginary parts of half its spectrum.

    Bins between the first and the one at half the rate stand for two: their mirror images are not in the half.
    """
    cosine, sine = waves(bins, n, n)
    twice = torch.full([bins, 1], 2.0, dtype=torch.float64)
    twice[0] = 1.0
    if n % 2 == 0 and bins == n // 2 + 1:
        twice[-1] = 1.0
    return twice * cosine / n, -twice * sine / n
