"""How every chart looks: colours, markers, dashes, fonts, and the way to SVG. The only module that knows matplotlib."""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edgeseq.errors import UNREADABLE
from edgeseq.requirements import not_installed

#: Okabe and Ito's palette, which colour-blind readers tell apart (jfly.uni-koeln.de/color, 2008), darkest first;
#: its yellow is too pale for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.5), (1.2, 1.2), (7, 1.5, 1.2, 1.5), (3, 1))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
#: Text and axes; the page shows them in its own colour of text, light or dark.
INK = "#2B2F36"
#: Lines of the grid; faint on white and on black.
GRID = "#8A8F98"
#: What is wrong: steps that missed.
WRONG = "#D55E00"

#: Inches. So narrow that a phone's 360 pixels show its text at more than 10 of them.
WIDTH = 4.2
_SETTINGS: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "grid.alpha": 0.35,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "path.simplify": True,
    "svg.fonttype": "none",
    "text.color": INK,
    # A name may hold dollar signs.
    "text.parse_math": False,
    "text.usetex": False,
    "xtick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.color": INK,
    "ytick.labelsize": 8.5,
}


@dataclass(frozen=True)
class Look:
    """How one thing is drawn wherever it appears."""

    colour: str
    dash: tuple[float, ...]
    marker: str

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of ``Axes.plot`` for a line."""
        return {"color": self.colour, "linestyle": (0, self.dash) if self.dash else "-"}


def look(index: int) -> Look:
    """The look of the thing at this place: colour, dash and marker all change from one to the next."""
    return Look(COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)], MARKERS[index % len(MARKERS)])


@contextmanager
def drawing() -> Iterator[None]:
    """Figures made herein look alike, whatever a user's matplotlibrc says; NotInstalled without matplotlib."""
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise not_installed(error, ("matplotlib",), "charts need matplotlib", "bench") from None
    with matplotlib.rc_context(_SETTINGS):
        yield


def new_figure(height: float, width: float = WIDTH, **more: Any) -> Any:
    """An empty figure of so many inches, to be filled within :func:`drawing`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", **more)
    FigureCanvasAgg(figure)
    return figure


def to_svg(figure: Any, name: str, title: str, alt: str) -> str:
    """The figure as an element of a page: named, described, in the page's colour of text, the same bytes each time.

    ``title`` and ``alt`` are escaped here. Call it within :func:`drawing`.
    """
    import matplotlib

    written = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # The reader's browser has the letters that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        figure.savefig(written, format="svg", metadata=nothing)
    return _within_a_page(written.getvalue(), name, title, alt)


def _within_a_page(svg: str, name: str, title: str, alt: str) -> str:
    """Without what only a file needs; every id begins with ``name``, since a page holds several charts."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(re.escape(INK), "currentColor", svg, flags=re.IGNORECASE)
    svg = re.sub(r"font: ([^;\"]*?)'DejaVu Sans'", r"font: \1system-ui, 'DejaVu Sans'", svg)
    svg = re.sub(r"\n\s*", "\n", svg)
    size = re.search(r'viewBox="[^"]*"', svg)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {size[0] if size else ""} '
        f'role="img" aria-labelledby="{name}-title {name}-alt">'
        f'<title id="{name}-title">{escaped(title)}</title><desc id="{name}-alt">{escaped(alt)}</desc>'
    )
    return opening + svg[svg.index(">") + 1 :].strip()


def escaped(text: object) -> str:
    """Text for a page, of a name that nobody vouches for: markup and what cannot be shown as escapes."""
    return html.escape(readable(str(text)))


def readable(text: str) -> str:
    """What cannot be shown as escapes."""
    return UNREADABLE.sub(lambda found: ascii(found[0])[1:-1], text)
