"""Counts the nodes of step graphs beside the same steps written by hand, and writes ``docs/lean.md``.

python -m benchmarks.lean [MODEL ...]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import torch
from torch import nn

from benchmarks.lean_by_hand import STEPS, Hand
from benchmarks.lean_models import MODELS
from edgeseq.exporters.explaining import planned
from edgeseq.exporters.modes import EXACT
from edgeseq.exporters.modes.graphs import contract_for, lowered

PAGE = Path(__file__).resolve().parent.parent / "docs" / "lean.md"
#: Nodes of an exported step for each of the one by hand.
MOST = 1.3
_CAPACITY = 32
HEAD = """\
# Step graphs beside steps written by hand

Made by `python -m benchmarks.lean`. Every model is exported, and its step is written once more by hand with the same
ports and states, dynamic batch and time, and onnxruntime's fused ops where there are any
(`benchmarks/lean_by_hand.py`). Both run on the same random inputs and states, and give the same within float32
rounding. Nodes are those in the file, before onnxruntime fuses what it can. Opset 22 has no RMS norm: by hand, too, it
takes six nodes.

| model | nodes exported | by hand | ratio | largest difference |
| --- | ---: | ---: | ---: | ---: |
"""


@dataclass(frozen=True)
class Row:
    """The two counts of one model, and how far the two steps are apart at most, as a share of the largest value."""

    name: str
    title: str
    exported: int
    by_hand: int
    difference: float

    @property
    def ratio(self) -> float:
        """Exported nodes for each by hand."""
        return self.exported / self.by_hand


@dataclass(frozen=True)
class Pair:
    """One step twice: as it is exported and as it is written by hand; calls hold multiples of ``multiple`` frames."""

    exported: onnx.ModelProto
    by_hand: onnx.ModelProto
    multiple: int


def pair(name: str) -> Pair:
    """Both steps of a model, with random weights."""
    make, spec = MODELS[name]
    module = _randomised(make())
    inputs = {"idx" if spec.startswith("int64") else "x": spec}
    graph = planned(module, inputs, None, "ort", None, EXACT)
    exported = ir.serde.serialize_model(lowered(graph, 22))
    hand = Hand()
    STEPS[name](hand, module)
    return Pair(exported, hand.model(exported.graph), contract_for(graph).chunk.multiple)


def difference(steps: Pair) -> float:
    """The largest difference of any result, a share of the largest value: one row of many frames, rows of one."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    both = [
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for model in (steps.exported, steps.by_hand)
    ]
    worst = 0.0
    for seed, (batch, frames) in enumerate([(1, 1), (1, 6), (3, 1)]):
        sizes = {"batch": batch, "time": frames * steps.multiple, "capacity": _CAPACITY}
        fed = _feeds(steps.exported.graph, sizes, seed)
        for one, other in zip(*(session.run(None, fed) for session in both), strict=True):
            scale = max(1.0, float(np.abs(one).max()))
            worst = max(worst, float(np.abs(one - other).max()) / scale)
    return worst


def row(name: str) -> Row:
    """The line of one model."""
    steps = pair(name)
    counts = len(steps.exported.graph.node), len(steps.by_hand.graph.node)
    return Row(name, TITLES[name], *counts, difference(steps))


def _randomised(module: nn.Module) -> nn.Module:
    """The module with weights that hide no term: torch starts some biases at zero, and norms at one."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return module.eval()


def _feeds(graph: onnx.GraphProto, sizes: Mapping[str, int], seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    fed: dict[str, Any] = {}
    for value in graph.input:
        tensor = value.type.tensor_type
        shape = [sizes[axis.dim_param] if axis.dim_param else axis.dim_value for axis in tensor.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        low = -4 if value.name == "remaining" else 0
        whole = dtype.kind == "i"
        fed[value.name] = rng.integers(low, 8, shape, dtype) if whole else rng.normal(size=shape).astype(dtype)
    return fed


def page(rows: Sequence[Row]) -> str:
    """The text of ``docs/lean.md``."""
    lines = [f"| {r.title} | {r.exported} | {r.by_hand} | {r.ratio:.2f} | {r.difference:.0e} |\n" for r in rows]
    return HEAD + "".join(lines)


TITLES = {
    "gru": "GRU, batch first",
    "lstm": "two LSTM layers, a linear head",
    "tcn": "TCN: weight-normed dilated convolutions, chomp, residuals",
    "wavenet": "WaveNet: gated blocks, skips",
    "denoiser": "strided convolution, GRU, transposed convolution",
    "gpt": "GPT, `scaled_dot_product_attention`",
    "gpt_by_hand": "GPT, `softmax(q k^T + tril) v`",
    "encoder": "`nn.TransformerEncoder` with a causal mask",
    "llama": "Llama: rotary, RMS norm, grouped heads",
    "sliding": "sliding-window attention",
    "mean": "cumulative mean",
}


def main() -> None:
    """Print the table; write the page where all models were asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lean", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", choices=[[], *MODELS], help="only these")
    names = parser.parse_args().models
    rows = []
    for name in names or MODELS:
        rows.append(row(name))
        sys.stdout.write(page(rows[-1:]).removeprefix(HEAD))
        sys.stdout.flush()
    if not names:
        PAGE.write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
