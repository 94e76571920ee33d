"""Latency against position, as a picture. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeseq.errors import UsageError
from edgeseq.lab.report.style import INK, Look, drawing, look, new_figure


def draw(document: dict[str, Any], path: Path) -> None:
    """Write the PNG; ModuleNotFoundError where matplotlib is missing, UsageError where the file cannot be written."""
    import matplotlib  # noqa: F401

    with drawing():
        figure = new_figure(4.8, 8, dpi=150, facecolor="white")
        axes = figure.add_subplot()
        for index, model in enumerate(document["models"].values()):
            _line(axes, model, look(index))
        _dress(axes, document)
        try:
            figure.savefig(path)
        except OSError as error:
            raise UsageError("cannot write the picture", where=str(path), why=error.strerror) from None


def _line(axes: Any, model: dict[str, Any], style: Look) -> None:
    """The median, the band between p10 and p90 where there are samples enough, and the points of the table."""
    points = model["curve"]
    steps, medians = [point["step"] for point in points], [point["p50_ns"] / 1e3 for point in points]
    axes.plot(steps, medians, **style.line, linewidth=2, label=f"{model['title']}, median")
    banded = [point for point in points if point["p10_ns"] is not None]
    if banded:
        low, high = ([point[name] / 1e3 for point in banded] for name in ("p10_ns", "p90_ns"))
        steps = [point["step"] for point in banded]
        axes.fill_between(
            steps, low, high, color=style.colour, alpha=0.2, linewidth=0, label=f"{model['title']}, p10 to p90"
        )
    for point in model["at"].values():
        axes.plot(point["step"], point["p50_ns"] / 1e3, style.marker, color=style.colour, markersize=6)
        axes.annotate(
            f"{point['p50_ns'] / 1e3:.1f}",
            (point["step"], point["p50_ns"] / 1e3),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            color=style.colour,
        )


def _dress(axes: Any, document: dict[str, Any]) -> None:
    """Axes, units, and the region where the bounded model's answers mean nothing."""
    models = document["models"].values()
    first, last = (next(iter(models))["curve"][index]["step"] for index in (0, -1))
    axes.set_xscale("log")
    axes.set_xlim(first, last * 1.15)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    # Room above the lines for the legend and the word about the context.
    axes.set_ylim(0, 1.25 * axes.dataLim.ymax)
    axes.set_xlabel("position in the stream (characters so far, log scale)")
    axes.set_ylabel("time of one step (us)")
    for model in models:
        if model["bounded"] and model["trained_context"] < last:
            _beyond(axes, model, last * 1.15)
    counts = ", ".join(f"{model['title']} {model['parameters']:,} parameters" for model in models)
    axes.set_title(f"One character at a time from ONNX streams: {counts}", fontsize=10)
    axes.grid(True, which="major", linewidth=0.4, alpha=0.5)
    axes.legend(loc="upper left", frameon=False)


def _beyond(axes: Any, model: dict[str, Any], end: float) -> None:
    limit = model["trained_context"]
    axes.axvspan(limit, end, color="#999999", alpha=0.15, linewidth=0, zorder=0)
    axes.axvline(limit, color="#666666", linewidth=1, linestyle=":")
    axes.annotate(
        f"beyond the {model['title']}'s trained context\nof {limit} characters: timing only",
        (limit, 1),
        xycoords=("data", "axes fraction"),
        xytext=(6, -6),
        textcoords="offset points",
        va="top",
        fontsize=9,
        color=INK,
    )
