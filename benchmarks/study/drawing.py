"""What the figures share: SVG by matplotlib, text as text, colours that colour-blind readers tell apart."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

#: Okabe and Ito (2008), by family; markers tell the kinds of one family apart.
BLUE, SKY, GREEN, ORANGE, RED, PURPLE, BLACK = (
    "#0072B2",
    "#56B4E9",
    "#009E73",
    "#E69F00",
    "#D55E00",
    "#CC79A7",
    "#000000",
)
STYLES: dict[str, tuple[str, str]] = {
    "rnn": (BLUE, "o"),
    "lstm": (BLUE, "s"),
    "gru": (BLUE, "^"),
    "deep_lstm": (SKY, "s"),
    "bilstm": (SKY, "D"),
    "tcn": (GREEN, "o"),
    "cnn_gru": (GREEN, "^"),
    "mingru": (GREEN, "v"),
    "transformer": (RED, "o"),
    "sliding": (ORANGE, "s"),
    "hybrid": (PURPLE, "D"),
    "bert": (BLACK, "X"),
    "gru_seq2seq": (BLUE, "^"),
    "transformer_seq2seq": (RED, "o"),
}
#: Hundredths of a point are more than a screen shows.
_LONG = re.compile(r"(\d\.\d\d)\d+")
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edgeseq",
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "figure.facecolor": "white",
}


def figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Any]]:
    """An empty figure in inches, and its axes row by row."""
    with mpl.rc_context(_SETTINGS):
        drawn = Figure(figsize=(width, height), layout="constrained")
        return drawn, list(drawn.subplots(rows, columns, squeeze=False).flat)


def svg(drawn: Figure) -> str:
    """The figure as SVG text, the same for the same numbers."""
    into = io.StringIO()
    with mpl.rc_context(_SETTINGS):
        drawn.savefig(into, format="svg", metadata={"Date": None, "Creator": None})
    return _LONG.sub(r"\1", into.getvalue())


def scale(axes: Any, *names: str) -> None:
    """Logarithmic axes (``x``, ``y``) whose numbers are written out, at 1, 2 and 5 of each decade."""
    for name in names:
        getattr(axes, f"set_{name}scale")("log")
        axis = getattr(axes, f"{name}axis")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axis.set_minor_locator(NullLocator())


def style_of(name: str) -> tuple[str, str]:
    """Colour and marker of a file, by the kind that it is of."""
    return STYLES[name.partition("-")[0].partition(",")[0]]
