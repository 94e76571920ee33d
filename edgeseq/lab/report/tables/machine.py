"""What made the figures: settings, machine, versions, files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeseq.lab.report.tables.table import Cell, Table, named
from edgeseq.lab.units import duration, size

Found = dict[str, Any]


def settings(document: Found) -> Table:
    """A row for each subject, turned on the page: the arguments, and the clock as it was found."""
    told = [
        {**_shown(subject["latency"]["settings"]), **_clock(subject["latency"])} for subject in document["subjects"]
    ]
    names = list(dict.fromkeys(name for one in told for name in one))
    rows = tuple(
        (named("subject", subject["name"]), *(named(name, one.get(name)) for name in names))
        for subject, one in zip(document["subjects"], told, strict=True)
    )
    return Table(
        "settings", "Settings", ("", *(name.replace("_", " ") for name in names)), rows, turned=True, measured=False
    )


def machine(document: Found) -> Table:
    """A line for each fact about the machine and each version."""
    facts = {**document["machine"], **{f"{name} version": number for name, number in document["versions"].items()}}
    rows = tuple((named("fact", name.replace("_", " ")), _fact(name, value)) for name, value in facts.items())
    return Table("machine", "Machine and versions", ("", ""), rows, measured=False)


def files(document: Found) -> Table:
    """A row for each subject: which file it was."""
    fields = ("name", "sha256", "digest")
    rows = tuple(
        (named("subject", subject["name"]), *(named(name, subject["latency"]["file"].get(name)) for name in fields))
        for subject in document["subjects"]
    )
    return Table("files", "Files", ("", "file", "SHA-256", "digest of graph and weights"), rows, measured=False)


def _fact(name: str, value: Any) -> Cell:
    """A fact; bytes in people's units."""
    if name == "caches" and isinstance(value, Mapping):
        return Cell(_flat({cache: size(count) for cache, count in value.items()}), {"value": _flat(value)})
    return Cell(size(value) if name.endswith("_bytes") else str(_flat(value)), {"value": _flat(value)})


def _shown(given: Mapping[str, Any]) -> dict[str, Any]:
    """Times in people's units as text; the path left out, which is the reader's own business."""
    return {
        name.removesuffix("_ns"): duration(value)
        if name.endswith("_ns") and value is not None
        else _flat(value, "not given")
        for name, value in given.items()
        if name != "path"
    }


def _clock(latency: Found) -> dict[str, Any]:
    clocks = latency["clock"]
    return {
        f"clock {name.removesuffix('_ns')}": duration(max(clock[name] for clock in clocks))
        for name in (clocks[0] if clocks else ())
        if name.endswith("_ns")
    }


def _flat(value: Any, missing: str = "not available") -> Any:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_flat(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(str(_flat(item)) for item in value)
    if value is None:
        return missing
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
