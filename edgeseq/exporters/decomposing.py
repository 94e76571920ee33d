"""torch.onnx decomposes every program before it translates it, which traces the whole of it once more.

That is a third of an export's time, and where every op has an ONNX form already it changes nothing. Then it is left
out: by standing in for one private function of torch, whose version is pinned, where that function is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.onnx._internal.exporter import _decomp, _fx_passes

aten = torch.ops.aten
#: Removed before the translation.
_ASSERTIONS = frozenset([aten._assert_tensor_metadata.default, aten._assert_scalar.default])


@contextlib.contextmanager
def only_where_needed() -> Iterator[None]:
    """While active, torch.onnx decomposes only programs that hold an op without an ONNX form."""
    original = getattr(_fx_passes, "decompose_with_registry", None)
    if original is None:
        yield
        return

    def decompose(program: torch.export.ExportedProgram, registry: Any) -> Any:
        known = _ASSERTIONS.union(_decomp.get_onnx_implemented_overloads(registry))
        return program if _called(program.graph_module) <= known else original(program, registry)

    _fx_passes.decompose_with_registry = decompose  # type: ignore[assignment]
    try:
        yield
    finally:
        _fx_passes.decompose_with_registry = original


def _called(program: torch.fx.GraphModule) -> set[Any]:
    """What is called in the program and in the bodies of its higher-order ops, which are modules inside it."""
    graphs = (module.graph for module in program.modules() if isinstance(module, torch.fx.GraphModule))
    return {node.target for graph in graphs for node in graph.nodes if node.op == "call_function"}
