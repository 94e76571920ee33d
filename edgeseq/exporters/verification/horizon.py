"""How long a sequence the module can be run on: the horizon of the long check, and what bounds it.

The bound on time is an estimate from operation counts, not a clock: two exports of one model must give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch._higher_order_ops.scan import generic_scan, scan_op
from torch._ops import HigherOrderOperator
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
#: Lengths at which costs are counted.
_PROBES = (64, 128, 256)


Curve = Callable[[float], Any]


@dataclass(frozen=True)
class Horizon:
    """``frames`` to compare on, and what kept it from more."""

    frames: int
    limit: str


def horizon(
    run: Callable[[int], object], accepted: Callable[[int], int], most: int | None, least: int, step: int
) -> Horizon:
    """The longest affordable length: ``run(frames)`` runs the module in float64, ``accepted`` rounds a length down.

    ``most`` is the model's ``max_context``; ``least`` has been run already and is never undercut. ``step`` is how many
    frames the shortest call takes.
    """
    bound, limit = STEPS * step, f"{STEPS:,} steps"
    if most is not None and most <= bound:
        bound, limit = most, "max_context"
    if bound <= least:
        return Horizon(accepted(least), limit)
    probes = sorted({max(least, min(accepted(frames), bound)) for frames in _PROBES})
    counts = [_count(run, frames) for frames in probes]
    for name, curve, budget in (
        ("time", seconds(probes, counts), _SECONDS),
        ("memory", largest(probes, counts), _BYTES),
    ):
        affordable = _longest(curve, budget, probes[0], bound)
        if affordable < bound:
            bound, limit = affordable, name
    return Horizon(accepted(max(bound, least)), limit)


def seconds(probes: list[int], counts: list[_Counting]) -> Curve:
    """Estimated seconds of a run at any length: the quadratic through the probes, exact for attention and below."""
    values = [count.calls * _CALL + count.flops / _FLOPS + count.traffic / _TRAFFIC for count in counts]
    return np.polynomial.Polynomial.fit(probes, values, deg=len(probes) - 1)


def largest(probes: list[int], counts: list[_Counting]) -> Curve:
    """Bytes of the largest operation at any length; each kind of operation goes on to grow as it did so far."""
    powers = {}
    for name, size in counts[-1].largest.items():
        before = counts[0].largest.get(name, size)
        grown = math.log(size / before) / math.log(probes[-1] / probes[0]) if len(probes) > 1 and before else 0.0
        powers[name] = size, min(2.0, max(0.0, grown))
    return lambda frames: max((size * (frames / probes[-1]) ** power for size, power in powers.values()), default=0.0)


def _longest(curve: Curve, budget: float, low: int, high: int) -> int:
    """The largest length up to ``high`` at which the curve, which grows, keeps within the budget."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if float(curve(middle)) <= budget else (low, middle - 1)
    return low


def _count(run: Callable[[int], object], frames: int) -> _Counting:
    counting = _Counting()
    with counting:
        run(frames)
    return counting


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what runs inside: calls, floating-point operations, bytes moved, and the largest of each operation."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls = self.flops = self.traffic = 0
        self.largest: dict[str, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run ``func`` and count it."""
        given = kwargs or {}
        if func is scan_op:
            with self:
                return generic_scan(args[0], args[1], args[2], additional_inputs=args[3])  # type: ignore[no-untyped-call]
        result = func(*args, **given)
        if isinstance(func, HigherOrderOperator):
            return result
        self.calls += 1
        flops = flop_registry.get(func.overloadpacket)
        made = sum(_bytes(leaf) for leaf in tree_leaves(result))
        if flops is not None:
            self.flops += flops(*args, **given, out_val=result)
            self.traffic += sum(_bytes(leaf) for leaf in tree_leaves((args, given))) + made
        elif not any(value.alias_info for value in func._schema.returns):  # a view moves nothing
            self.traffic += 2 * made  # as much read as written: a lookup does not read its whole table
        name = str(func.overloadpacket)
        self.largest[name] = max(self.largest.get(name, 0), 2 * made)
        return result


def _bytes(leaf: object) -> int:
    return leaf.numel() * leaf.element_size() if isinstance(leaf, torch.Tensor) else 0
