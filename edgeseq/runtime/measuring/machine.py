"""What made a measurement: the machine and the versions."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import numpy as np

import edgeseq
from edgeseq.doctor import processor
from edgeseq.doctor.caches import caches
from edgeseq.doctor.files import Files
from edgeseq.doctor.limits import quota_cores
from edgeseq.doctor.memory import memory
from edgeseq.runtime.engine import onnxruntime


def machine() -> dict[str, Any]:
    """Processor, cores, how the clock is set, system; what ``edgeseq doctor`` says of them.

    ``usable_cores`` is what this process may run on, ``quota_cores`` the processor time it may take. None where the
    machine does not say. ``flags`` are the instruction sets it has of those that kernels choose by, ``caches`` the
    bytes of each level of its caches that one core may use, ``memory_bytes`` those of the machine.
    """
    files = Files()
    flags = processor.instruction_sets(files)
    return {
        "cpu": processor.cpu_model(files),
        "architecture": platform.machine(),
        "flags": None if flags is None else [name for name, there in flags.items() if there],
        "caches": caches(files) or None,
        "memory_bytes": memory(files).total_bytes,
        "cores": os.cpu_count(),
        "usable_cores": processor.usable_cores(),
        "quota_cores": quota_cores(files),
        "governor": processor.governor(files),
        "turbo": processor.turbo(files),
        "virtual": processor.virtual(files),
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
