"""Energy meters of the processor, by Linux' powercap: Intel's and AMD's RAPL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgeseq.doctor.files import Files

_FOLDER = "sys/class/powercap"


@dataclass(frozen=True)
class Meter:
    """One meter in microjoules, which begins anew at ``full_uj``."""

    name: str
    used_uj: int
    full_uj: int | None


def read_meters(files: Files) -> tuple[dict[str, Meter], str | None]:
    """The meters of whole packages by folder, or none and why. They count for everything that runs there."""
    folders = sorted(path.name for path in (files.root / _FOLDER).glob("intel-rapl:*") if path.name.count(":") == 1)
    if not folders:
        return {}, "the machine exposes no energy meter (Linux powercap)"
    found = {}
    for folder in folders:
        used = files.number(f"{_FOLDER}/{folder}/energy_uj")
        if used is not None:
            name = files.text(f"{_FOLDER}/{folder}/name") or folder
            found[folder] = Meter(name, used, files.number(f"{_FOLDER}/{folder}/max_energy_range_uj"))
    return (
        found,
        None if found else "the energy meters may be read by the administrator only, and not inside most containers",
    )


def spent(before: Mapping[str, Meter], after: Mapping[str, Meter]) -> dict[str, int]:
    """Microjoules by the name of the meter; one that began anew is taken to have done so once."""
    result: dict[str, int] = {}
    for folder in before.keys() & after.keys():
        first, last = before[folder], after[folder]
        used = last.used_uj - first.used_uj
        if used < 0:
            used += last.full_uj or 0
        if used >= 0:
            result[first.name] = result.get(first.name, 0) + used
    return dict(sorted(result.items()))
