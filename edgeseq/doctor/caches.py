"""The processor's caches, as one core sees them."""

from __future__ import annotations

from edgeseq.doctor.files import Files

_FOLDER = "sys/devices/system/cpu/cpu0/cache"
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def caches(files: Files) -> dict[str, int]:
    """Bytes of the caches that hold data, by level, in rising order: ``L1``, ``L2``, ``L3``; empty where not said.

    A virtual machine may tell a size of which it gets only a share.
    """
    found: dict[str, int] = {}
    for folder in sorted((files.root / _FOLDER).glob("index*")):
        kind, level, size = (files.text(f"{_FOLDER}/{folder.name}/{name}") for name in ("type", "level", "size"))
        number = _bytes(size or "")
        if kind in ("Data", "Unified") and level and number:
            found[f"L{level}"] = number
    return dict(sorted(found.items()))


def _bytes(text: str) -> int | None:
    """``480K`` in bytes."""
    number, unit = text[:-1], _UNITS.get(text[-1:])
    return int(number) * unit if unit and number.isdigit() else None
