"""``diagnose``: how every module of a model streams and what it costs, or every reason why the model does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn

from edgeseq.contract import Contract
from edgeseq.errors import NotStreamable
from edgeseq.exporters.contracting import contract_of
from edgeseq.exporters.diagnosis.counting import Cost, costs
from edgeseq.exporters.diagnosis.modules import Module, modules_of
from edgeseq.exporters.diagnosis.onlooking import Seen
from edgeseq.exporters.explaining import check_context, check_wishes, prepare, seen_through
from edgeseq.exporters.lowering import drop_unused
from edgeseq.exporters.rules.foreign import Rules
from edgeseq.exporters.stepgraph import StepGraph
from edgeseq.exporters.verification.reference import evaluating


@dataclass(frozen=True)
class Diagnosis:
    """How a model streams.

    ``contract`` is the one that ``export`` would write, as :func:`explain` gives it; None where there are ``refusals``.
    Of those, later ones assume that earlier ones are solved. ``module`` is the model, with the modules inside it.
    ``cost`` is that of one step of one stream, None where the model does not stream. ``seen`` are the captured
    nodes in graph order.
    """

    contract: Contract | None
    refusals: tuple[NotStreamable, ...]
    module: Module
    cost: Cost | None
    seen: tuple[Seen, ...]
    graph: StepGraph


def diagnose(
    model: nn.Module,
    inputs: Mapping[str, Any],
    *,
    outputs: Sequence[str] | None = None,
    ops: Literal["ort", "portable"] = "ort",
    max_context: int | None = None,
    frame_period: float | None = None,
    rules: Rules | None = None,
) -> Diagnosis:
    """Walk the captured graph of a model; arguments are those of :func:`explain`.

    Ops that cannot be streamed do not raise here: they are ``refusals``. Everything else that ``explain`` raises is
    raised.
    """
    check_wishes(ops, max_context, frame_period)
    made = prepare(model, inputs)
    with evaluating(made.model):
        graph, onlooker = seen_through(made.model, inputs, outputs, ops, rules)
        seen = tuple(onlooker.seen.values())
        name = type(made.model).__name__
        if onlooker.refusals:
            return Diagnosis(None, tuple(onlooker.refusals), modules_of(seen, {}, {}, name), None, seen, graph)
        found = costs(graph, {item.node: item.states for item in seen})
        drop_unused(graph)
    contract = contract_of(graph)
    check_context(contract, max_context)
    contract = replace(contract, max_context=max_context or contract.max_context, frame_period=frame_period)
    module = modules_of(seen, graph.plan.states, found, name)
    return Diagnosis(contract, (), module, module.total, seen, graph)
