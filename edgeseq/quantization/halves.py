"""Weights kept as float16 and widened when the model is loaded: the node that reads them stays as it is."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeseq.quantization.nodes import Nodes, array_of
from edgeseq.quantization.sites import Site

#: The largest finite float16.
_LARGEST = 65504.0


def store_halves(nodes: Nodes, site: Site) -> None:
    """Put a Cast from float16 between a site and each of its weights; onnxruntime folds it."""
    for number, value in enumerate(site.weights):
        array = array_of(value)
        assert array is not None
        stored = nodes.constant(np.clip(array, -_LARGEST, _LARGEST).astype(np.float16), f"half{number}")
        wide = nodes.op("Cast", [stored], to=ir.DataType.FLOAT)
        for place, given in enumerate(site.node.inputs):
            if given is value:
                site.node.replace_input_with(place, wide)
    assert site.node.graph is not None
    site.node.graph.insert_before(site.node, nodes.made)
