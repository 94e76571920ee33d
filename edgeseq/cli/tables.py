"""Plain text tables that fit a terminal."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 100
_LEAST = 8


def table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int = WIDTH) -> list[str]:
    """Lines of an aligned table; where it is too wide the widest column's cells lose their middle."""
    grid = [list(row) for row in (head, *rows)]
    sizes = [max(len(row[column]) for row in grid) for column in range(len(head))]
    while (excess := sum(sizes) + 2 * (len(sizes) - 1) - width) > 0 and max(sizes) > _LEAST:
        widest = sizes.index(max(sizes))
        sizes[widest] = max(_LEAST, sizes[widest] - excess)
        for row in grid:
            row[widest] = shorten(row[widest], sizes[widest])
    return ["  ".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=True)).rstrip() for row in grid]


def shorten(text: str, width: int) -> str:
    """``text`` in at most ``width`` characters, its middle replaced by ``...``."""
    if len(text) <= width:
        return text
    head = (width - 3 + 1) // 2
    return f"{text[:head]}...{text[len(text) - (width - 3 - head) :]}"


def format_bytes(count: int) -> str:
    """A size in the unit that suits it: ``512 B``, ``16.0 KiB``, ``1.2 MiB``."""
    if count < 1024:
        return f"{count} B"
    size = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1024 or unit == "GiB":
            return f"{size:,.1f} {unit}"
    raise AssertionError("unreachable")
