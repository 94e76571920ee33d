"""Every step of every process, as ``.npz``."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from edgeseq.errors import UsageError
from edgeseq.lab.comparison import Comparison


def raw_bytes(comparison: Comparison) -> bytes:
    """An archive with an array int64[steps] for each subject, mode and process, as ``SUBJECT/MODE/PROCESS``, in ns.

    UsageError where there were so many steps that only histograms are left, or the result was read from a file.
    """
    arrays: dict[str, Any] = {}
    for subject in comparison.subjects:
        for series in subject.latency.series:
            if series.samples_ns is None:
                raise UsageError(
                    "the single steps are not there",
                    where=f"{subject.name}, {series.mode}",
                    why="results read from a file, and runs of more than ten million steps, have histograms",
                )
            for run, samples in enumerate(series.samples_ns):
                arrays[f"{subject.name}/{series.mode}/{run}"] = samples
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
