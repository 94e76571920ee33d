"""onnxruntime's profile of a session, read: how long each node took in each run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median_grouped
from typing import Any

from edgeseq.errors import ProviderError

_KERNEL = "_kernel_time"
#: onnxruntime stops writing after so many events, without a word.
MOST_EVENTS = 1_000_000

Key = tuple[str, str]  # the name of a node and its operator


@dataclass(frozen=True)
class Run:
    """One run of a session: microseconds of all of it, and of each node, what runs inside a node taken off it.

    ``counts``: how often each node ran, which is more than once inside a loop. ``inside``: how many nodes ran directly
    inside it.
    """

    whole_us: int
    nodes_us: dict[Key, int] = field(default_factory=dict)
    counts: dict[Key, int] = field(default_factory=dict)
    inside: dict[Key, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Traced:
    """The median microseconds of one node in a step, how often it runs in it, and how many nodes run inside it."""

    name: str
    op: str
    us: float
    times: float
    inside: float


def read_trace(text: str) -> list[Run]:
    """The runs that a profile holds, in their order; ProviderError where it cannot be read."""
    try:
        events = [event for event in json.loads(text) if event.get("ph") == "X"]
        return _runs(sorted(events, key=lambda event: (event["ts"], -event["dur"])))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ProviderError("cannot read onnxruntime's profile", why=why, do="try another version of it") from None


def by_step(runs: Sequence[Run], steps: int, warmup: int) -> list[list[Run]]:
    """The runs of each of the last ``steps`` steps, behind ``warmup`` others; ProviderError where some are lost."""
    calls, odd = divmod(len(runs), warmup + steps)
    if odd or not calls:
        raise ProviderError(
            "onnxruntime's profile is not whole",
            got=f"{len(runs)} runs",
            wanted=f"as many in each of {warmup + steps} steps",
            why=f"it ends after {MOST_EVENTS:,} events",
            do="profile fewer steps",
        )
    return [list(runs[index : index + calls]) for index in range(warmup * calls, len(runs), calls)]


def medians(steps: Sequence[Sequence[Run]]) -> tuple[Traced, ...]:
    """Each node of these steps, in the order in which they run first."""
    keys = dict.fromkeys(key for runs in steps for run in runs for key in run.nodes_us)
    return tuple(_traced(key, steps) for key in keys)


def median_us(values: Iterable[int]) -> float:
    """The median of microseconds that were cut to whole ones: 3 stands for anything from 3 up to 4."""
    return 0.5 + float(median_grouped(list(values)))


def _traced(key: Key, steps: Sequence[Sequence[Run]]) -> Traced:
    us = median_us(sum(run.nodes_us.get(key, 0) for run in runs) for runs in steps)
    every = [run for runs in steps for run in runs]
    times, inside = (sum(counts.get(key, 0) for counts in each) for each in _counts(every))
    return Traced(*key, us, times / len(steps), inside / len(steps))


def _counts(runs: Sequence[Run]) -> tuple[list[dict[Key, int]], list[dict[Key, int]]]:
    return [run.counts for run in runs], [run.inside for run in runs]


def _runs(events: Sequence[dict[str, Any]]) -> list[Run]:
    """Events in the order of their beginnings, the longer of two first; one lies inside those that have not ended."""
    found: list[Run] = []
    open_nodes: list[tuple[int, Key]] = []
    for event in events:
        if event["name"] == "model_run":
            found.append(Run(event["dur"]))
        elif event["cat"] == "Node" and event["name"].endswith(_KERNEL) and found:
            run, key = found[-1], (event["name"].removesuffix(_KERNEL), event["args"]["op_name"])
            while open_nodes and open_nodes[-1][0] <= event["ts"]:
                open_nodes.pop()
            run.nodes_us[key] = run.nodes_us.get(key, 0) + event["dur"]
            run.counts[key] = run.counts.get(key, 0) + 1
            if open_nodes:
                around = open_nodes[-1][1]
                run.nodes_us[around] -= event["dur"]
                run.inside[around] = run.inside.get(around, 0) + 1
            open_nodes.append((event["ts"] + event["dur"], key))
    return found
