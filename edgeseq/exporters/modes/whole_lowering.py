"""A whole graph as ONNX, its length symbolic; around it, for ``Window``, what cuts windows and takes frames."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
import torch
from torch.export import Dim

from edgeseq.contract import Contract
from edgeseq.exporters.capture_errors import quiet
from edgeseq.exporters.lowering import axes_of, dress, translate
from edgeseq.exporters.lowering_errors import TRACE_ERRORS, not_traced
from edgeseq.exporters.modes.whole_contract import windows_in
from edgeseq.exporters.modes.whole_graph import WholeGraph
from edgeseq.exporters.modes.window import Window
from edgeseq.exporters.modes.window_onnx import Around

#: Example lengths, in multiples of what the model takes: the first that the model allows.
_LENGTHS = (37, 32, 11, 5, 3, 1031, 30011)
_BATCH = 3


def lower_whole(graph: WholeGraph, contract: Contract, opset: int) -> ir.Model:
    """The ONNX model, its ends named and shaped as the contract says."""
    model = translate(graph, _traced(graph), opset)
    ends = [(port.name, axes_of(port)) for port in contract.with_role("frame")]
    ends += [(item.name, item.spec.shape) for item in graph.conditioning]
    dress(model, ends, [(port.name, axes_of(port)) for port in contract.with_role("output")])
    if isinstance(graph.mode, Window):
        Around(model, contract, windows_in(graph, contract)).put()
    return model


def _traced(graph: WholeGraph) -> torch.export.ExportedProgram:
    captured = graph.captured
    allowed = [
        n for n in _LENGTHS if captured.least <= n * captured.multiple <= (captured.most or n * captured.multiple)
    ]
    frames = (allowed[0] if allowed else captured.least) * captured.multiple
    items = [*graph.frames, *graph.conditioning]
    words = sorted(frozenset().union(*(item.spec.words for item in items)) - {"batch", "time"})
    sizes = {"batch": _BATCH, "time": frames} | {word: 7 + 2 * i for i, word in enumerate(words)}
    plain = captured.multiple == 1 and all(item.spec.ratio == 1 for item in items)
    time = Dim.DYNAMIC if plain else captured.multiple * Dim("_time", min=32 if captured.multiple > 1 else 2)
    tensors = [
        torch.zeros(item.spec.sizes(sizes), dtype=getattr(torch, item.spec.dtype), device="cpu") for item in items
    ]
    shapes = tuple(
        {axis: _dim(name, time) for axis, name in enumerate(i.spec.shape) if isinstance(name, str)} for i in items
    )
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(graph, tuple(tensors), dynamic_shapes={"tensors": shapes}, strict=False)
    except TRACE_ERRORS as error:
        raise not_traced(error, bool(graph.plan.rules)) from error


def _dim(name: str, time: Any) -> Any:
    times, _, word = name.rpartition("*")
    if word != "time":
        return Dim.DYNAMIC
    return int(times) * time if times else time
