"""A quantized step against a float one, in fresh alternating processes on this machine."""

from __future__ import annotations

import os
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeseq.contract import Contract
from edgeseq.runtime.measuring.alternating import alternate
from edgeseq.runtime.measuring.settings import Settings

#: Fresh processes of each file, and steps of each.
RUNS, STEPS, WARMUP = 5, 300, 100


@dataclass(frozen=True)
class Speed:
    """Median microseconds of a step in each process, pair by pair; ``batch`` rows, one thread."""

    float_us: tuple[float, ...]
    quantized_us: tuple[float, ...]
    batch: int

    @property
    def ratio(self) -> float:
        """How many times faster the quantized step is: the median over pairs."""
        pairs = zip(self.float_us, self.quantized_us, strict=True)
        return statistics.median(before / after for before, after in pairs)

    @property
    def verdict(self) -> str:
        """``faster`` or ``slower`` where every process of one is faster than any of the other; else not visible."""
        if min(self.quantized_us) > max(self.float_us):
            return "slower"
        return "faster" if max(self.quantized_us) < min(self.float_us) else "difference not visible"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "ratio": round(self.ratio, 3), "verdict": self.verdict}


def step_settings(path: Path, contract: Contract, batch: int = 1, **chosen: Any) -> Settings:
    """What a measuring process is told of a file: its shortest step, back to back."""
    usual: dict[str, Any] = {
        "steps": STEPS,
        "period_ns": None,
        "warmup": WARMUP,
        "threads": 1,
        "device": "cpu",
        "at": (),
        "passes": 1,
        "seed": 0,
        "allow_unverified": True,
    }
    return Settings(path=os.path.abspath(path), batch=batch, frames=contract.chunk.multiple, **{**usual, **chosen})


def compare_steps(float_path: Path, path: Path, contract: Contract, batch: int = 1, runs: int = RUNS) -> Speed:
    """Measure both files ``runs`` times, in turn."""
    subjects = {
        name: step_settings(each, contract, batch) for name, each in (("float", float_path), ("quantized", path))
    }
    found = {
        name: tuple(report.samples["back_to_back"].quantile(0.5) / 1000 for report in reports)
        for name, reports in alternate(subjects, runs).items()
    }
    return Speed(found["float"], found["quantized"], batch)
