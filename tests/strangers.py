"""Stateful ONNX files as strangers make them: no contract, states by whatever name, axes told or not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.parser
import torch
from torch import Tensor, nn

Array = npt.NDArray[Any]


class SpeechLSTM(nn.Module):
    """Two layers of LSTM with both states handed in and out, as they are written for ONNX by hand."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lstm = nn.LSTM(4, 8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (hn, cn) = self.lstm(x, (h, c))
        return self.head(y), hn, cn


def lstm(path: Path, frames: int | None = None) -> Callable[[Array], Array]:
    """Write an LSTM as ``torch.onnx.export`` makes it; what it gives for a whole sequence.

    ``frames``: without dynamic axes, calls of so many frames; its axes then have no names.
    """
    model = SpeechLSTM().eval()
    states = {name: {1: "batch"} for name in ("h", "c", "hn", "cn")}
    named = {"x": {0: "batch", 1: "seq_len"}, "y": {0: "batch", 1: "seq_len"}, **states}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.randn(1, frames or 5, 4), torch.zeros(2, 1, 8), torch.zeros(2, 1, 8)),
            str(path),
            input_names=["x", "h", "c"],
            output_names=["y", "hn", "cn"],
            dynamic_axes=named if frames is None else None,
            dynamo=False,
        )

    def whole(x: Array) -> Array:
        zeros = torch.zeros(2, x.shape[0], 8)
        with torch.no_grad():
            return model(torch.from_numpy(x), zeros, zeros)[0].numpy()  # type: ignore[no-any-return]

    return whole


def write(path: Path, graph: str, **weights: Array) -> str:
    """Write a graph given as text, its initializers beside it."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 18]> {graph}')
    for name, value in weights.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    onnx.save(model, str(path))
    return str(path)


def running_sum(path: Path, body: str = "", *, outputs: str = "", inputs: str = "") -> str:
    """A running sum over time, ``total`` to ``total_out``, with more inputs, outputs and nodes."""
    graph = f"""sums (float[batch,time,2] x, float[batch,1,2] total{inputs})
        => (float[batch,time,2] y, float[batch,1,2] total_out{outputs}) {{
        sums = CumSum(x, one)
        y = Add(sums, total)
        total_out = Slice(y, last, end, one)
        {body}
    }}"""
    return write(path, graph, one=np.array([1]), last=np.array([-1]), end=np.array([2**62]))


def frames(*shape: int, seed: int = 5) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
