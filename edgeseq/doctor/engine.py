"""Whether onnxruntime really works here: asked of a process of its own, since a broken one can end it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

_PROBE = """
import json, onnxruntime
print(json.dumps({"version": str(onnxruntime.__version__), "providers": onnxruntime.get_available_providers()}))
"""
_PATIENCE_S = 120


@dataclass(frozen=True)
class Engine:
    """onnxruntime as it loads: its version and execution providers, or why it does not."""

    version: str | None
    providers: tuple[str, ...]
    error: str | None


def engine() -> Engine:
    """What a fresh interpreter finds when it imports onnxruntime."""
    environment = {"ORT_DISABLE_TELEMETRY": "1", **os.environ}
    # -P: a file onnxruntime.py in the current folder is not what edgeseq would import.
    command = [sys.executable, "-P", "-c", _PROBE]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Engine(None, (), f"its import did not end within {_PATIENCE_S} seconds")
    if done.returncode < 0:
        return Engine(None, (), f"its import ended the process: {signal.strsignal(-done.returncode)}")
    lines = done.stderr.strip().splitlines()
    if done.returncode:
        return Engine(None, (), lines[-1].rstrip(" .") if lines else f"exit code {done.returncode}")
    return _read(done.stdout)


def _read(text: str) -> Engine:
    """What the process printed last; other lines are onnxruntime's own."""
    try:
        said = json.loads(text.strip().splitlines()[-1])
        return Engine(str(said["version"]), tuple(map(str, said["providers"])), None)
    except (ValueError, IndexError, KeyError, TypeError):
        return Engine(None, (), "it imports but does not tell its version and providers")
