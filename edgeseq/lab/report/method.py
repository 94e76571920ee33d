"""How the figures were made, in words."""

from __future__ import annotations

from typing import Any

from edgeseq.lab.units import duration

_SOURCES = (
    "MLPerf Inference rules, single-stream and server scenarios: percentiles, and the samples that they need.",
    "MLPerf Tiny 1.3, streaming wake word: steps at the pace of their use.",
    "G. Tene, How not to measure latency: coordinated omission, hence latency from the moment a step was due.",
    "V. Stinner, pyperf: several fresh processes, warm-up apart.",
)


def method(document: dict[str, Any]) -> list[str]:
    """Paragraphs."""
    latencies = [subject["latency"] for subject in document["subjects"]]
    runs = max(len(series["counts"]) for latency in latencies for series in latency["series"])
    return [_processes(runs, len(latencies), document.get("together", True)), *_modes(latencies), _quantiles()]


def sources() -> tuple[str, ...]:
    """Where the method comes from; docs/measuring.md says what was taken from each."""
    return _SOURCES


def _processes(runs: int, subjects: int, together: bool) -> str:
    if subjects == 1:
        return f"The sample is the process: {runs} fresh {'process' if runs == 1 else 'processes'} ran the file."
    if not together:
        return "The results are of several experiments: what changed on the machine between them is in the differences."
    return (
        f"The sample is the process: {runs} rounds of fresh processes, one of each subject in an order drawn anew for "
        "each round. A difference is the ratio of neighbours in a round; its interval, by signed ranks, holds it with "
        "99 % and needs eight rounds."
    )


def _modes(latencies: list[dict[str, Any]]) -> list[str]:
    modes = {series["mode"] for latency in latencies for series in latency["series"]}
    periods = {latency["settings"].get("period_ns") for latency in latencies} - {None}
    told = []
    if "back_to_back" in modes:
        told.append("Back to back: each step follows the last at once, caches are warm.")
    if "paced" in modes:
        told.append(
            f"Paced: one step every {' or '.join(sorted(map(duration, periods)))}, timed from the moment it was due to "
            "its answer, the waking of the process included; “step alone” is the same step from its call."
        )
    if any(mode.startswith("at_") for mode in modes):
        told.append("At a position: steps around it, after a stream of random frames up to there.")
    return told


def _quantiles() -> str:
    return (
        "Every step is timed with a monotonic clock of nanoseconds; warm-up is found from the samples and kept apart. "
        "A quantile is the median across processes of each process's own; below it the interval that holds that median "
        "with 95 %, of fewer than six processes the least and the greatest. A quantile needs ten samples beyond it in "
        "every process and is a dash without them."
    )
