"""Keys and values of attention kept in 8 bits, one scale for the keys of a layer and one for its values.

GroupQueryAttention rounds what it writes and reads integers; its scales are constants, so that nothing that another
stream or a later frame brings can change them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgeseq.contract import Contract
from edgeseq.quantization.nodes import MICROSOFT, Nodes

_KEY, _VALUE, _PAST_KEY, _PAST_VALUE, _KEY_SCALE, _VALUE_SCALE = 1, 2, 3, 4, 12, 13
#: A rotation of a pair of numbers makes the larger one so many times larger at most.
_ROTATED = 2**0.5


@dataclass(frozen=True)
class Cache:
    """An attention node with a cache of its own, ``name`` that of the cache's states without ``.keys``."""

    name: str
    node: ir.Node

    def factors(self) -> dict[str, ir.Value]:
        """What is written into the cache, by the name under which calibration sees it."""
        found = {f"{self.name}.keys": self.node.inputs[_KEY], f"{self.name}.values": self.node.inputs[_VALUE]}
        return {name: value for name, value in found.items() if value is not None}

    def states(self) -> tuple[ir.Value, ...]:
        """The cache before and after."""
        values = (*self.node.inputs[_PAST_KEY : _PAST_VALUE + 1], *self.node.outputs[1:3])
        return tuple(value for value in values if value is not None)


def find_caches(model: ir.Model) -> list[Cache]:
    """Every attention node whose cache is onnxruntime's and comes from the stream."""
    return list(_caches(model))


def _caches(model: ir.Model) -> Iterator[Cache]:
    for node in model.graph:
        if node.op_type == "GroupQueryAttention" and node.domain == MICROSOFT and len(node.inputs) > _PAST_VALUE:
            key, past = node.inputs[_KEY], node.inputs[_PAST_KEY]
            if key is not None and past is not None and past.is_graph_input():
                yield Cache(str(past.name).removesuffix(".keys"), node)


def store_caches(
    model: ir.Model, contract: Contract, caches: Sequence[Cache], highest: Mapping[str, float]
) -> Contract:
    """Change the caches of ``model`` to int8, scaled by what calibration saw; the contract with their states so."""
    names: set[str] = set()
    for cache in caches:
        nodes = Nodes(model, cache.name)
        rotated = _ROTATED if cache.node.attributes.get_int("do_rotary", 0) else 1.0
        key, value = (max(highest[name], 1e-30) for name in cache.factors())
        _with_input(cache.node, _KEY_SCALE, nodes.constant(np.array([key * rotated / 127], np.float32), "key_scale"))
        _with_input(cache.node, _VALUE_SCALE, nodes.constant(np.array([value / 127], np.float32), "value_scale"))
        for side in ("k_quant_type", "v_quant_type"):
            cache.node.attributes.add(ir.AttrString(side, "PER_TENSOR"))
        cache.node.attributes.add(ir.AttrInt64("kv_cache_bit_width", 8))
        for state in cache.states():
            state.type = ir.TensorType(ir.DataType.INT8)
            names.add(str(state.name))
    states = tuple(replace(state, dtype="int8") if state.input in names else state for state in contract.states)
    return replace(contract, states=states)


def _with_input(node: ir.Node, place: int, value: ir.Value) -> None:
    if len(node.inputs) <= place:
        node.resize_inputs(place + 1)
    node.replace_input_with(place, value)
