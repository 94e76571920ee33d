"""Candidates timed in fresh processes that take turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeseq.contract import Contract
from edgeseq.errors import ProviderError, UsageError
from edgeseq.quantization.speed import STEPS, step_settings
from edgeseq.quantization.tuning.candidates import FLOAT
from edgeseq.quantization.tuning.deciding import hopeless
from edgeseq.quantization.tuning.figures import Figures
from edgeseq.quantization.tuning.wishes import Wishes
from edgeseq.runtime.measuring.alternating import rounds
from edgeseq.runtime.measuring.processes import run_once
from edgeseq.runtime.measuring.series import QUANTILES, samples_needed

#: Fresh processes of each candidate: a file that equals the float one would seem better by chance in 1 of 924.
RUNS = 6
#: Steps of a paced process: they take their time.
_PACED = 100


@dataclass(frozen=True)
class Pace:
    """How candidates are stepped; ``period`` in seconds, None: back to back."""

    steps: int
    period: float | None
    runs: int
    batch: int


def pace(wishes: Wishes, steps: int | None, period: float | None, runs: int, batch: int) -> Pace:
    """The pace that was asked for, with steps enough for the quantiles. UsageError for what means nothing."""
    for name, count in (("runs", runs), ("batch", batch), ("steps", steps)):
        if count is not None and (type(count) is not int or count < 1):
            raise UsageError(f"{name} must be a whole number from 1", got=repr(count))
    if runs < 2:
        raise UsageError("one process shows nothing of what differs between processes", wanted="runs from 2")
    if period is not None and not (isinstance(period, (int, float)) and 0 < period < 3600):
        raise UsageError("period must be a number of seconds above 0", got=repr(period))
    needed = max(samples_needed(share) for name, share in QUANTILES.items() if name == "p50" or wishes.needs(name))
    if steps is not None and steps < needed:
        raise UsageError("too few steps for what is asked for", got=steps, wanted=f"at least {needed}")
    return Pace(steps or max(needed, STEPS if period is None else _PACED), period, runs, batch)


def timed(
    found: Sequence[Figures],
    paths: Sequence[Path],
    contract: Contract,
    pace: Pace,
    wishes: Wishes,
    told: Callable[[str], object],
) -> list[Figures]:
    """The figures with what ``pace.runs`` processes of each file measured; the float file is among them.

    Candidates that are hopelessly slow are given up early, those that onnxruntime does not run have failed. Raises
    ProviderError where the float file itself does not run.
    """
    known = list(found)
    (base,) = (place for place, one in enumerate(known) if one.candidate == FLOAT)
    for number, order in enumerate(rounds(range(len(known)), pace.runs, seed=0)):
        for place in order:
            one = known[place]
            if one.failed is None and not hopeless(one, known[base], wishes):
                told(f"round {number + 1} of {pace.runs}: {one.candidate}")
                known[place] = _with_run(one, paths[place], contract, pace)
    return known


def _with_run(one: Figures, path: Path, contract: Contract, pace: Pace) -> Figures:
    opening = one.candidate.opening
    chosen: dict[str, Any] = {"threads": opening.threads, "spinning": opening.spinning, "steps": pace.steps}
    if pace.period is not None:
        chosen["period_ns"] = round(pace.period * 1e9)
    try:
        report = run_once(step_settings(path, contract, pace.batch, **chosen))
    except ProviderError as error:
        if one.candidate == FLOAT:
            raise
        return replace(one, failed=str(error))
    samples = report.samples["back_to_back" if pace.period is None else "paced"]
    quantiles = {
        name: samples.quantile(share) / 1000
        for name, share in QUANTILES.items()
        if len(samples) >= samples_needed(share)
    }
    memory = report.figures["peak_rss_bytes"]
    return replace(
        one,
        p50_us=(*one.p50_us, quantiles["p50"]),
        p99_us=(*one.p99_us, quantiles["p99"]) if "p99" in quantiles else (),
        memory_bytes=(*one.memory_bytes, memory) if memory is not None else (),
    )
