"""What made a measurement: the machine and the versions."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import numpy as np

import edgeseq
from edgeseq.doctor import processor
from edgeseq.doctor.files import Files
from edgeseq.doctor.limits import quota_cores
from edgeseq.runtime.engine import onnxruntime


def machine() -> dict[str, Any]:
    """Processor, cores, how the clock is set, system; what ``edgeseq doctor`` says of them.

    ``usable_cores`` is what this process may run on, ``quota_cores`` the processor time it may take. None where the
    machine does not say.
    """
    files = Files()
    return {
        "cpu": processor.cpu_model(files),
        "architecture": platform.machine(),
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
