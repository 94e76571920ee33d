"""ncnn over what pnnx makes of the step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.cases import Case
from benchmarks.peers.stepping import Array


def prepare(case: Case, folder: Path) -> None:
    """Convert to ``ncnn/step.ncnn.param`` and ``.bin``; pnnx would store the weights as float16."""
    import pnnx
    import torch

    from benchmarks.peers.networks import inputs, recurrent_step

    if case.position is not None:
        raise SystemExit("pnnx has no rule for a cache that is written in place")
    module = recurrent_step(case)
    work = folder / "ncnn"
    work.mkdir(exist_ok=True)
    # pnnx writes beside the traced module, and a Python file of its own into the working folder.
    os.chdir(work)
    with torch.no_grad():
        pnnx.export(module, "step.pt", (inputs(case, 1)[0], *module.initial()), fp16=False)


def import_packages() -> None:
    """ncnn."""
    import ncnn  # noqa: F401


class Extracted:
    """An extractor a step, as ncnn has it; states come out as numpy arrays and go in again."""

    def __init__(self, net: Any, initial: list[Array]) -> None:
        import ncnn

        self._net, self._mat, self._initial = net, ncnn.Mat, initial
        self._states = list(initial)

    def step(self, frame: Array) -> Array:
        """One extraction; the batch is axis 0 of a frame and axis 1 of a state."""
        given = [self._mat(frame, batch_index=0), *(self._mat(state, batch_index=1) for state in self._states)]
        extractor = self._net.create_extractor()
        for number, mat in enumerate(given):
            extractor.input(f"in{number}", mat)
        # What is extracted is the extractor's memory, and the next step's inputs.
        made = [extractor.extract(f"out{number}")[1] for number in range(len(given))]
        self._states = [np.array(mat).reshape(state.shape) for mat, state in zip(made[1:], self._initial, strict=True)]
        return np.array(made[0])

    def reset(self) -> None:
        """To zero states."""
        self._states = list(self._initial)


def open_step(case: Case, folder: Path) -> Extracted:
    """The net on one thread, in float32."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = net.opt.use_vulkan_compute = False
    for read, file in ((net.load_param, "step.ncnn.param"), (net.load_model, "step.ncnn.bin")):
        if read(str(folder / "ncnn" / file)):
            raise SystemExit(f"ncnn cannot read {file}")
    count = 2 if case.kind == "LSTM" else 1
    return Extracted(net, [np.zeros((case.layers, 1, case.hidden), np.float32) for _ in range(count)])
