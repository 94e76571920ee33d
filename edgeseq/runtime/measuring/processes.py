"""Fresh processes that measure: every one is one sample of how a program would fare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
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
import json, sys
from pathlib import Path
from edgeseq.runtime.measuring.{module} import {function}
from edgeseq.runtime.measuring.settings import Settings
found = {function}(Settings.from_dict(json.loads(sys.argv[1])))
(Path(sys.argv[2]) / "found.json").write_text(json.dumps(found))
"""


@dataclass(frozen=True, eq=False)
class Report:
    """What one process found: plain figures, and the samples of each mode."""

    figures: dict[str, Any]
    samples: dict[str, Samples]


def run_once(settings: Settings) -> Report:
    """What one fresh process measures of a file. ProviderError where it fails."""
    from edgeseq.runtime.measuring.worker import read

    return Report(*_in_process(_RUN, settings, read))


def call_once(module: str, function: str, settings: Settings) -> dict[str, Any]:
    """What a function of a module here returns in a fresh process. ProviderError where it fails."""
    return _in_process(_CALL.format(module=module, function=function), settings, _found)


def _found(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "found.json").read_text()))


def _in_process(code: str, settings: Settings, read: Callable[[Path], Found]) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        arguments = [json.dumps(settings.to_dict()), folder, str(perf_counter_ns())]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], env=_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise ProviderError(
                "a measuring process failed",
                where=settings.path,
                why=lines[-1].rstrip(".") if lines else f"exit code {done.returncode}",
            )
        return read(Path(folder))


def _environment() -> dict[str, str]:
    """That of this process, with this edgeseq to be imported."""
    root = str(Path(edgeseq.__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([root, inherited] if inherited else [root])
    return {**os.environ, "PYTHONPATH": path}
