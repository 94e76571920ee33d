"""What a config makes of a file before anything is measured: its sites, the plan, what calibration saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgeseq.errors import UsageError
from edgeseq.quantization.caches import find_caches
from edgeseq.quantization.configs import Config, Float16, Int8Static, Scheme
from edgeseq.quantization.kernels import Seen
from edgeseq.quantization.making import Maker, calibrated, one_frame_possible, seen_only
from edgeseq.quantization.planning import nothing, plan
from edgeseq.quantization.sites import Left, Site, find_sites, names_in
from edgeseq.quantization.source import Source
from edgeseq.quantization.streams import Samples
from edgeseq.quantization.targets import Target


@dataclass(frozen=True)
class Prepared:
    """Of a source and a config: what makes quantized graphs, and the scheme of every site that is ``chosen``.

    ``left`` are the nodes that stay in float.
    """

    maker: Maker
    sites: Sequence[Site]
    chosen: dict[str, Scheme]
    left: tuple[Left, ...]


def prepared(source: Source, config: Config, samples: Samples, target: Target) -> Prepared:
    """The plan of a config for a source, calibrated on streams. UsageError where the config is not for this file."""
    sites, left = sites_of(source)
    chosen, asked = plan(config, sites)
    caches = config.cache == "int8"
    if caches and not find_caches(source.graph()):
        raise UsageError("the file has no cache that can be kept in 8 bits", do="leave out cache='int8' (--cache)")
    _check_calibration(config, samples)
    one_frame = _one_frame(config, chosen, sites, source, samples)
    maker = Maker(source, target, one_frame, calibrated(source, chosen, samples, caches), caches)
    chosen, unseen = seen_only(maker, chosen, sites)
    chosen = _as_seen(chosen, sites, maker.seen)
    if not chosen:
        raise nothing([*asked, *unseen])
    return Prepared(maker, sites, chosen, (*left, *asked, *unseen))


def _as_seen(chosen: Mapping[str, Scheme], sites: Sequence[Site], seen: Seen) -> dict[str, Scheme]:
    """Calibrated rounding where calibration saw what it needs; in loops and prologues, and for tables, the nearest."""
    known = {name.rpartition(".")[0] for name in seen.gram}
    tied = {site.name for site in sites if site.tied in known}
    return {
        name: scheme if name in known | tied else replace(scheme, rounding="nearest") for name, scheme in chosen.items()
    }


def _check_calibration(config: Config, samples: Samples) -> None:
    """UsageError where fixed scales would be made up from random inputs: real ones may be of another size."""
    if samples.real or not (isinstance(config, Int8Static) or config.cache == "int8"):
        return
    asked = "int8-static" if isinstance(config, Int8Static) else "a cache in 8 bits"
    raise UsageError(
        f"{asked} needs real inputs",
        why="its scales are fixed by what the model is seen to compute",
        do="give them: calibration=[{name: array}] (--data FILE.npz, at export --example)",
    )


def sites_of(source: Source) -> tuple[list[Site], list[Left]]:
    """The sites of the step and of its prologue."""
    step = source.graph()
    sites, left = find_sites(step)
    prologue = source.prologue()
    if prologue is not None:
        found = find_sites(prologue, names_in(step))
        sites, left = [*sites, *found[0]], [*left, *found[1]]
    return sites, left


def _one_frame(
    config: Config, chosen: Mapping[str, Scheme], sites: Sequence[Site], source: Source, samples: Samples
) -> bool:
    """What a config says, else whether a recurrent layer is rewritten that needs no loop so.

    UsageError where it is asked for and a layer gets several frames in the shortest call: without a loop it would take
    them for one.
    """
    rewritten = any(site.layer is not None and site.name in chosen for site in sites)
    if not rewritten or isinstance(config, Float16) or config.one_frame is False:
        return bool(config.one_frame)
    possible = one_frame_possible(source, samples)
    if config.one_frame and not possible:
        raise UsageError(
            "the file cannot be called with one frame at a time",
            why="a recurrent layer gets several frames in its shortest call",
            do="leave out one_frame=True (--one-frame)",
        )
    return possible
