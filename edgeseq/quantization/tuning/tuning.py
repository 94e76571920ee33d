"""``tune``: tries the float file and its quantized forms on this machine, and writes the best with its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeseq.contract import Session
from edgeseq.errors import EdgeseqError, UsageError
from edgeseq.quantization.source import Source, opened
from edgeseq.quantization.streams import Samples
from edgeseq.quantization.tuning.candidates import FLOAT
from edgeseq.quantization.tuning.deciding import Decision, decide
from edgeseq.quantization.tuning.figures import Figures
from edgeseq.quantization.tuning.timing import RUNS, pace
from edgeseq.quantization.tuning.trial import Trial
from edgeseq.quantization.tuning.trying import forms
from edgeseq.quantization.tuning.tuned import Tuned, doubts, rows
from edgeseq.quantization.tuning.wishes import Missed, Wishes, wishes
from edgeseq.quantization.tuning.writing import check_out, write
from edgeseq.runtime.loading import describe
from edgeseq.runtime.measuring.machine import machine, versions
from edgeseq.runtime.threads import this_machine
from edgeseq.verification.drawing import Calibration


def tune(
    path: str | Path,
    out: str | Path | None = None,
    *,
    minimize: str = "p50",
    subject_to: Mapping[str, float] | None = None,
    period: float | None = None,
    batch: int = 1,
    calibration: Calibration | None = None,
    runs: int = RUNS,
    steps: int | None = None,
    progress: Callable[[str], object] | None = None,
) -> Tuned:
    """Try the verified float file at ``path`` and its quantized forms here, and write the best one to ``out``.

    ``minimize`` is ``p50`` or ``p99`` of a step, ``size`` of the file or ``memory`` of a process. ``subject_to`` limits
    ``size`` and ``memory`` (bytes), ``p50`` and ``p99`` (seconds), or asks for an ``sqnr`` (dB) of the worst output.
    Steps follow each other at once, or come every ``period`` seconds and are timed from when they were due. ``runs``
    fresh processes of each candidate take turns, with ``steps`` steps of ``batch`` streams each. ``calibration`` is an
    iterable of ``{name: array}``, as for ``quantize``. ``out`` is ``NAME.tuned.onnx`` by default.

    A candidate takes the place of the float file at one thread only where all its processes are better. The file at
    ``out`` has a ``session`` block for this machine, which ``load`` follows; where the float file is best, it is a copy
    of it. Raises UsageError, also where no candidate keeps the limits, and what ``load`` raises; nothing is written
    then.
    """
    source_path = Path(path)
    wanted = wishes(minimize, subject_to)
    stepping = pace(wanted, steps, period, runs, batch)
    told = progress or (lambda text: None)
    given = None if calibration is None else list(calibration)
    with opened(source_path) as source:
        target = source_path.with_suffix(".tuned.onnx") if out is None else Path(out)
        check_out(source_path, target)
        _check_batch(source, batch)
        trial = Trial(source, wanted, stepping, told)
        found = trial.measured(list(forms(source, Samples(source.contract, given), batch, told)))
        return _written(trial, found, target, given)


def _written(trial: Trial, found: list[Figures], target: Path, calibration: Calibration | None) -> Tuned:
    """Write the winner; one that fails its laws or its limit as a whole file is dropped, and the next one taken."""
    while True:
        decision = decide(found, trial.wishes)
        won = next(one for one in found if one.candidate == decision.winner)
        session = _session(trial, won, next(one for one in found if one.candidate == FLOAT))
        trial.told(f"writing {decision.winner}")
        try:
            contract = write(
                trial.source, decision.winner, session, target, calibration, _fits(trial.wishes, won), trial.told
            )
        except EdgeseqError as error:
            if decision.winner.config is None:
                raise
            found = [replace(one, failed=str(error)) if one is won else one for one in found]
            continue
        written = {
            "path": str(target),
            "bytes": describe(target).size,
            "digest": contract.digest,
            "session": {"threads": session.threads, "spinning": session.spinning},
        }
        return _result(trial, found, decision, written)


def _result(trial: Trial, found: list[Figures], decision: Decision, written: dict[str, Any]) -> Tuned:
    described = describe(trial.source.path)
    pace = trial.pace
    return Tuned(
        file={"name": trial.source.path.name, "bytes": described.size, "digest": described.file.digest},
        written=written,
        machine=machine(),
        versions=versions(),
        settings={
            "minimize": trial.wishes.minimize,
            "limits": dict(trial.wishes.limits),
            "steps": pace.steps,
            "period": pace.period,
            "runs": pace.runs,
            "batch": pace.batch,
        },
        tried=rows(found, decision, trial.wishes.minimize),
        winner=decision.winner.to_dict(),
        sentence=decision.sentence,
        doubts=doubts(found, pace.runs),
    )


def _session(trial: Trial, won: Figures, base: Figures) -> Session:
    opening, pace = won.candidate.opening, trial.pace
    names = ("p50_us", "p99_us", "memory_bytes")
    return Session(
        threads=opening.threads,
        spinning=opening.spinning,
        machine=this_machine(),
        onnxruntime=versions()["onnxruntime"],
        minimized=trial.wishes.minimize,
        measured={
            **{name: list(getattr(won, name)) for name in names},
            **{f"float_{name}": list(getattr(base, name)) for name in names},
            "steps": pace.steps,
            "period": pace.period,
            "batch": pace.batch,
        },
    )


def _fits(wishes: Wishes, won: Figures) -> Callable[[int], None]:
    """What refuses a finished file, report and all, that is larger than it may be."""

    def check(size: int) -> None:
        missed: list[Missed] = wishes.missed(replace(won, size_bytes=size))
        if missed:
            raise UsageError("the finished file misses a limit", why="; ".join(miss.text for miss in missed))

    return check


def _check_batch(source: Source, batch: int) -> None:
    for port in source.contract.with_role("frame"):
        if batch > 1 and "batch" not in port.shape:
            raise UsageError(f"{port.name} has no batch axis", got=f"batch={batch}", wanted="batch=1")
