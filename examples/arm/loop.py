"""Steps a model at a fixed pace for a while and says how late its answers were: a stand-in for a device's own loop.

python loop.py model.onnx [--period 0.02] [--seconds 60] [--lock]
"""

import argparse
import ctypes
import json
import os
import time

import numpy as np

from edgeseq import runtime
from edgeseq.contract import resolve_shape

MCL_CURRENT, MCL_FUTURE = 1, 2


def lock() -> None:
    """Keep all memory of this process in RAM, mlockall(2); OSError where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE):
        raise OSError(ctypes.get_errno(), f"mlockall: {os.strerror(ctypes.get_errno())}")


def main(path: str, period: float, seconds: float, locked: bool = False) -> dict[str, float]:
    """Frames that were due, and from when each was due to its answer, in ms; a miss took longer than the period."""
    if locked:
        lock()
    model = runtime.load(path)
    ports = model.contract.with_role("frame")
    frames = {port.name: np.zeros(resolve_shape(port.shape, {"batch": 1, "time": 1}), port.dtype) for port in ports}
    took, count = [], max(1, round(seconds / period))
    with model.stream() as stream:
        stream.step(frames)
        begun = time.perf_counter()
        for number in range(count):
            time.sleep(max(0.0, begun + number * period - time.perf_counter()))
            stream.step(frames)
            took.append(time.perf_counter() - begun - number * period)
    p50, p99, most = (1e3 * np.quantile(took, (0.5, 0.99, 1.0))).tolist()
    misses = int((np.array(took) > period).sum())
    return {"frames": count, "misses": misses, "p50_ms": p50, "p99_ms": p99, "max_ms": most}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", metavar="model")
    parser.add_argument("--period", type=float, default=0.02)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--lock", dest="locked", action="store_true", help="keep all memory in RAM")
    print(json.dumps(main(**vars(parser.parse_args()))))
