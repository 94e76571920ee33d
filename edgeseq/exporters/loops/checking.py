"""Does the rolled model compute what the model computes, at lengths that it was not read from?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from edgeseq.exporters.loops.irregular import Irregular
from edgeseq.specs import InputSpec

_LENGTHS = (1, 2, 3, 5, 12, 37, 70)
_LEAST = 3
#: Rounding apart, which sums of another order may change; a loop read wrongly is off by far more.
_TOLERANCE = 1e-3
_MODEL_ERRORS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, NotImplementedError)


def check_rolled(model: nn.Module, rolled: nn.Module, leaves: list[tuple[str, InputSpec]], nest: Any) -> int | None:
    """The most frames that the model takes, where it takes fewer than the most tried.

    Irregular where the two differ at some length; lengths that the model itself does not take are passed over.
    """
    generator = torch.Generator().manual_seed(0)

    def given(frames: int) -> dict[str, Any]:
        return nest(lambda spec: drawn(spec, frames, generator))  # type: ignore[no-any-return]

    taken = []
    for frames in _LENGTHS:
        inputs = given(frames)
        wanted = _run(model, inputs)
        if wanted is not None:
            _check(wanted, rolled, inputs, frames)
            taken.append(frames)
    if len(taken) < _LEAST:
        raise Irregular(None, "the model runs on too few lengths to tell")
    beyond = next((frames for frames in _LENGTHS if frames > taken[-1]), None)
    return None if beyond is None else _most(lambda n: _run(model, given(n)) is not None, taken[-1], beyond)


def _run(model: nn.Module, inputs: dict[str, Any]) -> list[Any] | None:
    with torch.no_grad():
        try:
            return tree_leaves(model(**inputs))
        except _MODEL_ERRORS:
            return None


def _check(wanted: list[Any], rolled: nn.Module, inputs: dict[str, Any], frames: int) -> None:
    found = _run(rolled, inputs)
    if found is None:
        raise Irregular(None, f"rolled up, it does not run on {frames} frames")
    if not all(_near(*pair) for pair in _pairs(wanted, found)):
        raise Irregular(None, f"its turns are alike in short sequences, but not in one of {frames} frames")


def _most(takes: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number that is taken, where ``low`` is and ``high`` is not."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if takes(middle) else (low, middle)
    return low


def _pairs(wanted: list[Any], found: list[Any]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The tensors of both; a model may return None beside them, as a loss that is not asked for."""
    tensors = [[value for value in values if isinstance(value, torch.Tensor)] for values in (wanted, found)]
    yield from zip(*tensors, strict=True)


def _near(wanted: torch.Tensor, found: torch.Tensor) -> bool:
    if wanted.shape != found.shape or wanted.dtype != found.dtype:
        return False
    if not wanted.is_floating_point():
        return torch.equal(wanted, found)
    scale = float(wanted.abs().max()) if wanted.numel() else 0.0
    return torch.allclose(wanted, found, rtol=_TOLERANCE, atol=_TOLERANCE * scale, equal_nan=True)


def drawn(spec: InputSpec, frames: int, generator: torch.Generator) -> torch.Tensor:
    """Random values for an input; whole numbers are 0 or 1, which every table has."""
    words = {word: 5 + i for i, word in enumerate(sorted(spec.words))}
    shape = spec.sizes({**words, "batch": 2, "time": frames})
    dtype = getattr(torch, spec.dtype)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    return torch.randint(0, 2, shape, generator=generator).to(dtype)
