"""What is known of a value over pairs of frames, whatever the input: where it is masked, zero, one.

That is how a mask is understood without knowing how it is written: ``masked_fill(tril == 0, -inf)``, ``(1 - m) * -1e4``
and ``scores + triu(full(-inf), 1)`` all end in regions of ``-inf``, which a softmax turns into regions of zero.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch

#: ``(region, value)``: the value at the pairs of frames where ``region``, bool and of the value's rank, is True.
Known = tuple[tuple[torch.Tensor, float], ...]

#: A score this low is masked: next to scores within thousands its weight is zero in float32. GPT-2 writes -1e4.
MASKED = -9999.0
_LOW = float("-inf")
#: Values that stand for an unknown operand: what comes out equal for all of them does not depend on it.
_PROBES = (-1e30, -37.5, -1.0, -1e-30, 0.0, 1e-30, 0.63, 1.0, 41.0, 1e30)
_MOST_REGIONS = 6


def known_of(whole: torch.Tensor) -> Known:
    """What is known of a value that is known altogether."""
    if whole.dtype is torch.bool:
        return ((~whole, 0.0), (whole, 1.0))
    least, most = float(whole.amin()), float(whole.amax())
    values = {value for value in (0.0, 1.0, least, most) if value > MASKED}
    low = whole <= MASKED
    regions = [(whole == value, value) for value in sorted(values)]
    if bool(low.any()):
        regions.insert(0, (low, float(whole[low].amax())))
    return tuple((region, value) for region, value in regions if bool(region.any()))


def region_of(known: Known, value: float) -> torch.Tensor | None:
    """Where the value is known to be ``value``; None for nowhere."""
    found = [region for region, own in known if own == value]
    return found[0] if found else None


def masked(known: Known) -> torch.Tensor | None:
    """Where a softmax gives the weight zero."""
    found = [region for region, value in known if value <= MASKED]
    return _either(found) if found else None


def _either(regions: Sequence[torch.Tensor]) -> torch.Tensor:
    first, *rest = regions
    for region in rest:
        first = first | region
    return first


def moved(known: Known, move: Callable[[torch.Tensor], torch.Tensor]) -> Known:
    """The regions after a view."""
    return tuple((move(region), value) for region, value in known)


def after(
    operands: Sequence[tuple[Known | float | None, torch.dtype | None]],
    call: Callable[[Sequence[Any]], torch.Tensor],
) -> Known:
    """What is known of an elementwise op's result.

    Each operand is what is known of a tensor, one number that it is throughout, or None; and its dtype. ``call`` runs
    the op on scalars in the operands' places. A combination of regions has a known result where it is the same for
    every probe in place of what is unknown.
    """
    choices = [_choices(known) for known, _ in operands]
    dtypes = [dtype for _, dtype in operands]
    found: dict[float, torch.Tensor] = {}
    for combination in itertools.product(*choices):
        regions = [region for region, _ in combination if region is not None]
        if not regions:
            continue
        value = _certain([value for _, value in combination], dtypes, call)
        if value is not None:
            region = regions[0] if len(regions) == 1 else _both(regions)
            found[value] = region if value not in found else found[value] | region
    return tuple((region, value) for value, region in itertools.islice(found.items(), _MOST_REGIONS))


def _choices(known: Known | float | None) -> list[tuple[torch.Tensor | None, float | None]]:
    if isinstance(known, float):
        return [(None, known)]
    return [(None, None), *(known or ())]


def _both(regions: Sequence[torch.Tensor]) -> torch.Tensor:
    first, *rest = regions
    for region in rest:
        first = first & region
    return first


def _certain(
    values: Sequence[float | None], dtypes: Sequence[torch.dtype | None], call: Callable[[Sequence[Any]], torch.Tensor]
) -> float | None:
    """The result for these operands where it is the same for every probe in the unknown ones.

    Next to an unknown score a mask of -1e4 counts as infinite, and what comes of it as -1e4: scaled afterwards by 0.001
    it is a mask no more.
    """
    unknown = None in values
    lows = [value for value in values if value is not None and _LOW < value <= MASKED]
    exact = [_LOW if unknown and value is not None and value <= MASKED else value for value in values]
    results = {
        _number(call([_scalar(probe if value is None else value, t) for value, t in zip(exact, dtypes, strict=True)]))
        for probe in (_PROBES if unknown else _PROBES[:1])
    }
    found = results.pop() if len(results) == 1 else None
    return max(lows) if found == _LOW and unknown and lows else found


def _scalar(value: float, dtype: torch.dtype | None) -> torch.Tensor:
    dtype = dtype or torch.float32
    if dtype is torch.bool:
        return torch.tensor(value > 0)
    if not dtype.is_floating_point:
        return torch.tensor(int(max(-(2**20), min(2**20, value))), dtype=dtype)
    return torch.tensor(value, dtype=dtype)


def _number(result: torch.Tensor) -> float | None:
    value = float(result)
    return None if value != value else value
