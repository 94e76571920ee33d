"""Findings that need several results: devices, and positions at which one becomes slower than another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from edgeseq.lab.comparison import Comparison, Subject
from edgeseq.lab.findings.finding import positions
from edgeseq.lab.units import size


def gpu_loses(comparison: Comparison) -> Iterator[str]:
    """Files that a GPU steps more slowly than a CPU; needs the same files on both.

    A result holds a file's bytes and no hidden size, so that it is the file that is named.
    """
    ratios = sorted(_ratios(comparison), key=lambda one: one[1])
    lost = [(name, count) for name, count, ratio in ratios if ratio > 1]
    won = [(name, count) for name, count, ratio in ratios if ratio <= 1]
    if lost and all(one[1] < other[1] for one in lost for other in won):
        (name, count), wins = lost[-1], ""
        if won:
            wins = f", and wins from {won[0][0]} ({size(won[0][1])}) on"
        yield f"the GPU loses to the CPU up to {name} ({size(count)}){wins}"
    elif lost:
        yield f"the GPU loses to the CPU on {', '.join(name for name, _ in lost)}"


def crossing(comparison: Comparison) -> Iterator[str]:
    """From which of the measured positions one subject is the slower of two, intervals apart at both ends."""
    for one, other in itertools.permutations(comparison.subjects, 2):
        verdicts = _slower(one, other)
        places = [place for place, _ in verdicts]
        signs = [sign for _, sign in verdicts]
        if -1 in signs and 1 in signs and signs == sorted(signs):
            yield (
                f"{one.name} is faster than {other.name} up to position {places[_last(signs, -1)]:,} and slower from "
                f"{places[signs.index(1)]:,} on"
            )


def _ratios(comparison: Comparison) -> Iterator[tuple[str, int, float]]:
    """Name, bytes, and GPU over CPU median step of every file measured on both with settings else alike."""
    for gpu, cpu in itertools.permutations(comparison.subjects, 2):
        devices = [str(subject.latency.settings.get("device", "cpu")) for subject in (gpu, cpu)]
        if devices[0].startswith("cuda") and devices[1] == "cpu" and _alike(gpu, cpu):
            mode = "paced" if gpu.latency.has("paced") and cpu.latency.has("paced") else "back_to_back"
            if gpu.latency.has(mode) and cpu.latency.has(mode):
                theirs, ours = gpu.latency.of(mode).p50_ns, cpu.latency.of(mode).p50_ns
                if theirs and ours:
                    yield str(gpu.latency.file["name"]), int(gpu.latency.file["bytes"]), theirs / ours


def _alike(one: Subject, other: Subject) -> bool:
    """Whether it is the same file, stepped the same way."""
    settings = one.latency.settings, other.latency.settings
    same = all(settings[0].get(name) == settings[1].get(name) for name in ("batch", "frames", "streams", "period_ns"))
    return same and one.latency.file["sha256"] == other.latency.file["sha256"]


def _slower(one: Subject, other: Subject) -> list[tuple[int, int]]:
    """At each position that both have: 1 where ``one`` is visibly slower, -1 where faster, 0 where intervals meet."""
    theirs = dict(positions(other.latency))
    found = []
    for place, series in positions(one.latency):
        p50, against = series.quantiles["p50"], theirs[place].quantiles["p50"] if place in theirs else None
        if against is not None and None not in (p50.low_ns, p50.high_ns, against.low_ns, against.high_ns):
            apart = (p50.low_ns or 0) > (against.high_ns or 0), (p50.high_ns or 0) < (against.low_ns or 0)
            found.append((place, apart[0] - apart[1]))
    return found


def _last(signs: list[int], sign: int) -> int:
    return len(signs) - 1 - signs[::-1].index(sign)
