"""What all charts share: the value, its legend, axes with units, and how series are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeseq.lab import units
from edgeseq.lab.report.style import Look, look, readable
from edgeseq.lab.units import plain

Found = dict[str, Any]

#: The words for the modes that are drawn.
MODES = {
    "back_to_back": units.MODES["back_to_back"],
    "paced": f"{units.MODES['paced']}, from the moment a step was due",
}


@dataclass(frozen=True)
class Chart:
    """A chart for the page: ``svg`` is an element, ``legend`` what stands under it, ``name`` its place in the page."""

    name: str
    title: str
    caption: str
    svg: str
    legend: tuple[tuple[str, Look], ...] = ()


def legend(document: Found) -> tuple[tuple[str, Look], ...]:
    """Every subject with its look."""
    return tuple((subject["name"], look(index)) for index, subject in enumerate(document["subjects"]))


def series_of(subject: Found, mode: str) -> Found | None:
    """The series of one mode; None where it was not measured or holds nothing."""
    found = (series for series in subject["latency"]["series"] if series["mode"] == mode)
    return next((series for series in found if sum(series["histogram_counts"])), None)


def modes_of(document: Found) -> list[str]:
    """Those of :data:`MODES` that some subject has."""
    return [mode for mode in MODES if any(series_of(subject, mode) for subject in document["subjects"])]


def interval(quantile: Found) -> tuple[float, float]:
    """From the low to the high end of what is known of the median across processes; of all of them where few ran."""
    if quantile["low_ns"] is not None and quantile["high_ns"] is not None:
        return quantile["low_ns"], quantile["high_ns"]
    return quantile["least_ns"], quantile["most_ns"]


def shortened(name: str, most: int = 46) -> str:
    """A name that fits over a chart."""
    name = readable(name)
    return name if len(name) <= most else f"{name[: most // 2]}…{name[-most // 2 + 1 :]}"


def listed(parts: Sequence[str], most: int = 12) -> str:
    """Sentences of a description, the first few."""
    more = f"; and {len(parts) - most} more" if len(parts) > most else ""
    return "; ".join(parts[:most]) + more


def log_ticks(axis: Any) -> None:
    """A logarithmic axis with plain numbers: 1, 2 and 5 of a decade where there are few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    low, high = sorted(axis.get_view_interval())
    decades = high / low if low > 0 else 1
    subs = (1.0, 2.0, 3.0, 5.0, 7.0) if decades < 8 else (1.0, 2.0, 5.0) if decades < 200 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=12 if decades < 200 else 7))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(float(f"{value:.6g}"))))
    axis.set_minor_locator(NullLocator() if decades < 200 else LogLocator(subs="auto", numticks=12))
    axis.set_minor_formatter(NullFormatter())


def log_limits(axis: Any, low: float, high: float, room: float = 1.12) -> None:
    """From a little below ``low`` to a little above ``high``, never narrower than a factor of 1.5."""
    middle = (low * high) ** 0.5
    low, high = min(low, middle / 1.25), max(high, middle * 1.25)
    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (low / room, high * room)})
    log_ticks(axis)
