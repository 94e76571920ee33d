"""What a worker must see and name: each does to it what a file must never do. For the tests of the fuzzer itself."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import numpy as np

from edgeseq.errors import UsageError
from tests.fuzz.cases import Case
from tests.fuzz.exercise import check_error

#: The case of a worker that goes wrong, counted from 0; all others are fine.
NUMBER = 3
_seen: list[Case] = []


def _planted(case: Case) -> bool:
    _seen.append(case)
    return len(_seen) == NUMBER + 1


def hang(case: Case, path: Path, graph: bytes | None) -> str:
    """Never come back."""
    planted = _planted(case)
    while planted:
        time.sleep(0.01)
    return "fine"


def abort(case: Case, path: Path, graph: bytes | None) -> str:
    """End the process."""
    if _planted(case):
        os.abort()
    return "fine"


def crash(case: Case, path: Path, graph: bytes | None) -> str:
    """Read at address 0."""
    if _planted(case):
        ctypes.string_at(0)
    return "fine"


def foreign(case: Case, path: Path, graph: bytes | None) -> str:
    """Raise what is not ours."""
    if _planted(case):
        raise KeyError("foreign")
    return "fine"


def greedy(case: Case, path: Path, graph: bytes | None) -> str:
    """Fill more memory than there may be."""
    if _planted(case):
        np.ones(2**31)
    return "fine"


def hidden(case: Case, path: Path, graph: bytes | None) -> str:
    """Run out of memory, and dress it up."""
    if _planted(case):
        try:
            np.ones(2**31)
        except MemoryError as error:
            dressed = UsageError("nothing to see")
            dressed.__cause__ = error
            check_error(dressed)
    return "fine"


def loud(case: Case, path: Path, graph: bytes | None) -> str:
    """Send a terminal a command."""
    if _planted(case):
        error = UsageError("nothing to see")
        error.args = ("\x1b[2J",)
        check_error(error)
    return "fine"


def curious(case: Case, path: Path, graph: bytes | None) -> str:
    """Look at a file elsewhere."""
    if _planted(case):
        Path("/etc/hostname").read_bytes()
    return "fine"


def busy(case: Case, path: Path, graph: bytes | None) -> str:
    """Write beside the file."""
    if _planted(case):
        path.with_name("more").write_bytes(b"")
    return "fine"


def obedient(case: Case, path: Path, graph: bytes | None) -> str:
    """Run what the file says."""
    if _planted(case):
        eval("1 + 1")
    return "fine"
