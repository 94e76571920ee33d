"""Weights kept as float16 and widened when the model is loaded: the nodes that read them stay as they are."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeseq.quantization.nodes import Nodes, array_of
from edgeseq.quantization.sites import Site

#: The largest finite float16.
_LARGEST = 65504.0


def store_halves(model: ir.Model, site: Site) -> None:
    """Put a Cast from float16 in the place of each of a site's weights; onnxruntime folds it.

    Weights that several nodes share are stored once, for all of them.
    """
    for value in site.weights:
        array = array_of(value)
        assert array is not None
        if not value.uses():
            continue  # another node that shares it was here before
        nodes = Nodes(model, str(value.name))
        stored = nodes.constant(np.clip(array, -_LARGEST, _LARGEST).astype(np.float16), "half")
        ir.convenience.replace_all_uses_with(value, nodes.op("Cast", [stored], to=ir.DataType.FLOAT))
        model.graph.insert_before(model.graph[0], nodes.made)
