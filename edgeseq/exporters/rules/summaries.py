"""Statistics over all time as summaries (the prefix law): a state holds what has been seen so far.

Sums of floats are carried in float64, as running sums are (``running.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from edgeseq.exporters.alignment import past_end
from edgeseq.exporters.facts import Timed
from edgeseq.exporters.rules.running import highest, log_add, lowest
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Shape

aten = torch.ops.aten
#: A statistic of the frames so far: one tensor for each result of its op.
Statistic = Callable[["Seen"], list[Any]]
Reduce = Callable[[torch.Tensor, list[int], bool], torch.Tensor]


@dataclass(frozen=True)
class Seen:
    """The frames of one call, the axes to reduce, and what the captured call says besides.

    ``shape`` and ``dtype`` are those of the (first) result; ``start`` is that of the states.
    """

    step: Step
    x: torch.Tensor
    fact: Timed
    start: int
    axes: list[int]
    keepdim: bool
    shape: Shape
    dtype: torch.dtype
    named: dict[str, Any]

    def real(self, x: torch.Tensor, fill: float) -> torch.Tensor:
        """``x``, of the frames' shape, with what lies past the end of the stream set to ``fill``."""
        return past_end(self.step, x, self.fact, fill)[0] if self.step.flushes else x

    def carried(
        self,
        name: str,
        now: torch.Tensor,
        empty: float,
        combine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """What a state, at first ``empty``, becomes with the reduced frames of this call."""
        state = self.state(name, now.dtype, empty)
        state.next = after = combine(state.value, now)
        return after

    def state(self, name: str, dtype: torch.dtype, empty: float = 0.0) -> Any:
        """A state of the result's shape."""
        first = torch.full([1] * len(self.shape), empty, dtype=dtype)
        return self.step.state(name, kind="summary", shape=self.shape, dtype=dtype, start=self.start, initial=first)

    @property
    def entries(self) -> Any:
        """Entries of one frame that are reduced together."""
        others = [self.step.size(self.fact.shape[axis]) for axis in self.axes if axis != self.fact.axis]
        return math.prod(others)

    def over_batch(self, counts: torch.Tensor, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """Counts of frames, int64[batch], as counts of entries that broadcast against the result."""
        entries = self.entries
        rows = self.step.over_batch(counts, self.shape).to(dtype)
        return rows if isinstance(entries, int) and entries == 1 else rows * entries

    def counts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Frames taken in so far and by this call: int64[batch]."""
        step = self.step
        frames = step.frames_of(self.fact)
        before = step.places(self.fact.ratio, frames, self.start)[:, 0]
        if not step.flushes:
            return before + frames, torch.ones_like(before) * frames
        real = step.at_most(step.real_frames(self.fact), frames)
        return before + real, real.clamp(min=0)


def folded(
    name: str,
    prepare: Callable[[Seen, torch.Tensor], torch.Tensor],
    empty: Callable[[torch.dtype], float],
    reduce: Reduce,
    combine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    finish: Callable[[Seen, torch.Tensor], torch.Tensor] = lambda _, value: value,
) -> Statistic:
    """``state = combine(state, reduce(prepare(frames)))``, of which ``finish`` makes the result."""

    def statistic(seen: Seen) -> list[Any]:
        x = prepare(seen, seen.x)
        fill = empty(x.dtype)
        now = reduce(seen.real(x, fill), seen.axes, seen.keepdim)
        return [finish(seen, seen.carried(name, now, fill, combine)).to(seen.dtype)]

    return statistic


def wide(seen: Seen, x: torch.Tensor) -> torch.Tensor:
    """The frames in the result's type, floats of it in float64."""
    x = x.to(seen.dtype)
    return x.to(torch.float64) if seen.dtype.is_floating_point else x


def _averaged(seen: Seen, total: torch.Tensor) -> torch.Tensor:
    return total / seen.over_batch(seen.step.count(seen.fact.length).clamp(min=1))


def norm(seen: Seen) -> list[Any]:
    """The p-norm: the largest magnitude for infinite p, else the root of a sum of powers."""
    order = seen.named.get("ord", seen.named.get("p"))
    order = 2.0 if order is None else float(order)
    if math.isinf(order):
        kind = largest if order > 0 else smallest
        return folded("magnitude", lambda _, x: x.abs(), *kind)(seen)
    if order == 0:
        return folded("count", lambda _, x: (x != 0).to(torch.float64), *added)(seen)
    return folded("powers", lambda s, x: _power(wide(s, x), order), *added, _root(order))(seen)


def _power(x: torch.Tensor, order: float) -> torch.Tensor:
    return x.square() if order == 2 else x.abs() if order == 1 else x.abs() ** order


def _root(order: float) -> Callable[[Seen, torch.Tensor], torch.Tensor]:
    return lambda _, total: total.sqrt() if order == 2 else total if order == 1 else total ** (1 / order)


def spread(squared: Callable[[torch.Tensor], torch.Tensor], *, with_mean: bool = False) -> Statistic:
    """Variance and what is made of it: means and squares of the call are joined to those so far (Chan et al., 1983)."""

    def statistic(seen: Seen) -> list[Any]:
        x = seen.x.to(torch.float64)
        mean, squares = seen.state("mean", torch.float64), seen.state("squares", torch.float64)
        total, new = (seen.over_batch(count) for count in seen.counts())
        share = new / total.clamp(min=1)
        own = torch.sum(seen.real(x, 0.0), seen.axes, True) / _kept(seen, new).clamp(min=1)
        apart = torch.sum(seen.real((x - own).square(), 0.0), seen.axes, seen.keepdim)
        gap = (own if seen.keepdim else own.squeeze(seen.axes)) - mean.value
        mean.next = mean.value + gap * share
        squares.next = squares.value + apart + gap.square() * (total - new) * share
        found = squared(squares.next / (total - _correction(seen.named)).clamp(min=0)).to(seen.dtype)
        return [found, mean.next.to(seen.dtype)] if with_mean else [found]

    return statistic


def _correction(named: dict[str, Any]) -> float:
    """What is taken off the count: by default one."""
    if "unbiased" in named:
        return float(named["unbiased"])
    return 1.0 if named.get("correction") is None else float(named["correction"])


def _kept(seen: Seen, counts: torch.Tensor) -> torch.Tensor:
    """Counts that broadcast against the result, for one that keeps its reduced axes."""
    if seen.keepdim or counts.dim() == 0:
        return counts
    for axis in sorted(seen.axes):
        counts = counts.unsqueeze(axis)
    return counts


def placed(sign: int, *, with_value: bool) -> Statistic:
    """An extreme and the number of the first frame that has it."""

    def statistic(seen: Seen) -> list[Any]:
        empty = lowest(seen.x.dtype) if sign > 0 else highest(seen.x.dtype)
        x = seen.real(seen.x, empty)
        value, index = (torch.max if sign > 0 else torch.min)(x, seen.axes[0], seen.keepdim)
        best, at = seen.state("max" if sign > 0 else "min", x.dtype, empty), seen.state("index", torch.int64)
        first = seen.step.places(seen.fact.ratio, seen.step.frames_of(seen.fact), seen.start)[:, 0]
        better = value > best.value if sign > 0 else value < best.value
        best.next = torch.where(better, value, best.value)
        at.next = torch.where(better, index + seen.step.over_batch(first, seen.shape), at.value)
        return [best.next, at.next] if with_value else [at.next]

    return statistic


largest = (lowest, torch.amax, torch.maximum)
smallest = (highest, torch.amin, torch.minimum)
added: tuple[Any, Reduce, Any] = (lambda _: 0.0, torch.sum, torch.add)


def _product(x: torch.Tensor, axes: list[int], keepdim: bool) -> torch.Tensor:
    for axis in sorted(axes, reverse=True):
        x = torch.prod(x, axis, keepdim)
    return x


mean = folded("sum", wide, *added, _averaged)
_sum = folded("sum", wide, *added)
maximum, _min = folded("max", lambda _, x: x, *largest), folded("min", lambda _, x: x, *smallest)
_any = folded("any", lambda _, x: x != 0, lambda _: False, torch.any, torch.logical_or)
_all = folded("all", lambda _, x: x != 0, lambda _: True, torch.all, torch.logical_and)
_prod = folded("product", wide, lambda _: 1.0, _product, torch.mul)
_logsum = folded("logsum", wide, lowest, torch.logsumexp, log_add)
_var, _std = spread(lambda x: x), spread(torch.sqrt)

STATISTICS: dict[Any, Statistic] = {
    **dict.fromkeys([aten.sum.default, aten.sum.dim_IntList], _sum),
    **dict.fromkeys([aten.mean.default, aten.mean.dim], mean),
    **dict.fromkeys([aten.amax.default, aten.max.default], maximum),
    **dict.fromkeys([aten.amin.default, aten.min.default], _min),
    **dict.fromkeys([aten.prod.default, aten.prod.dim_int], _prod),
    **dict.fromkeys([aten.any.default, aten.any.dim, aten.any.dims], _any),
    **dict.fromkeys([aten.all.default, aten.all.dim, aten.all.dims], _all),
    **dict.fromkeys([aten.linalg_vector_norm.default, aten.linalg_norm.default, aten.norm.ScalarOpt_dim], norm),
    aten.count_nonzero.default: folded("count", lambda _, x: (x != 0).to(torch.int64), *added),
    aten.logsumexp.default: _logsum,
    **dict.fromkeys([aten.var.correction, aten.var.dim], _var),
    **dict.fromkeys([aten.std.correction, aten.std.dim], _std),
    **dict.fromkeys([aten.var_mean.correction, aten.var_mean.dim], spread(lambda x: x, with_mean=True)),
    **dict.fromkeys([aten.std_mean.correction, aten.std_mean.dim], spread(torch.sqrt, with_mean=True)),
    aten.max.dim: placed(1, with_value=True),
    aten.min.dim: placed(-1, with_value=True),
    aten.argmax.default: placed(1, with_value=False),
    aten.argmin.default: placed(-1, with_value=False),
}
PLACES = (aten.argmax.default, aten.argmin.default)
#: The same without the place, where nobody asks for it.
VALUES_ALONE: dict[Any, Statistic] = {aten.max.dim: maximum, aten.min.dim: _min}
