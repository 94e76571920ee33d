"""What torch.onnx does again in every export, done only where it is needed.

It decomposes every program before it translates it, which traces the whole of it once more: a third of the time of an
export, and where every op has an ONNX form already it changes nothing. And it makes its table of all ONNX forms anew,
which takes a third of a second. Both are left out by standing in for private functions of torch, whose version is
pinned, where those functions are there.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.onnx._internal.exporter import _decomp, _fx_passes, _registration

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


@contextlib.contextmanager
def one_table() -> Iterator[None]:
    """While active, torch.onnx takes a copy of one table of ONNX forms for each opset instead of making its own."""
    registry = getattr(_registration, "ONNXRegistry", None)
    original = getattr(registry, "from_torchlib", None)
    if registry is None or original is None:
        yield
        return

    registry.from_torchlib = staticmethod(lambda *given, **named: _copied(_table(original, *given, **named)))
    try:
        yield
    finally:
        registry.from_torchlib = original


@functools.cache
def _table(make: Callable[..., Any], *given: Any, **named: Any) -> Any:
    return make(*given, **named)


def _copied(table: Any) -> Any:
    """A table of its own, to which an export may add."""
    made = copy.copy(table)
    made.functions = {target: list(forms) for target, forms in table.functions.items()}
    return made
