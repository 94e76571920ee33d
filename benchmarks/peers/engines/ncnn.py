"""ncnn over what pnnx makes of the step; a GPT's caches go in and come out longer by a token."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.cases import Case
from benchmarks.peers.stepping import Array, caches


def prepare(case: Case, folder: Path) -> None:
    """Convert to ``ncnn/step.ncnn.param`` and ``.bin``; pnnx would store the weights as float16."""
    import pnnx
    import torch

    from benchmarks.peers.networks import LongerStep, inputs, recurrent_step, transformer

    work = folder / "ncnn"
    work.mkdir(exist_ok=True)
    frame = inputs(case, 1)[0]
    module: Any
    if case.position is None:
        module = recurrent_step(case)
        given = (frame, *module.initial())
        other = None
    else:
        module = LongerStep(transformer(case)).eval()
        stored = [torch.from_numpy(cache) for cache in caches(folder).values()]
        # Two sizes of the caches tell pnnx which axis has any.
        given, other = (
            (frame, torch.tensor([[past]]), *(cache[:, :, :past].clone() for cache in stored))
            for past in (case.start, case.start + 1)
        )
    # pnnx writes beside the traced module, and a Python file of its own into the working folder.
    os.chdir(work)
    with torch.no_grad():
        pnnx.export(module, "step.pt", given, other, fp16=False)


def import_packages() -> None:
    """ncnn."""
    import ncnn  # noqa: F401


class Extracted:
    """An extractor a step, as ncnn has it; states come out as numpy arrays and go in again."""

    def __init__(self, net: Any, initial: list[Array], start: int | None) -> None:
        import ncnn

        self._net, self._mat, self._initial, self._start = net, ncnn.Mat, initial, start
        #: The batch is axis 1 of a recurrent state, axis 0 of a cache.
        self._axis = 1 if start is None else 0
        self._states, self._position = list(initial), start

    def step(self, frame: Array) -> Array:
        """One extraction."""
        mat = self._mat
        if self._position is None:
            given = [mat(frame, batch_index=0)]
        else:
            tokens = frame.astype(np.int32), np.full((1, 1), self._position, np.int32)
            given = [mat(array, batch_index=0) for array in tokens]
            self._position += 1
        given += [mat(state, batch_index=self._axis) for state in self._states]
        extractor = self._net.create_extractor()
        for number, array in enumerate(given):
            extractor.input(f"in{number}", array)
        # What is extracted is the extractor's memory, and the next step's inputs.
        made = [np.array(extractor.extract(f"out{number}")[1]) for number in range(1 + len(self._states))]
        if self._axis:
            self._states = [state.reshape(old.shape) for state, old in zip(made[1:], self._states, strict=True)]
        else:
            self._states = [state.reshape(1, *state.shape[-3:]) for state in made[1:]]
        return made[0]

    def reset(self) -> None:
        """To the first step."""
        self._states, self._position = list(self._initial), self._start


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
    if case.position is not None:
        stored = [cache[:, :, : case.start].copy() for cache in caches(folder).values()]
        return Extracted(net, stored, case.start)
    count = 2 if case.kind == "LSTM" else 1
    return Extracted(net, [np.zeros((case.layers, 1, case.hidden), np.float32) for _ in range(count)], None)
