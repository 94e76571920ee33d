"""Fresh processes that measure: every one is one sample of how a program would fare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any, TypeVar

import edgeseq
from edgeseq.errors import ProviderError
from edgeseq.runtime.measuring.samples import Samples
from edgeseq.runtime.measuring.settings import Settings

Found = TypeVar("Found")

#: Imports are timed from the first thing that a process does.
_RUN = """\
import time
begun = time.perf_counter_ns()
from edgeseq.runtime.measuring import worker
worker.main(begun)
"""
_CALL = """\
import importlib, json, sys
from pathlib import Path
given, folder, module, function = sys.argv[1:]
found = getattr(importlib.import_module(module), function)(json.loads(given))
(Path(folder) / "found.json").write_text(json.dumps(found))
"""
#: What numpy's linear algebra takes its number of threads from, by library.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True, eq=False)
class Report:
    """What one process found: plain figures, and the samples of each mode."""

    figures: dict[str, Any]
    samples: dict[str, Samples]


def run_once(settings: Settings) -> Report:
    """What one fresh process measures of a file. ProviderError where it fails."""
    from edgeseq.runtime.measuring.worker import read

    asked = (str(perf_counter_ns()),)
    return Report(*_in_process(_RUN, settings.to_dict(), asked, read, settings.path))


def call_fresh(
    module: str, function: str, given: Mapping[str, Any], threads: int | None = None, where: str | None = None
) -> dict[str, Any]:
    """What ``module.function(given)`` returns in a fresh process; both are plain values. ProviderError where it fails.

    ``threads`` are those of numpy, its own choice where None; onnxruntime's are the function's to set. ``where`` is
    what the error names.
    """
    return _in_process(_CALL, given, (module, function), _found, where or f"{module}.{function}", threads)


def _found(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "found.json").read_text()))


def _in_process(
    code: str,
    given: Mapping[str, Any],
    more: tuple[str, ...],
    read: Callable[[Path], Found],
    where: str,
    threads: int | None = None,
) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        # -P: a statistics.py in the folder where edgeseq was called is not Python's.
        command = [sys.executable, "-P", "-c", code, json.dumps(dict(given)), folder, *more]
        done = subprocess.run(command, env=_environment(threads), capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            why = lines[-1].rstrip(".") if lines else f"exit code {done.returncode}"
            raise ProviderError("a measuring process failed", where=where, why=why)
        return read(Path(folder))


def _environment(threads: int | None) -> dict[str, str]:
    """That of this process, with this edgeseq to be imported."""
    root = str(Path(edgeseq.__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([root, inherited] if inherited else [root])
    counts = {} if threads is None else dict.fromkeys(_THREADS, str(threads))
    return {**os.environ, "PYTHONPATH": path, **counts}
