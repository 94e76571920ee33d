"""What made a measurement: the machine and the versions."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

import edgeseq
from edgeseq.runtime.engine import onnxruntime


def machine() -> dict[str, Any]:
    """Processor, cores and system. ``usable_cores`` is what this process may run on."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "usable_cores": usable,
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Versions of everything that takes part in a step."""
    return {
        "edgeseq": edgeseq.__version__,
        "onnxruntime": str(onnxruntime().__version__),
        "numpy": np.__version__,
        "python": sys.version.split()[0],
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
