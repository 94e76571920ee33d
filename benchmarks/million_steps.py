"""How much resident memory 1,000,000 steps add after the first 1,000.

python -m benchmarks.million_steps [--steps 1000000] [--json out.json]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from edgeseq import runtime
from tests.handmade import gru

FEATURES, HIDDEN = 64, 128
FIRST = 1_000


def rss_bytes() -> int:
    """Resident memory of this process, from Linux's /proc."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(steps: int) -> dict[str, int]:
    """Resident memory after the first 1,000 steps, at the end, and its highest reading in between."""
    with tempfile.TemporaryDirectory() as folder:
        stream = runtime.load(gru(FEATURES, HIDDEN).save(Path(folder) / "gru128.onnx")).stream()
    frame = np.random.default_rng(0).standard_normal((1, 1, FEATURES)).astype(np.float32)
    for _ in range(FIRST):
        stream.step(frame)
    begin = most = rss_bytes()
    for number in range(steps):
        stream.step(frame)
        if number % 10_000 == 0:
            most = max(most, rss_bytes())
    end = rss_bytes()
    return {"steps": steps, "first_rss_bytes": begin, "last_rss_bytes": end, "growth_bytes": max(most, end) - begin}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = growth(arguments.steps)
    sys.stdout.write(f"{result['steps']:,} steps: resident memory grew by {result['growth_bytes'] / 1024:.0f} KiB")
    sys.stdout.write(f" from {result['first_rss_bytes'] / 2**20:.1f} MiB   (wanted: less than 1024 KiB)\n")
    if arguments.json:
        arguments.json.write_text(json.dumps({"format": "edgeseq.growth", "version": 1, **result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
