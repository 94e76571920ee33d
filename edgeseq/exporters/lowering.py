"""Lowering: a step graph becomes an ONNX graph with dynamic batch and time, weights as plain initializers."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import onnx_ir as ir
import torch
from torch.export import Dim

from edgeseq.contract import Axis, Contract, Port
from edgeseq.errors import EdgeseqError
from edgeseq.exporters.capture_errors import quiet
from edgeseq.exporters.lowering_errors import (
    TRACE_ERRORS,
    TRANSLATE_ERRORS,
    check_domains,
    not_traced,
    not_translated,
)
from edgeseq.exporters.onnx_forms import TRANSLATIONS
from edgeseq.exporters.passes import drop_notes, drop_returning_reshapes, share_weights
from edgeseq.exporters.rules.foreign import doubled
from edgeseq.exporters.stepgraph import StepGraph, example_inputs

DEFAULT_OPSET = 22


def lower(graph: StepGraph, contract: Callable[[], Contract], opset: int = DEFAULT_OPSET) -> ir.Model:
    """The ONNX model of a step graph, its inputs and outputs named and shaped as the contract says.

    Conditioning that the step does not read is dropped from the graph first. Raises EdgeseqError where the exporter
    returns another opset than was asked for.
    """
    exported = drop_unused(graph)
    model = _translate(graph, exported, opset)
    _dress(model, graph, contract())
    return model


def drop_unused(graph: StepGraph) -> torch.export.ExportedProgram:
    """The traced step, without the conditioning that it does not read: the graph is told what it dropped."""
    exported = _trace(graph)
    unused = _unused_conditioning(graph, exported)
    if unused:
        graph.dropped = unused
        exported = _trace(graph)
    return exported


def _trace(graph: StepGraph) -> torch.export.ExportedProgram:
    multiple = graph.plan.multiple
    tensors, shapes = example_inputs(graph, batch=3, chunk=7 * multiple, capacity=19)
    chunk = Dim("chunk", min=1)
    dims: dict[str, Any] = {"time": multiple * chunk if multiple > 1 else chunk}

    def dynamic(shape: Sequence[Any]) -> dict[int, Any]:
        return {axis: _dim(name, dims) for axis, name in enumerate(shape) if isinstance(name, str)}

    try:
        with quiet(), torch.no_grad():
            return torch.export.export(
                graph,
                tuple(tensors),
                dynamic_shapes={"tensors": tuple(dynamic(shape) for shape in shapes)},
                strict=False,
            )
    except TRACE_ERRORS as error:
        raise not_traced(error, bool(graph.plan.rules)) from error


def _dim(name: str, dims: dict[str, Any]) -> Any:
    times, _, word = name.rpartition("*")
    base = dims.setdefault(word, Dim(f"{word}_size", min=1))
    return int(times) * base if times else base


def _unused_conditioning(graph: StepGraph, exported: torch.export.ExportedProgram) -> tuple[str, ...]:
    names = exported.graph_signature.user_inputs
    users = {node.name: node.users for node in exported.graph.nodes if node.op == "placeholder"}
    first = len(graph.frames)
    pairs = zip(graph.conditioning, names[first:], strict=False)
    return tuple(item.name for item, name in pairs if not users.get(str(name)))


def _translate(graph: StepGraph, exported: torch.export.ExportedProgram, opset: int) -> ir.Model:
    try:
        with quiet(), _silent():
            program = torch.onnx.export(
                exported,
                dynamo=True,
                opset_version=opset,
                custom_translation_table=_translations(graph),
                verbose=False,
                optimize=True,
            )
    except TRANSLATE_ERRORS as error:
        raise not_translated(error) from error
    if program is None:
        raise EdgeseqError("torch.onnx.export returned nothing", do="report this with the model")
    got = program.model.graph.opset_imports.get("")
    if got != opset:
        raise EdgeseqError("torch.onnx.export returned another opset than was asked for", got=got, wanted=opset)
    drop_returning_reshapes(program.model)
    share_weights(program.model)
    check_domains(program.model, graph.ops)
    drop_notes(program.model)
    return program.model


def _translations(graph: StepGraph) -> dict[Any, Callable[..., Any]]:
    """Our own ONNX forms and those that came with rules of other packages."""
    given = graph.registry.foreign.lowering
    for target in given.keys() & TRANSLATIONS.keys():
        raise doubled(target, "ONNX forms", TRANSLATIONS[target], given[target])
    return {**TRANSLATIONS, **given}


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The exporter prints its progress."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _dress(model: ir.Model, graph: StepGraph, contract: Contract) -> None:
    """Name and shape the graph's ends as the contract does."""
    ends = [(port.name, _axes(port)) for port in contract.with_role("frame")]
    ends += [(item.name, item.spec.shape) for item in graph.conditioning]
    ends += [(state.input, state.shape) for state in contract.states]
    ends += [(port.name, port.shape) for port in contract.with_role("control")]
    results = [(port.name, _axes(port)) for port in contract.with_role("output")]
    results += [(state.output, state.shape) for state in contract.states]
    _rename(model.graph.inputs, ends)
    _rename(model.graph.outputs, results)
    model.graph.name = "edgeseq"
    model.producer_name = "edgeseq"
    model.producer_version = ""


def _axes(port: Port) -> tuple[Axis, ...]:
    """The shape in the graph. ``1/4*time`` has a name of its own: onnxruntime takes equal names for equal sizes."""
    ratio = "" if port.ratio == 1 else f"{port.ratio}*"
    return tuple(f"{ratio}time" if index == port.time_axis else axis for index, axis in enumerate(port.shape))


def _rename(values: Sequence[ir.Value], ends: Sequence[tuple[str, Sequence[Any]]]) -> None:
    for index, value in enumerate(values):
        value.name = f"edgeseq.end.{index}"
    for value, (name, shape) in zip(values, ends, strict=True):
        value.name = name
        value.shape = ir.Shape(list(shape))
