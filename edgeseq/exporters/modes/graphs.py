"""The graph of a mode, its contract and its ONNX form: a step's, or the whole model's."""

from __future__ import annotations

import onnx_ir as ir

from edgeseq.contract import Contract
from edgeseq.exporters.contracting import contract_of
from edgeseq.exporters.lowering import lower
from edgeseq.exporters.modes.whole_contract import whole_contract
from edgeseq.exporters.modes.whole_graph import WholeGraph
from edgeseq.exporters.modes.whole_lowering import lower_whole
from edgeseq.exporters.stepgraph import StepGraph

Graph = StepGraph | WholeGraph


def contract_for(graph: Graph) -> Contract:
    """What the file of this graph promises; opset, verification and provenance are filled in later."""
    return whole_contract(graph) if isinstance(graph, WholeGraph) else contract_of(graph)


def lowered(graph: Graph, opset: int) -> ir.Model:
    """The ONNX model. A step graph is told what conditioning it does not read, which then leaves its contract."""
    if isinstance(graph, WholeGraph):
        return lower_whole(graph, whole_contract(graph), opset)
    return lower(graph, lambda: contract_of(graph), opset)


def longest(graph: Graph) -> int | None:
    """Frames of the longest sequence that the module itself takes; None where no bound is known."""
    return graph.most if isinstance(graph, WholeGraph) else contract_of(graph).max_context
