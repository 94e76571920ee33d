"""Python loops over time: the step is recovered from graphs of a few short lengths, or the loop is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from edgeseq.exporters.capture import Captured, export_program, map_specs, spec_leaves, tensors_by_placeholder
from edgeseq.exporters.capture_errors import FixedTime, depends_on_data
from edgeseq.exporters.loops.canonical import canonicalise
from edgeseq.exporters.loops.checking import check_rolled
from edgeseq.exporters.loops.finding import backward
from edgeseq.exporters.loops.irregular import Irregular, TooFewTurns
from edgeseq.exporters.loops.refusing import ended_by_data, not_a_loop
from edgeseq.exporters.loops.rolled_model import PREFIX, RolledModel, rolled_model
from edgeseq.exporters.loops.rolling import roll_up
from edgeseq.exporters.loops.unifying import unified
from edgeseq.exporters.rated_inputs import join_placeholder
from edgeseq.specs import InputSpec

#: Lengths to read a loop from; the longer ones are for models that need many frames, or make few turns of them.
_LENGTHS = ((7, 8, 10), (24, 32, 48))
_EXPORT_ERRORS = (RuntimeError, ValueError, TypeError, AssertionError, IndexError, NotImplementedError, KeyError)


def rolled(
    model: nn.Module,
    specs: Mapping[str, Any],
    error: FixedTime,
    capture: Callable[[nn.Module, Mapping[str, Any]], Captured],
) -> Captured:
    """The capture of a model that loops over time, each loop one node; CaptureError where its turns are not alike."""
    found: Irregular | None = None
    for lengths in _LENGTHS:
        try:
            programs = [export_program(model, dict(specs), frames, multiple=1, fixed=True) for frames in lengths]
        except _EXPORT_ERRORS as failed:
            if depends_on_data(failed):
                raise ended_by_data(failed) from failed
            continue
        try:
            made, most = _rolled(model, dict(specs), programs, lengths)
            captured = capture(made, specs)
        except TooFewTurns as irregular:
            found = irregular
            continue
        except Irregular as irregular:
            raise not_a_loop(model, error, irregular) from error
        limits = [limit for limit in (captured.most, error.most, most) if limit is not None]
        own = {name: _own(target) for name, target in captured.names.items()}
        return replace(captured, names=own, most=min(limits, default=None))
    raise not_a_loop(model, error, found) from error


def _own(name: str) -> str:
    """The model's own name of a tensor."""
    return name.removeprefix(PREFIX)


def _rolled(
    model: nn.Module, specs: dict[str, Any], programs: Sequence[ExportedProgram], lengths: Sequence[int]
) -> tuple[RolledModel, int | None]:
    """The model with its loops rolled up, and the most frames that it takes, as far as it was tried."""
    leaves = list(spec_leaves(specs))
    tensors = [tensors_by_placeholder(program) for program in programs]
    _check_constants(tensors)
    for program in programs:
        _roll(program, leaves)
    graph = unified([program.graph for program in programs], lengths, _time(programs[0], leaves))
    made = rolled_model(model, graph, programs[0], tensors[0], list(specs))
    return made, check_rolled(model, made, leaves, lambda draw: map_specs(specs, draw))


def _roll(program: ExportedProgram, leaves: list[tuple[str, InputSpec]]) -> None:
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    for name, (_, spec) in zip(program.graph_signature.user_inputs, leaves, strict=True):
        join_placeholder(placeholders[str(name)], spec)
    canonicalise(program.graph)
    if roll_up(program.graph) == 0:
        reading = backward(program.graph)
        if reading:
            raise Irregular(reading, "it runs from the end of time to its beginning")
        raise TooFewTurns(None, "no frames are taken one after another")


def _check_constants(tensors: Sequence[Mapping[str, torch.Tensor]]) -> None:
    for name, tensor in tensors[0].items():
        if any(name not in other or not torch.equal(tensor, other[name]) for other in tensors[1:]):
            raise Irregular(None, "a constant that it makes depends on the number of frames")


def _time(program: ExportedProgram, leaves: list[tuple[str, InputSpec]]) -> tuple[str, int, int]:
    """The placeholder in which the number of frames is read off, its axis, and its frames per base frame."""
    names = program.graph_signature.user_inputs
    found = [(str(name), spec) for name, (_, spec) in zip(names, leaves, strict=True) if spec.time_axis is not None]
    name, spec = found[0]
    return name, spec.time_axis or 0, spec.ratio
