"""A function called in a fresh process, which is one sample of how a program would fare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import edgeseq
from edgeseq.errors import ProviderError

_CALL = """\
import importlib, json, sys
from pathlib import Path
module, function, given, out = sys.argv[1:]
found = getattr(importlib.import_module(module), function)(json.loads(given))
Path(out).write_text(json.dumps(found))
"""
#: What numpy's linear algebra takes its number of threads from, by library.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def call_fresh(module: str, function: str, given: Mapping[str, Any], threads: int = 1) -> dict[str, Any]:
    """What ``module.function(given)`` returns in a fresh process; both are plain values. ProviderError where it fails.

    ``threads`` are those of numpy; onnxruntime's are the function's to set.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, "-c", _CALL, module, function, json.dumps(dict(given)), str(out)]
        done = subprocess.run(command, env=_environment(threads), capture_output=True, text=True, check=False)
        if done.returncode or not out.exists():
            lines = done.stderr.strip().splitlines()
            why = lines[-1].rstrip(".") if lines else f"exit code {done.returncode}"
            raise ProviderError("a measuring process failed", where=f"{module}.{function}", why=why)
        return dict(json.loads(out.read_text()))


def _environment(threads: int) -> dict[str, str]:
    """That of this process, with this edgeseq to be imported."""
    root = str(Path(edgeseq.__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([root, inherited] if inherited else [root])
    return {**os.environ, "PYTHONPATH": path, **dict.fromkeys(_THREADS, str(threads))}
