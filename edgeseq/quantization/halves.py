"""Weights kept as float16 and widened when the model is loaded: the nodes that read them stay as they are."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeseq.quantization.nodes import Nodes, array_of, weight_of
from edgeseq.quantization.sites import Site


def store_halves(model: ir.Model, site: Site) -> None:
    """Put a Cast from float16 in the place of each of a site's weights; onnxruntime folds it.

    Weights that several sites share are stored once for them, and stay in float beside for whatever else reads them.
    """
    for place, value in enumerate(site.node.inputs):
        found = weight_of(value)
        if found is not None and value is not None and found[1] in site.weights:
            nodes, cast = Nodes(model, site.name, f"{place}"), _widened(model, found[1])
            site.node.replace_input_with(place, _transposed(nodes, value, cast.outputs[0]))
            model.graph.insert_after(cast, nodes.made)


def _widened(model: ir.Model, weights: ir.Value) -> ir.Node:
    """What widens a weight from float16, the same node for all who ask."""
    nodes, array = Nodes(model, str(weights.name)), array_of(weights)
    assert array is not None
    stored = nodes.constant(array.astype(np.float16), "half")
    for user, _ in stored.uses():
        return user
    nodes.op("Cast", [stored], to=ir.DataType.FLOAT)
    model.graph.insert_before(model.graph[0], nodes.made)
    return nodes.made[0]


def _transposed(nodes: Nodes, value: ir.Value, wide: ir.Value) -> ir.Value:
    """``wide`` as ``value`` is to its weights: they, or transposed."""
    node = value.producer()
    if node is None or node.inputs[0] is None:
        return wide
    return nodes.op("Transpose", [_transposed(nodes, node.inputs[0], wide)], perm=[1, 0])
