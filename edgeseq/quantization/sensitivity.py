"""What each node costs, and which to leave in more bits until what is wanted of a file holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgeseq.quantization.configs import Scheme
from edgeseq.quantization.making import Maker
from edgeseq.quantization.noise import compared, worst
from edgeseq.quantization.sites import Left, Site
from edgeseq.quantization.streams import Samples
from edgeseq.verification.streams import Runs
from edgeseq.verification.task import Task

#: Nodes that are tried one by one; of a model with more, the largest.
MOST = 64


def alone(maker: Maker, plan: Mapping[str, Scheme], sites: Sequence[Site], samples: Samples) -> dict[str, float | None]:
    """SQNR in dB of the model's worst output with one node of ``plan`` quantized, node by node."""
    heaviest = sorted((site for site in sites if site.name in plan), key=lambda site: -site.bytes)[:MOST]
    maker = replace(maker, caches=False)
    float_runs, (inputs, chunks) = Runs(maker.source.load()), samples.short()
    found = {}
    for site in heaviest:
        runs = Runs(maker.run({site.name: plan[site.name]}))
        found[site.name] = worst(compared(float_runs, runs, inputs, chunks))
    return found


class Wanted:
    """What is wanted of a quantized file: ``min_sqnr`` dB of its worst output, or the most that a task may lose.

    ``before`` is what the float file reaches in the task.
    """

    def __init__(
        self, maker: Maker, samples: Samples, min_sqnr: float | None, task: Task | None, before: float | None = None
    ) -> None:
        self._maker, self._samples, self._min_sqnr = maker, samples, min_sqnr
        self._task = task if task is not None and task.max_loss is not None else None
        self._float = maker.source.load()
        self._before = self._task.score(self._float) if before is None and self._task is not None else before

    @property
    def limits(self) -> dict[str, float]:
        """What is wanted, by the name of the argument."""
        given = {"min_sqnr": self._min_sqnr, "max_loss": None if self._task is None else self._task.max_loss}
        return {name: limit for name, limit in given.items() if limit is not None}

    def holds(self, plan: Mapping[str, Scheme]) -> bool:
        """Whether a plan gives it."""
        if not plan or (self._min_sqnr is None and self._task is None):
            return True
        model = self._maker.run(plan)
        if self._min_sqnr is not None:
            found = worst(compared(Runs(self._float), Runs(model), *self._samples.short()))
            if found is not None and found < self._min_sqnr:
                return False
        if self._task is None or self._task.max_loss is None or self._before is None:
            return True
        return self._task.lost(self._before, self._task.score(model)) <= self._task.max_loss


def relieved(
    plan: Mapping[str, Scheme], sites: Sequence[Site], cost: Mapping[str, float | None], wanted: Wanted
) -> tuple[dict[str, Scheme], list[Left]]:
    """The plan with so many nodes in more bits that it is as wanted, and the nodes that stay in float for it.

    One node after the other is given more bits, first that which adds most noise for each byte it saves: 4 bits become
    8, and only when that is not enough, 8 become float. ``cost`` is the SQNR of each node alone.
    """
    now, left = dict(plan), []
    by_name = {site.name: site for site in sites}
    order = sorted(now, key=lambda name: -_noise(cost.get(name)) / by_name[name].bytes)
    for name in [name for name in order if now[name].bits == 4] + order:
        if wanted.holds(now):
            break
        if now[name].bits == 4:
            now[name] = replace(now[name], bits=8, rounding="nearest")
        else:
            del now[name]
            site = by_name[name]
            left.append(Left(name, site.node.op_type, site.bytes, "it costs more than may be lost"))
    return now, left


def _noise(decibels: float | None) -> float:
    return 0.0 if decibels is None else 10 ** (-decibels / 10)
