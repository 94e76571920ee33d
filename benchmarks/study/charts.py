"""The study's figures, each a function of the results that gives SVG text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.study.catalogue import QUESTIONS
from benchmarks.study.drawing import BLUE, ORANGE, RED, figure, scale, style_of, svg
from benchmarks.study.exporting import WEIGHTS
from benchmarks.study.reading import Measured, Result, Results
from benchmarks.study.words import title


def cost(result: Result) -> str:
    """The median step at each position."""
    return _over_positions(result, "median step (us)", lambda file, place: file.step_us(f"at_{place}"))


def memory(result: Result) -> str:
    """What a stream carries at each position."""
    return _over_positions(result, "state of a stream (KiB)", lambda file, place: file.state_bytes(place) / 1024)


def _over_positions(result: Result, label: str, value: Callable[[Measured, int], float | None]) -> str:
    drawn, (axes,) = figure(8, 4.6)
    for name, file in result.files.items():
        colour, marker = style_of(name)
        places = file.positions()
        chunk = f" ({file.frames} frames a step)" if file.frames > 1 else ""
        values = [value(file, place) for place in places]
        axes.plot(places, values, color=colour, marker=marker, markersize=5, linewidth=1.4, label=title(name) + chunk)
    axes.set(xlabel="position in the stream (frames)", ylabel=label)
    scale(axes, "x", "y")
    axes.set_xticks(places, [f"{place:,}" for place in places])
    drawn.legend(loc="outside right upper", fontsize=9, frameon=False)
    return svg(drawn)


def quantized(result: Result) -> str:
    """Median steps of each kind in float, 8 and 4 bits."""
    files = result.files
    kinds = [name for name in files if "-" not in name]
    forms = {"float": "", **{weights: f"-{weights}" for weights in WEIGHTS}}
    drawn, (axes,) = figure(7, 3.6)
    for place, ((form, ending), colour) in enumerate(zip(forms.items(), (BLUE, ORANGE, RED), strict=True)):
        steps = [files[kind + ending].step_us("back_to_back") if kind + ending in files else 0 for kind in kinds]
        bars = axes.bar(
            [number + (place - 1) * 0.27 for number in range(len(kinds))], steps, 0.25, color=colour, label=form
        )
        axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.set_xticks(range(len(kinds)), [title(kind) for kind in kinds])
    axes.set_ylabel("median step, back to back (us)")
    axes.grid(visible=False, axis="x")
    axes.legend(frameon=False)
    return svg(drawn)


def streams(result: Result) -> str:
    """Streams that one core serves."""
    found = sorted((file.streams, name) for name, file in result.files.items() if file.streams is not None)
    drawn, (axes,) = figure(7, 0.6 + 0.34 * len(found))
    bars = axes.barh([title(name) for _, name in found], [count for count, _ in found], color=BLUE)
    axes.bar_label(bars, fmt="{:,.0f}", fontsize=9, padding=3)
    axes.set_xlabel("streams of one core, p99 within the period")
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")
    return svg(drawn)


def floors(result: Result) -> str:
    """Measured step and floor of each kind, at the first and the last position."""
    files = result.files
    names = [name for name, file in files.items() if file.document["floor"] is not None]
    places = next(iter(files.values())).positions()
    drawn, both = figure(9, 0.9 + 0.32 * len(names), columns=2)
    for axes, place in zip(both, (places[0], places[-1]), strict=True):
        for row, name in enumerate(names):
            step, floor = files[name].step_us(f"at_{place}"), files[name].floor_us(place)
            axes.plot([floor, step], [row, row], color="#999999", linewidth=1.2, zorder=1)
            axes.scatter(
                [floor], [row], color=ORANGE, marker="|", s=120, linewidth=2.5, label="floor" if not row else None
            )
            axes.scatter([step], [row], color=BLUE, s=28, label="measured" if not row else None, zorder=2)
        axes.set_xlabel(f"us a step at position {place:,}")
        scale(axes, "x")
        axes.set_yticks(range(len(names)), [title(name) for name in names] if axes is both[0] else [])
        axes.invert_yaxis()
    both[0].legend(fontsize=9, frameon=False)
    return svg(drawn)


def curves(results: Results) -> str:
    """Validation loss of every model of every task, and dotted its training loss."""
    tasks = [task for task in QUESTIONS if any(model["task"] == task for model in results.models())]
    columns = min(4, len(tasks))
    drawn, panels = figure(10, 2.5 * -(-len(tasks) // columns) + 0.7, -(-len(tasks) // columns), columns)
    known: dict[str, Any] = {}
    for axes, task in zip(panels, tasks, strict=False):
        for model in (one for one in results.models() if one["task"] == task):
            known.setdefault(model["kind"], _curve(axes, model))
        axes.set_title(QUESTIONS[task].title, fontsize=9)
        axes.set_xlabel("step", fontsize=8)
        scale(axes, "y")
        axes.tick_params(labelsize=7, which="both")
    for axes in panels[len(tasks) :]:
        axes.set_visible(False)
    panels[0].set_ylabel("loss; dotted: training", fontsize=8)
    drawn.legend(
        known.values(), [title(name) for name in known], loc="outside lower center", ncols=5, fontsize=8, frameon=False
    )
    return svg(drawn)


def _curve(axes: Any, model: Mapping[str, Any]) -> Any:
    colour, marker = style_of(model["kind"])
    steps = [row["step"] for row in model["curve"]]
    axes.plot(steps, [row["training_loss"] for row in model["curve"]], color=colour, linestyle=":", linewidth=0.8)
    (line,) = axes.plot(
        steps,
        [row["valid_loss"] for row in model["curve"]],
        color=colour,
        marker=marker,
        markersize=3,
        markevery=[-1],
        linewidth=1,
    )
    return line
