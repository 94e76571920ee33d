"""Which scheme every node gets: what a config says, the faster kernel, more bits where limits ask for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgeseq.errors import UsageError
from edgeseq.quantization.configs import Config, Int8Dynamic, Scheme
from edgeseq.quantization.making import Maker
from edgeseq.quantization.preparing import prepared
from edgeseq.quantization.sensitivity import Wanted, alone, relieved
from edgeseq.quantization.sites import Left, Site
from edgeseq.quantization.source import Source
from edgeseq.quantization.speed import compare_steps
from edgeseq.quantization.streams import Samples
from edgeseq.quantization.targets import Target
from edgeseq.verification.task import Task


@dataclass(frozen=True)
class Choice:
    """The scheme of every node that is quantized, and how it came to it.

    ``cost``: SQNR of the model's worst output with one node quantized, by its name. ``raised``: nodes that got more
    bits than was asked for, to keep ``limits``. ``left``: nodes that stay in float.
    """

    maker: Maker
    sites: Sequence[Site]
    plan: Mapping[str, Scheme]
    cost: Mapping[str, float | None]
    raised: tuple[str, ...]
    left: tuple[Left, ...]
    limits: Mapping[str, float]


def chosen(
    source: Source,
    config: Config,
    samples: Samples,
    target: Target,
    measured: bool,
    min_sqnr: float | None,
    task: Task | None,
    before: float | None,
    told: Callable[[str], object],
) -> Choice:
    """Calibrate, measure what each node costs, and give more bits to what costs too much.

    ``before``: the task's value in float. UsageError where nothing is left to be quantized.
    """
    told("calibrating on streams")
    found = prepared(source, config, samples, target)
    maker, sites, asked = found.maker, found.sites, found.chosen
    if isinstance(config, Int8Dynamic) and config.kernel == "auto" and measured:
        told("measuring which kernel is faster here")
        asked = _faster(maker, asked, sites, config)
    told("measuring what each node costs")
    cost = alone(maker, asked, sites, samples)
    wanted = Wanted(maker, samples, min_sqnr, task, before)
    plan, kept = relieved(asked, sites, cost, wanted)
    if not plan:
        raise UsageError("nothing can be quantized within what is asked for", do="ask for less, or keep the file")
    raised = {name: scheme for name, scheme in plan.items() if scheme != asked[name]}
    cost |= alone(maker, raised, sites, samples)
    return Choice(maker, sites, plan, cost, tuple(raised), (*found.left, *kept), wanted.limits)


def _faster(maker: Maker, chosen: dict[str, Scheme], sites: Sequence[Site], config: Int8Dynamic) -> dict[str, Scheme]:
    """The faster of the two kernels for products, all of them by the same one."""
    tables = {site.name for site in sites if site.table is not None}
    other = {name: scheme if name in tables else Scheme("rows", 8) for name, scheme in chosen.items()}
    paths = []
    for name, plan_ in (("blocks", chosen), ("rows", other)):
        made = maker.make(plan_)
        paths.append(maker.source.write(name, made.graph, made.contract, made.prologue))
    speed = compare_steps(paths[0], paths[1], maker.source.contract, config.batch, runs=3)
    return other if speed.ratio > 1 else chosen
