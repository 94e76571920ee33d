"""``diagnose``: how every module of a model streams and what it costs, or every reason why the model does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn

from edgeseq.contract import Contract
from edgeseq.errors import NotStreamable, UsageError
from edgeseq.exporters.diagnosis.modules import modules_of
from edgeseq.exporters.diagnosis.onlooking import Seen
from edgeseq.exporters.explaining import check_context, check_wishes, prepare, seen_through
from edgeseq.exporters.loops.stepped import States, over_sequences
from edgeseq.exporters.lowering import drop_unused
from edgeseq.exporters.modes import EXACT, Mode
from edgeseq.exporters.modes.graphs import Graph, contract_for
from edgeseq.exporters.rules.foreign import Rules
from edgeseq.exporters.stepgraph import StepGraph
from edgeseq.exporters.verification.reference import evaluating
from edgeseq.structure import Part


@dataclass(frozen=True)
class Diagnosis:
    """How a model streams.

    ``contract`` is the one that ``export`` would write, as :func:`explain` gives it; None where there are ``refusals``.
    Of those, later ones assume that earlier ones are solved. ``modules`` is the model, with the modules inside it;
    empty in a mode that runs it whole. ``seen`` are the captured nodes in graph order.
    """

    contract: Contract | None
    refusals: tuple[NotStreamable, ...]
    name: str
    modules: tuple[Part, ...]
    seen: tuple[Seen, ...]
    graph: Graph

    @property
    def step(self) -> StepGraph:
        """The step graph; UsageError in a mode that has none."""
        if isinstance(self.graph, StepGraph):
            return self.graph
        raise UsageError(
            "there is no step to look into",
            got=f"mode {self.graph.mode}",
            wanted="a mode that streams frame by frame",
            do="leave --mode out",
        )


def diagnose(
    model: nn.Module,
    inputs: Mapping[str, Any],
    mode: Mode = EXACT,
    *,
    states: States | None = None,
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
    model = prepare(model, inputs).model
    name = type(model).__name__
    if states is not None:
        model, inputs = over_sequences(model, inputs, states)
    with evaluating(model):
        graph, onlooker = seen_through(model, inputs, outputs, ops, rules, mode)
        seen = tuple(onlooker.seen.values())
        if onlooker.refusals:
            return Diagnosis(None, tuple(onlooker.refusals), name, modules_of(seen, {}, {}, name).listed(), seen, graph)
        if isinstance(graph, StepGraph):
            drop_unused(graph)
        contract = contract_for(graph)
    check_context(contract, max_context)
    contract = replace(contract, max_context=max_context or contract.max_context, frame_period=frame_period)
    return Diagnosis(contract, (), name, contract.modules, seen, graph)
