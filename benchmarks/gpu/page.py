"""The figures of docs/devices.md, made from the result of a run: between two marks, nothing of them is typed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "devices.md"
#: The result that is kept, where there is one.
RESULT = ROOT / "benchmarks" / "results" / "gpu.json"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
NONE = "Nothing on this page was run on a GPU yet, so there are no figures.\n"


def with_figures(page: str, result: Path = RESULT) -> str:
    """The page with the figures of a result, or with what is said where there is none."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    text = figures(json.loads(result.read_text("utf-8"))) if result.exists() else NONE
    return f"{head}{BEGIN}\n\n{text}\n{END}{tail}"


def figures(found: Mapping[str, Any]) -> str:
    """What was checked and how it went, then a table of each network."""
    steps = {name: one or {"outcome": "not done"} for name, one in found["steps"].items()}
    if all(one["outcome"] == "skipped" for one in steps.values()):
        return NONE
    lines = [_where(steps["here"].get("seen")), "| check | outcome | |", "| --- | --- | --- |"]
    checks = {name: one for name, one in steps.items() if not name.startswith("time ")}
    lines += [f"| {name} | {one['outcome']} | {_short(one.get('why', ''))} |" for name, one in checks.items()]
    timed = [one for step in steps.values() for one in step.get("figures", ())]
    for network in dict.fromkeys(one["network"] for one in timed):
        lines += ["", *_table(network, [one for one in timed if one["network"] == network])]
    return "\n".join([*lines, ""])


def _where(seen: Mapping[str, Any] | None) -> str:
    if not seen:
        return "The machine was not described.\n"
    machine, versions = seen["machine"], ", ".join(f"{name} {value}" for name, value in seen["versions"].items())
    return f"GPU: {seen['gpu']}. CPU: {machine['cpu']}, {machine['usable_cores']} cores. {versions}.\n"


def _table(network: str, timed: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row for every batch and position: the GPU without and with graph, by weights, and the CPU at its best."""
    lines = [
        f"### {network}, median step in us",
        "",
        "| batch | position | GPU | GPU, CUDA graph | GPU, fp16 | GPU, fp16, CUDA graph | CPU | CPU / GPU |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for batch, position in dict.fromkeys((one["batch"], one["position"]) for one in timed):
        rows = [one for one in timed if (one["batch"], one["position"]) == (batch, position)]
        gpu = [_best(rows, weights, False, graph) for weights in ("fp32", "fp16") for graph in (False, True)]
        cpu = _best(rows, "fp32", True, False)
        best = min((value for value in gpu[:2] if value is not None), default=None)
        ratio = f"{cpu / best:.2f}" if cpu is not None and best is not None else ""
        cells = [str(batch), str(position or ""), *map(_us, gpu), _us(cpu), ratio]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _best(rows: Sequence[Mapping[str, Any]], weights: str, cpu: bool, graph: bool) -> float | None:
    """The least median of the rows of this kind, in ns: of the CPU over its numbers of threads."""
    kind = [one for one in rows if one["weights"] == weights and (one["device"] == "cpu") == cpu]
    return min((one["p50_ns"] for one in kind if one["cuda_graph"] == graph and "p50_ns" in one), default=None)


def _us(value: float | None) -> str:
    return "" if value is None else f"{value / 1000:,.0f}"


def _short(text: str) -> str:
    return text.splitlines()[0][:160].replace("|", "/") if text else ""
