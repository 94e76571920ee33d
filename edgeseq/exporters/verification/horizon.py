"""How long a sequence the module can be run on: the horizon of the long check, and what bounds it.

The bound on time is an estimate from operation counts, not a clock: two exports of one model must give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

#: Frames of the longest check.
STEPS = 10_000
#: Estimated seconds for one run of the module in float64.
_SECONDS = 5.0
#: Bytes of its largest operation: 2 GiB in all, of which a comparison needs some four copies.
_BYTES = 2 * 2**30 // 4
#: What an ordinary core does: seconds per operation called from Python, floating-point operations and bytes a second.
_CALL, _FLOPS, _TRAFFIC = 1e-5, 4e9, 5e9
#: Lengths at which costs are counted; a quadratic through three of them is exact for attention and below.
_PROBES = (64, 128, 256)


@dataclass(frozen=True)
class Horizon:
    """``frames`` to compare on, and what kept it from more."""

    frames: int
    limit: str


@dataclass(frozen=True)
class Cost:
    """What one run of the module takes: estimated seconds, and bytes of its largest operation."""

    seconds: float
    bytes: float


def horizon(run: Callable[[int], object], accepted: Callable[[int], int], most: int | None, least: int) -> Horizon:
    """The longest affordable length: ``run(frames)`` runs the module in float64, ``accepted`` rounds a length down.

    ``most`` is the model's ``max_context``; ``least`` has been run already and is never undercut.
    """
    bound, limit = STEPS, f"{STEPS:,} steps"
    if most is not None and most <= bound:
        bound, limit = most, "max_context"
    if bound <= least:
        return Horizon(accepted(least), limit)
    probes = sorted({max(least, min(accepted(frames), bound)) for frames in _PROBES})
    costs = [_cost(run, frames) for frames in probes]
    for name, values, budget in (
        ("time", [cost.seconds for cost in costs], _SECONDS),
        ("memory", [cost.bytes for cost in costs], _BYTES),
    ):
        affordable = _largest(probes, values, budget, bound)
        if affordable < bound:
            bound, limit = affordable, name
    return Horizon(accepted(max(bound, least)), limit)


def _largest(probes: list[int], values: list[float], budget: float, bound: int) -> int:
    """The largest length up to ``bound`` whose value, by a polynomial through the probes, keeps within the budget."""
    curve = np.polynomial.Polynomial.fit(probes, values, deg=len(probes) - 1)
    low, high = probes[0], bound
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if float(curve(middle)) <= budget else (low, middle - 1)
    return low


def _cost(run: Callable[[int], object], frames: int) -> Cost:
    with _Counting() as counting:
        run(frames)
    seconds = counting.calls * _CALL + counting.flops / _FLOPS + counting.traffic / _TRAFFIC
    return Cost(seconds, float(counting.largest))


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts calls, floating-point operations and bytes of the operations run inside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls = self.flops = self.traffic = self.largest = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run ``func`` and count it."""
        given = kwargs or {}
        result = func(*args, **given)
        self.calls += 1
        flops = flop_registry.get(func.overloadpacket)
        if flops is not None:
            self.flops += flops(*args, **given, out_val=result)
        size = sum(_bytes(leaf) for leaf in tree_leaves((args, given, result)))
        if not any(value.alias_info for value in func._schema.returns):  # a view moves nothing
            self.traffic += size
        self.largest = max(self.largest, size)
        return result


def _bytes(leaf: object) -> int:
    return leaf.numel() * leaf.element_size() if isinstance(leaf, torch.Tensor) else 0
