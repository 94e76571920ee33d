"""Starts the processes: those that prepare, compare and measure, one engine and one case each."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.cases import Case
from benchmarks.peers.table import ROOT, Engine

#: One thread wherever a library asks the environment; onnxruntime's telemetry would wake up amid a measurement.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONWARNINGS": "ignore",
    "PYTHONPATH": str(ROOT),
}
#: Compiling a GPT takes a minute; what takes longer than this hangs.
LONGEST_S = 600


class Failed(Exception):
    """A process that did not do its job; the text is the last line that it wrote."""


def run(
    job: str, engine: Engine, case: Case, folder: Path, settings: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """What the worker found; Failed with the reason."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "found.json"
        command = [str(engine.python()), "-m", "benchmarks.peers.worker", job, engine.module, case.slug, str(folder)]
        return dict(start([*command, str(out), json.dumps(dict(settings or {}))], out))


def start(command: list[str], out: Path | None = None) -> Any:
    """Run a command from the root of the project; the JSON that it left in ``out``."""
    try:
        done = subprocess.run(
            command, env={**os.environ, **ENVIRONMENT}, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(str(error).splitlines()[0][:200]) from None
    if done.returncode or (out is not None and not out.exists()):
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise Failed(lines[-1][:200] if lines else f"exit code {done.returncode}")
    return None if out is None else json.loads(out.read_text(encoding="utf-8"))
