"""How numbers, ratios and files are written."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.study.catalogue import kind_of


def title(name: str) -> str:
    """What a file is called in text: its kind, its size where it is not the usual one, its weights."""
    stem, _, weights = name.partition("-int")
    kind, _, size = stem.partition("-x")
    return kind_of(kind).title + (f" (x{size})" if size else "") + (f", int{weights}" if weights else "")


def pace(ratio: float, visible: bool | None) -> str:
    """A ratio of times in words."""
    if visible is False:
        return "no visible difference in time"
    said = f"{1 / ratio:.2f} times as fast" if ratio < 1 else f"{ratio:.2f} times as long"
    return said if visible else f"{said} (too few processes to tell)"


def amount(size: float) -> str:
    """Bytes in the unit that suits them."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024 or unit == "MiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if size >= 100 or unit == "B" else f"{size:.1f} {unit}"


def number(value: float) -> str:
    """With three digits that matter."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def listed(names: Iterable[str]) -> str:
    """``a, b and c``."""
    found = list(names)
    return found[0] if len(found) == 1 else ", ".join(found[:-1]) + " and " + found[-1]
