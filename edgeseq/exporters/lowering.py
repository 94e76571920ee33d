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
from edgeseq.exporters.exact_no_ops import no_ops_alone
from edgeseq.exporters.lowering_errors import (
    TRACE_ERRORS,
    TRANSLATE_ERRORS,
    check_domains,
    not_traced,
    not_translated,
)
from edgeseq.exporters.modes.whole_graph import WholeGraph
from edgeseq.exporters.onnx_forms import TRANSLATIONS
from edgeseq.exporters.passes import drop_notes, fewer_nodes, name_weights, share_weights
from edgeseq.exporters.prologuegraph import PrologueGraph
from edgeseq.exporters.rules.foreign import doubled
from edgeseq.exporters.stepgraph import StepGraph, example_inputs, example_tensors
from edgeseq.exporters.translating import one_table, only_where_needed

DEFAULT_OPSET = 22


def lower(graph: StepGraph, contract: Callable[[], Contract], opset: int = DEFAULT_OPSET) -> ir.Model:
    """The ONNX model of a step graph, its inputs and outputs named and shaped as the contract says.

    Conditioning that the step does not read is dropped from the graph first. Raises EdgeseqError where the exporter
    returns another opset than was asked for.
    """
    exported = drop_unused(graph)
    model = translate(graph, exported, opset)
    _dress(model, graph, contract())
    return model


def lower_prologue(graph: StepGraph, contract: Contract, opset: int = DEFAULT_OPSET) -> ir.Model | None:
    """The ONNX model of a step graph's prologue, with the outputs that the contract names; None where it has none."""
    prologue, named = graph.prologue, contract.prologue
    if prologue is None or named is None:
        return None
    prologue.keep(named.outputs)
    shapes = [item.spec.shape for item in prologue.inputs]
    tensors = example_tensors(
        shapes, [item.spec.dtype for item in prologue.inputs], {**graph.captured.sizes_within(5), "batch": 3}
    )
    # What torch believes a view or a convolution of a source to need (that its length be odd, as the example's was) is
    # no limit of the file: with axes of its own making it keeps that to itself.
    dims = {word: Dim.DYNAMIC for shape in shapes for word in shape if isinstance(word, str)}
    model = translate(prologue, _traced(prologue, tensors, shapes, dims), opset)
    ends = [(item.name, item.spec.shape) for item in prologue.inputs]
    dress(model, ends, [(name, prologue.shapes[name]) for name in prologue.outputs])
    return model


def drop_unused(graph: StepGraph) -> torch.export.ExportedProgram:
    """The traced step, without the constants and the conditioning that it does not read: the graph is told which."""
    exported = _trace(graph)
    unused = _unused(graph, exported)
    if unused:
        graph.dropped = unused
        exported = _trace(graph)
    return exported


def _trace(graph: StepGraph) -> torch.export.ExportedProgram:
    multiple = graph.plan.multiple
    fixed = graph.plan.max_frames
    tensors, shapes = example_inputs(graph, batch=3, chunk=fixed or 7 * multiple, capacity=19)
    chunk = Dim("chunk", min=1)
    dims = {word: Dim(f"{word}_size", min=low, max=high) for word, (low, high) in graph.captured.bounds.items()}
    time = None if fixed else multiple * chunk if multiple > 1 else chunk
    return _traced(graph, tensors, shapes, {**dims, "time": time})


def _traced(
    graph: StepGraph | PrologueGraph,
    tensors: Sequence[torch.Tensor],
    shapes: Sequence[Sequence[Any]],
    dims: dict[str, Any],
) -> torch.export.ExportedProgram:
    """The graph with every named axis dynamic. ``dims`` are those that are not just any size from 1; None: fixed."""

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
    return int(times) * base if times and base is not None else base


def _unused(graph: StepGraph, exported: torch.export.ExportedProgram) -> tuple[str, ...]:
    """The constants and the conditioning inputs, by name, that no node of the trace reads."""
    names = exported.graph_signature.user_inputs
    users = {node.name: node.users for node in exported.graph.nodes if node.op == "placeholder"}
    given = [*graph.given, *(item.name for item in graph.conditioning)]
    pairs = zip(given, names[len(graph.frames) :], strict=False)
    return tuple(item for item, name in pairs if not users.get(str(name)))


def translate(
    graph: StepGraph | PrologueGraph | WholeGraph, exported: torch.export.ExportedProgram, opset: int
) -> ir.Model:
    """The ONNX model of a traced graph, its ends not named yet."""
    try:
        with quiet(), _silent(), only_where_needed(), one_table(), no_ops_alone():
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
    fewer_nodes(program.model)
    share_weights(program.model)
    name_weights(program.model, {**exported.state_dict, **exported.constants})
    check_domains(program.model, graph.ops)
    drop_notes(program.model)
    return program.model


def _translations(graph: StepGraph | PrologueGraph | WholeGraph) -> dict[Any, Callable[..., Any]]:
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
    ends = [(port.name, axes_of(port)) for port in contract.with_role("frame")]
    ends += [(name, contract.port(name).shape) for name in graph.given]
    ends += [(item.name, item.spec.shape) for item in graph.conditioning]
    ends += [(state.input, state.shape) for state in contract.states]
    ends += [(port.name, port.shape) for port in contract.with_role("control")]
    results = [(port.name, axes_of(port)) for port in contract.with_role("output")]
    results += [(state.output, state.shape) for state in contract.states]
    dress(model, ends, results)


def dress(
    model: ir.Model, ends: Sequence[tuple[str, Sequence[Any]]], results: Sequence[tuple[str, Sequence[Any]]]
) -> None:
    """Name and shape the graph's ends, and sign it, without a version: bytes depend on no more than they have to."""
    _rename(model.graph.inputs, ends)
    _rename(model.graph.outputs, results)
    model.graph.name = "edgeseq"
    model.producer_name = "edgeseq"
    model.producer_version = ""


def axes_of(port: Port) -> tuple[Axis, ...]:
    """The shape in the graph. ``1/4*time`` has a name of its own: onnxruntime takes equal names for equal sizes."""
    ratio = "" if port.ratio == 1 else f"{port.ratio}*"
    return tuple(f"{ratio}time" if index == port.time_axis else axis for index, axis in enumerate(port.shape))


def _rename(values: Sequence[ir.Value], ends: Sequence[tuple[str, Sequence[Any]]]) -> None:
    for index, value in enumerate(values):
        value.name = f"edgeseq.end.{index}"
    for value, (name, shape) in zip(values, ends, strict=True):
        value.name = name
        value.shape = ir.Shape(list(shape))
