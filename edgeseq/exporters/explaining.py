"""The front half of an export, which ``explain`` shows: capture, transform, contract. Nothing is lowered or written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from edgeseq.contract import PERIODS, Contract
from edgeseq.errors import EdgeseqError, NotStreamable, UsageError
from edgeseq.exporters.capture import Captured, capture
from edgeseq.exporters.capture_errors import mixed_types
from edgeseq.exporters.diagnosis.counting import costs
from edgeseq.exporters.diagnosis.modules import modules_of
from edgeseq.exporters.diagnosis.onlooking import Onlooker
from edgeseq.exporters.loops.stepped import States, over_sequences
from edgeseq.exporters.lowering import drop_unused
from edgeseq.exporters.modes import EXACT, Exact, Lookahead, Mode, Window
from edgeseq.exporters.modes import Sequence as Whole
from edgeseq.exporters.modes.graphs import Graph, contract_for
from edgeseq.exporters.modes.shortest_input import shortest_input
from edgeseq.exporters.modes.whole_graph import WholeGraph
from edgeseq.exporters.preparing import Prepared, prepared
from edgeseq.exporters.replay import Watch
from edgeseq.exporters.rules import FAMILIES
from edgeseq.exporters.rules.foreign import Rules
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.stepgraph import StepGraph
from edgeseq.exporters.surroundings import check_surroundings
from edgeseq.exporters.verification.reference import evaluating


def explain(
    model: nn.Module,
    inputs: Mapping[str, Any],
    *,
    states: States | None = None,
    outputs: Sequence[str] | None = None,
    ops: Literal["ort", "portable"] = "ort",
    max_context: int | None = None,
    frame_period: float | None = None,
    rules: Rules | None = None,
    mode: Mode = EXACT,
) -> Contract:
    """The contract that ``export`` would write, and the same refusals, without a file.

    Ports, states, delays, ratios, receptive field and limits are final. What only the lowered file can tell is not:
    ``opset`` and ``verification`` are empty, and ``min_frames`` is what the capture knows, which a search on the file
    may lower.
    """
    check_wishes(ops, max_context, frame_period)
    model = prepare(model, inputs).model
    if states is not None:
        model, inputs = over_sequences(model, inputs, states)
    with evaluating(model):
        graph = planned(model, inputs, outputs, ops, rules, mode)
        if isinstance(graph, StepGraph):
            drop_unused(graph)
        contract = contract_for(graph)
    check_context(contract, max_context)
    return replace(contract, max_context=max_context or contract.max_context, frame_period=frame_period)


def prepare(model: nn.Module, inputs: Mapping[str, Any], target: Path | None = None) -> Prepared:
    """The module to export, once everything that an export to ``target`` needs is known to be there."""
    if not isinstance(model, nn.Module):
        raise UsageError("model must be a module", got=repr(model), wanted="an instance of torch.nn.Module")
    check_surroundings(model, target)
    return prepared(model, inputs)


def planned(
    model: nn.Module,
    inputs: Mapping[str, Any],
    outputs: Sequence[str] | None,
    ops: str,
    rules: Rules | None,
    mode: Mode = EXACT,
) -> Graph:
    """The graph of a module in eval mode, its outputs named. A refusal tells how many reasons there are more."""
    graph, onlooker = seen_through(model, inputs, outputs, ops, rules, mode)
    if onlooker.refusals:
        raise _counted(onlooker.refusals)
    return graph


def seen_through(
    model: nn.Module,
    inputs: Mapping[str, Any],
    outputs: Sequence[str] | None,
    ops: str,
    rules: Rules | None,
    mode: Mode = EXACT,
) -> tuple[Graph, Onlooker]:
    """As :func:`planned`, but past every refusal, and who saw it: of a graph that is run whole, nothing."""
    registry = Registry(FAMILIES, rules)  # first: a slip in rules= should not wait for the capture
    captured = _named(capture(model, inputs), outputs)
    onlooker = Onlooker(registry)
    if isinstance(mode, (Window, Whole)):
        bounds = shortest_input(model, captured), _longest(captured, registry, ops)
        return WholeGraph(captured, registry, ops, mode, *bounds), onlooker
    graph = _planned(captured, registry, ops, onlooker, mode)
    graph.watch = Watch()
    if not onlooker.refusals:
        seen = onlooker.seen.values()
        graph.parts = modules_of(seen, graph.plan.states, costs(graph, seen), type(model).__name__).listed()
    return graph, onlooker


def _planned(captured: Captured, registry: Registry, ops: str, watch: Watch, mode: Exact | Lookahead) -> StepGraph:
    try:
        return StepGraph(captured, registry, ops, watch, mode)
    except RuntimeError as error:
        # The capture does not look at number types; the step that is planned runs on real tensors.
        if not re.search("dtype|scalar type", str(error)):
            raise
        raise mixed_types(error) from error


def _longest(captured: Captured, registry: Registry, ops: str) -> int | None:
    """Frames of the longest input that the model takes, past every refusal: a table of positions bounds it."""
    known = [captured.most]
    with suppress(EdgeseqError):
        known.append(_planned(captured, registry, ops, Onlooker(registry), EXACT).plan.max_context)
    return min((most for most in known if most is not None), default=None)


def _counted(refusals: Sequence[NotStreamable]) -> NotStreamable:
    """The first refusal, and how many there are after it."""
    first, more = refusals[0], len(refusals) - 1
    if more < 1:
        return first
    noun = "reason" if more == 1 else "reasons"
    return NotStreamable(
        first.what, where=first.where, why=first.why, do=f"{first.do}. And {more} more {noun}: run edgeseq explain"
    )


def check_wishes(ops: str, max_context: int | None, frame_period: float | None) -> None:
    """UsageError for arguments that mean nothing."""
    if ops not in ("ort", "portable"):
        raise UsageError("unknown op set", got=repr(ops), wanted="'ort' or 'portable'")
    if max_context is not None and (type(max_context) is not int or max_context < 1):
        raise UsageError("max_context must be a positive number of frames", got=repr(max_context))
    if frame_period is not None and not PERIODS[0] <= frame_period <= PERIODS[1]:
        wanted = "from {:g} to {:g} seconds".format(*PERIODS)
        raise UsageError("frame_period is out of range", got=repr(frame_period), wanted=wanted)


def check_context(contract: Contract, asked: int | None) -> None:
    """UsageError where a longer context is asked for than the model has."""
    if asked is not None and contract.max_context is not None and asked > contract.max_context:
        raise UsageError(
            "max_context is more than the model has room for",
            got=asked,
            wanted=f"at most {contract.max_context}",
            do="make the model's table of positions longer",
        )


def _named(captured: Captured, outputs: Sequence[str] | None) -> Captured:
    if outputs is None:
        return captured
    if len(set(outputs)) != len(captured.outputs):
        raise UsageError(
            "outputs must name every tensor that forward returns, each once",
            got=", ".join(outputs),
            wanted=f"{len(captured.outputs)} names",
        )
    return replace(
        captured, outputs=tuple((name, node) for name, (_, node) in zip(outputs, captured.outputs, strict=True))
    )
