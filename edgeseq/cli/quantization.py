"""A report on quantization told to a person: what became of every node, what it saved and what it cost."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from edgeseq.cli.durations import format_duration
from edgeseq.cli.sizes import format_decibels, format_share
from edgeseq.cli.tables import format_bytes, table

_NUMBER = re.compile(r"[0-9]+")
_LEGEND = "signal to noise: at it, and of the worst output with it alone quantized; of alike ones the least"
Node = Mapping[str, Any]


def node_tables(report: Mapping[str, Any]) -> list[str]:
    """What is in fewer bits, and what stayed in float and why; alike nodes in one line."""
    nodes, left = report.get("nodes") or (), report.get("left") or ()
    lines: list[str] = []
    if nodes:
        head = ["quantized", "kind", "as", "before", "after", "at it", "alone"]
        lines += table(head, [_quantized(alike) for alike in folded(nodes, ("kind", "scheme"))])
        lines += [_LEGEND, ""]
    if left:
        rows = [
            [_named(alike), alike[0]["op"], _bytes(alike, "bytes"), alike[0]["why"]]
            for alike in folded(left, ("op", "why"))
        ]
        lines += [*table(["left in float", "op", "weights", "why"], rows), ""]
    return lines


def quantization_facts(report: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """What holds for the whole file, by label."""
    return [
        ("quantization", _kind(report)),
        ("size", _size(report)),
        ("error", _error(report)),
        ("over steps", _long_run(report.get("long_run"))),
        ("speed", _speed(report)),
        ("more bits", _raised(report)),
        ("task", _task(report.get("task"))),
    ]


def folded(nodes: Iterable[Node], keys: Sequence[str]) -> list[list[Node]]:
    """Nodes together whose names differ in numbers alone and that are the same in ``keys``."""
    groups: dict[Any, list[Node]] = {}
    for node in nodes:
        groups.setdefault((_NUMBER.sub("*", node["name"]), *(node[key] for key in keys)), []).append(node)
    return list(groups.values())


def _named(alike: Sequence[Node]) -> str:
    """The name of a node; of several ``layers.0-11.out (12)``."""
    names = [node["name"] for node in alike]
    if len(names) == 1:
        return str(names[0])
    found = iter([_spanned(numbers) for numbers in zip(*(_NUMBER.findall(name) for name in names), strict=True)])
    return f"{_NUMBER.sub(lambda _: next(found), names[0])} ({len(names)})"


def _spanned(numbers: Sequence[str]) -> str:
    """``3`` where all numbers are 3, else ``0-11``."""
    ordered = sorted(numbers, key=lambda number: (len(number), number))
    return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]}-{ordered[-1]}"


def _quantized(alike: Sequence[Node]) -> list[str]:
    first = alike[0]
    sizes = [_bytes(alike, "bytes_before"), _bytes(alike, "bytes_after")]
    return [
        _named(alike),
        first["kind"],
        first["scheme"],
        *sizes,
        _least(alike, "snr_db"),
        _least(alike, "alone_snr_db"),
    ]


def _bytes(alike: Sequence[Node], key: str) -> str:
    return format_bytes(sum(node.get(key, 0) for node in alike))


def _least(alike: Sequence[Node], key: str) -> str:
    return _decibels(min((node[key] for node in alike if node.get(key) is not None), default=None))


def _decibels(found: float | None) -> str:
    return "" if found is None else format_decibels(found)


def _kind(report: Mapping[str, Any]) -> str:
    text = str(report.get("kind") or "of no kind that it says")
    config = report.get("config") or {}
    told = {
        f"for {report.get('target')}": report.get("target"),
        "one frame a call": report.get("one_frame"),
        "caches of attention in int8": config.get("cache") == "int8",
        f"of the float file {str(report.get('source'))[:19]}": report.get("source"),
    }
    return ", ".join([text, *(words for words, said in told.items() if said)])


def _size(report: Mapping[str, Any]) -> str | None:
    before, after = report.get("file_bytes_before"), report.get("file_bytes_after")
    return None if before is None or after is None else f"{format_bytes(after)}; in float {format_bytes(before)}"


def _error(report: Mapping[str, Any]) -> str | None:
    outputs = report.get("outputs") or {}
    told = [f"{name} {_decibels(found) or 'without error'}" for name, found in outputs.items()]
    inputs = f" on {report['inputs']} inputs" if report.get("inputs") else ""
    return f"signal to noise{inputs}: {', '.join(told)}" if told else None


_VERDICTS: Mapping[str, str] = {
    "accumulates": "the error accumulates",
    "contracts": "the error contracts",
    "steady": "the error stays what it is",
}


def _long_run(run: Mapping[str, Any] | None) -> str | None:
    if run is None:
        return None
    found = [f"{_decibels(window[2])} up to {window[1]:,}" for window in run["windows"] if window[2] is not None]
    verdict = _VERDICTS.get(run["verdict"], run["verdict"])
    return f"{verdict}: {', '.join(found)} steps" if found else verdict


def _speed(report: Mapping[str, Any]) -> str | None:
    speed = report.get("speed")
    if speed is None:
        note = report.get("speed_note")
        return None if note is None else note if "not measured" in note else f"not measured: {note}"
    times = f"{_median(speed['quantized_us'])} a step, in float {_median(speed['float_us'])}"
    on = f"median of {len(speed['float_us'])} processes each, batch {speed.get('batch', 1)}, one thread"
    return f"{_VERDICT.get(speed['verdict'], _as_said)(speed)}: {times} ({on})"


_VERDICT: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "faster": lambda speed: f"{speed['ratio']:.3g} times as fast",
    "slower": lambda speed: f"slower, {speed['ratio']:.3g} times as fast",
}


def _as_said(speed: Mapping[str, Any]) -> str:
    return str(speed["verdict"])


def _median(microseconds: Sequence[float]) -> str:
    return format_duration(statistics.median(microseconds) / 1e6)


def _raised(report: Mapping[str, Any]) -> str | None:
    """Which nodes got more bits than the kind has, and for the sake of what."""
    limits = {"min_sqnr": "{:g} dB", "max_loss": "a loss of at most {:g}"}
    wanted = [
        words.format(report["limits"][name]) for name, words in limits.items() if name in report.get("limits", {})
    ]
    names = report.get("raised") or ()
    if not wanted:
        return None
    return f"{', '.join(names) or 'no node'}, for {' and '.join(wanted)}"


def _task(task: Mapping[str, Any] | None) -> str | None:
    if task is None:
        return None
    values = f"{task['metric']} {task['quantized']:.4g}, in float {task['float']:.4g}"
    lost = task.get("lost")
    return values if lost is None else f"{values}: {format_share(abs(lost))} {'lost' if lost >= 0 else 'gained'}"
