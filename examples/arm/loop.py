"""Steps a model at a fixed pace for a while and says how late its answers were: a stand-in for a device's own loop.

python loop.py model.onnx [--period 0.02] [--seconds 60] [--core 3] [--fifo 50] [--lock]
"""

import argparse
import dataclasses
import json
import time
from typing import Any

import numpy as np

from edgeseq import runtime
from edgeseq.contract import resolve_shape
from edgeseq.runtime.paced import PacedRunner, Scheduling


def main(path: str, period: float, seconds: float, core: int | None, fifo: int | None, lock: bool) -> dict[str, Any]:
    """What was counted, and milliseconds from when a frame was due to its answer; ``core`` is the loop's own."""
    ports = runtime.load(path).contract.with_role("frame")
    frames = {port.name: np.zeros(resolve_shape(port.shape, {"batch": 1, "time": 1}), port.dtype) for port in ports}
    scheduling = Scheduling(cores=None if core is None else [core], fifo=fifo, lock_memory=lock)
    with PacedRunner(path, period, scheduling=scheduling) as runner:
        begun = time.monotonic()
        for number in range(round(seconds / period)):
            time.sleep(max(0.0, begun + number * period - time.monotonic()))
            runner.put(frames)
            runner.get(timeout=period)
        found = runner.report()
    p50, p99, most = (found.latency.quantile(share) / 1e6 for share in (0.5, 0.99, 1.0))
    counts = {"slots": found.slots, "answers": found.answers, "misses": dataclasses.asdict(found.xruns)}
    return {**counts, "p50_ms": p50, "p99_ms": p99, "max_ms": most, "cores": found.cpu_share}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", metavar="model")
    parser.add_argument("--period", type=float, default=0.02, help="seconds")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--core", type=int, help="where the loop runs")
    parser.add_argument("--fifo", type=int, help="its priority under SCHED_FIFO")
    parser.add_argument("--lock", action="store_true", help="keep its memory in RAM")
    print(json.dumps(main(**vars(parser.parse_args()))))
