"""The section of the page on what edgeseq's step is made of, and what would close the gap to the fastest engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.page import wrapped
from benchmarks.peers.cases import CASES
from benchmarks.peers.notes import CLOSING
from benchmarks.peers.result import Result
from benchmarks.peers.standing import BASE, base_of, time_standing

HEAD = """\
## Where edgeseq is not the fastest path

What a step of edgeseq is made of, measured in one process per network after the comparison. *onnxruntime*: the run
alone, everything bound once. *empty graph*: the same for a graph that does nothing, so what every run costs. *edgeseq*:
what `stream.step` takes on top of the run: checks, the frame copied in, the answer copied out. *kernels*: the ops that
take most by onnxruntime's profiler, which counts whole microseconds and slows what it counts. *PyTorch's ops*: the same
of the eager step by PyTorch's profiler. *read*: the weights of a step over the time of the run. *bare graph*: the run
of a graph that has nothing but the layers and the head, as a file for batch 1 and single frames could be written.
"""


def parts(result: Result) -> str:
    """Table, and a sentence or two for each network."""
    if not result.evidence:
        return f"{HEAD}\nNot measured yet: `python -m benchmarks.peers evidence`.\n"
    rows = {slug: found for slug, found in result.evidence.items() if slug in CASES}
    lines = [
        HEAD,
        "| | step | onnxruntime | empty graph | edgeseq | bare graph | weights | read | kernels | PyTorch's ops |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |",
        *(_row(CASES[slug].name, found) for slug, found in rows.items()),
        "",
        *(_sentences(result, slug, found) for slug, found in rows.items()),
    ]
    return "\n".join([*lines, ""])


def _row(name: str, found: Mapping[str, Any]) -> str:
    step, run = found["stream_us"], found["bound_us"]
    cells = [
        name,
        *(f"{value:,.1f} us" for value in (step, run, found["empty_graph_us"], step - run)),
        "" if found["bare_us"] is None else f"{found['bare_us']:,.1f} us",
        f"{found['weight_bytes'] / 1e6:.2f} MB",
        f"{found['weight_bytes'] / run / 1e3:.0f} GB/s",
        _ops(found["kernels_us"]),
        _ops(found["torch_ops_us"]),
    ]
    return f"| {' | '.join(cells)} |"


def _ops(by_op: Mapping[str, float]) -> str:
    whole = sum(by_op.values()) or 1.0
    return ", ".join(f"{name.removeprefix('aten::')} {value / whole:.0%}" for name, value in list(by_op.items())[:3])


def _sentences(result: Result, slug: str, found: Mapping[str, Any]) -> str:
    """The fastest engine, what the gap may come from at most, and what would close it."""
    base = base_of(result, slug)
    if base is None:
        return ""
    others = [item for item in result.of(slug) if item.engine != BASE and item.refused is None]
    ahead = [
        gap for item in others if (gap := time_standing(item, base, "back_to_back", "p50")) is not None and gap.wins
    ]
    name = CASES[slug].name
    if not ahead:
        return wrapped(f"- **{name}**: no engine is visibly faster.", "  ")
    first = min(ahead, key=lambda gap: gap.ratio)
    own, empty, run = found["stream_us"] - found["bound_us"], found["empty_graph_us"], found["bound_us"]
    missing = (first.base - first.value) / 1e3
    text = (
        f"- **{name}**: {result.engines[first.subject.engine]['name']} takes {first.value / 1e3:,.1f} us, edgeseq"
        f" {first.base / 1e3:,.1f} us: {missing:,.1f} us more. A step spends {own:,.1f} us in edgeseq, {empty:,.1f} us"
        f" in what every run of onnxruntime costs and {run - empty:,.1f} us in the graph itself, so"
        f" {_blame(missing, own, empty)}{_bare(found)} {CLOSING[CASES[slug].kind]}"
    )
    return wrapped(text.rstrip(), "  ")


def _bare(found: Mapping[str, Any]) -> str:
    """What a graph without Transpose and Squeeze would save."""
    if found["bare_us"] is None:
        return ""
    return f" Its layers and head alone would run in {found['bare_us']:,.1f} us instead of {found['bound_us']:,.1f} us."


def _blame(missing: float, own: float, empty: float) -> str:
    if missing <= own:
        return "edgeseq's own part would account for all of it."
    if missing <= own + empty:
        return "what surrounds the graph would account for all of it."
    return f"at least {missing - own - empty:,.1f} us of it are in the kernels."
