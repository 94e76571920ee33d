"""Everything known of a machine before it is judged."""

from __future__ import annotations

from dataclasses import dataclass

from edgeseq.doctor.clock import Clock
from edgeseq.doctor.engine import Engine
from edgeseq.doctor.memory import Memory
from edgeseq.doctor.packages import Packages, Python
from edgeseq.doctor.processor import Processor


@dataclass(frozen=True)
class Facts:
    """The interpreter, what is installed, onnxruntime as it loads, and the hardware.

    ``nvidia`` says whether the kernel has a driver for NVIDIA GPUs.
    """

    python: Python
    packages: Packages
    engine: Engine
    processor: Processor
    memory: Memory
    clock: Clock
    nvidia: bool
