"""Memory: of the machine, and of what this process may use of it."""

from __future__ import annotations

from dataclasses import dataclass

from edgeseq.doctor.files import Files
from edgeseq.doctor.limits import memory_limit


@dataclass(frozen=True)
class Memory:
    """Bytes: of the machine, free for new work without swapping, and the process's limit; None where not said."""

    total_bytes: int | None
    available_bytes: int | None
    limit_bytes: int | None


def memory(files: Files) -> Memory:
    """The memory that ``files`` describe."""
    return Memory(_bytes(files, "MemTotal"), _bytes(files, "MemAvailable"), memory_limit(files))


def _bytes(files: Files, name: str) -> int | None:
    number, _, unit = files.fields("proc/meminfo").get(name, "").partition(" ")
    return int(number) * 1024 if number.isdigit() and unit == "kB" else None
