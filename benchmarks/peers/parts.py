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

What a step of edgeseq is made of, measured in one process per network after the comparison.

- *onnxruntime*: its run alone, everything bound once. *edgeseq*: what `stream.step` takes on top: checks, the frame
  copied in, the answer copied out. *empty graph*: the run of a graph that does nothing, so what every run costs.
- *bare*: the run of a graph that has nothing but the layers and the head, as a file for batch 1 and single frames could
  be written. *products*: the same with each layer written out in matrix products instead of onnxruntime's op.
- *reading*: the weights read once, at the best rate that this machine showed for so many bytes.
- *kernels*: the ops that take most by onnxruntime's profiler, which counts whole microseconds and slows what it counts.
  *PyTorch's ops*: the same of the eager step by PyTorch's profiler.
"""
COLUMNS = {
    "step": "stream_us",
    "onnxruntime": "bound_us",
    "empty graph": "empty_graph_us",
    "bare": "bare_us",
    "products": "products_us",
    "reading": "read_us",
}


def parts(result: Result) -> str:
    """Table, and a sentence or two for each network."""
    if not result.evidence:
        return f"{HEAD}\nNot measured yet: `python -m benchmarks.peers evidence`.\n"
    rows = {slug: found for slug, found in result.evidence.items() if slug in CASES}
    lines = [
        HEAD,
        f"| us | {' | '.join(COLUMNS)} | edgeseq | weights | kernels | PyTorch's ops |",
        f"| --- |{' ---: |' * len(COLUMNS)} ---: | ---: | --- | --- |",
        *(_row(CASES[slug].name, found) for slug, found in rows.items()),
        "",
        *(_sentences(result, slug, found) for slug, found in rows.items()),
    ]
    return "\n".join([*lines, ""])


def _row(name: str, found: Mapping[str, Any]) -> str:
    cells = [
        name,
        *("" if found[key] is None else f"{found[key]:,.1f}" for key in COLUMNS.values()),
        f"{found['stream_us'] - found['bound_us']:,.1f}",
        f"{found['weight_bytes'] / 1e6:.2f} MB",
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
    gaps = [gap for item in others if (gap := time_standing(item, base, "back_to_back", "p50")) is not None]
    # One that is faster in the median alone is named too, with the rounds' doubt beside it.
    ahead = [gap for gap in gaps if gap.wins] or [gap for gap in gaps if gap.value < gap.base]
    name = CASES[slug].name
    if not ahead:
        return wrapped(f"- **{name}**: no engine has a lower median.", "  ")
    first = min(ahead, key=lambda gap: gap.value)
    doubt = "" if first.wins else f" (in the median; {first.ratio:.2f}x, {first.interval}, so not told apart)"
    own, empty, run = found["stream_us"] - found["bound_us"], found["empty_graph_us"], found["bound_us"]
    missing = (first.base - first.value) / 1e3
    text = (
        f"- **{name}**: {result.engines[first.subject.engine]['name']} takes {first.value / 1e3:,.1f} us, edgeseq"
        f" {first.base / 1e3:,.1f} us{doubt}: {missing:,.1f} us more. A step spends {own:,.1f} us in edgeseq,"
        f" {empty:,.1f} us in what every run of onnxruntime costs and {run - empty:,.1f} us in the graph itself, so"
        f" {_blame(missing, own, empty)}{_closing(found, missing)} {CLOSING.get(CASES[slug].kind, '')}"
    )
    return wrapped(text.rstrip(), "  ")


def _closing(found: Mapping[str, Any], missing: float) -> str:
    """What other graphs would save of the run, and whether that closes the gap."""
    tried = {"its layers and head alone": found["bare_us"], "its layers written out in products": found["products_us"]}
    saved = {name: found["bound_us"] - value for name, value in tried.items() if value is not None}
    if not saved:
        return ""
    best = max(saved, key=lambda name: saved[name])
    if saved[best] <= 0:
        return " Neither a bare graph nor products would save anything."
    verb = "which closes the gap" if saved[best] >= missing else f"{saved[best] / missing:.0%} of the gap"
    return f" A graph of {best} would save {saved[best]:,.1f} us, {verb}."


def _blame(missing: float, own: float, empty: float) -> str:
    if missing <= own:
        return "edgeseq's own part would account for all of it."
    if missing <= own + empty:
        return "what surrounds the graph would account for all of it."
    return f"at least {missing - own - empty:,.1f} us of it are in the kernels."
