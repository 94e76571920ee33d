"""The reports of several processes as one result."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from edgeseq.errors import ModelFileError
from edgeseq.runtime.loading import describe
from edgeseq.runtime.measuring import memory
from edgeseq.runtime.measuring.deadline import count_misses
from edgeseq.runtime.measuring.latency import Latency
from edgeseq.runtime.measuring.machine import machine, versions
from edgeseq.runtime.measuring.processes import Report, call_fresh
from edgeseq.runtime.measuring.series import make_series
from edgeseq.runtime.measuring.settings import Settings


def gather(settings: Settings, reports: Sequence[Report], deadline_ns: int | None) -> Latency:
    """The result of ``reports``; one more process tells what a stream holds.

    ModelFileError where the processes did not all load the file that is there now.
    """
    path = Path(settings.path)
    figures = [report.figures for report in reports]
    found = describe(path)
    if {one["digest"] for one in figures} != {found.file.digest}:
        raise ModelFileError("the file was changed while it was measured", where=settings.path, do="measure it again")
    held = call_fresh(memory.__name__, "stream_bytes", settings.to_dict(), where=settings.path)
    return Latency(
        file={"name": path.name, "sha256": _sha256(path), "bytes": found.size, "digest": found.file.digest},
        machine=machine(),
        versions=versions(),
        settings={
            **{name: value for name, value in settings.to_dict().items() if name not in ("path", "at")},
            "at": list(settings.at),
            "runs": len(reports),
            "deadline_ns": deadline_ns,
        },
        series=tuple(
            make_series(
                mode,
                [report.samples[mode] for report in reports],
                settings.period_ns if mode == "paced" else None,
                [one["warmup"].get(mode, 0) for one in figures],
            )
            for mode in reports[0].samples
        ),
        import_ns=tuple(one["import_ns"] for one in figures),
        load_ns=tuple(one["load_ns"] for one in figures),
        first_step_ns=tuple(one["first_step_ns"] for one in figures),
        cold_start_ns=tuple(one["cold_start_ns"] for one in figures),
        peak_rss_bytes=tuple(one["peak_rss_bytes"] for one in figures),
        state_bytes=held["state_bytes"],
        stream_bytes=held["stream_bytes"],
        state_bytes_at=figures[0]["state_bytes_at"],
        clock=tuple(one["clock"] for one in figures),
        readings=tuple(one["readings"] for one in figures),
        deadline=None
        if deadline_ns is None
        else count_misses(deadline_ns, [report.samples["paced"] for report in reports]),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
