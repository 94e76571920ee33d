"""Does the rolled model compute what the model computes, at lengths that it was not read from?"""

from __future__ import annotations

from collections.abc import Iterator
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


def check_rolled(model: nn.Module, rolled: nn.Module, leaves: list[tuple[str, InputSpec]], nest: Any) -> None:
    """Irregular where the two differ at some length; lengths that the model itself does not take are passed over."""
    generator = torch.Generator().manual_seed(0)
    compared = 0
    for frames in _LENGTHS:
        given = nest(lambda spec, n=frames: drawn(spec, n, generator))
        with torch.no_grad():
            try:
                wanted = tree_leaves(model(**given))
            except _MODEL_ERRORS:
                continue
            try:
                found = tree_leaves(rolled(**given))
            except _MODEL_ERRORS as error:
                raise Irregular(None, f"rolled up, it does not run on {frames} frames") from error
        if not all(_near(*pair) for pair in _pairs(wanted, found)):
            raise Irregular(None, f"its turns are alike in short sequences, but not in one of {frames} frames")
        compared += 1
    if compared < _LEAST:
        raise Irregular(None, "the model runs on too few lengths to tell")


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
