"""What a step costs, by node: operations counted while it runs once in torch, and the bytes that it reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from edgeseq.contract import State, axis_parts
from edgeseq.exporters.diagnosis.onlooking import Seen
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.replay import Finished, Found, Watch
from edgeseq.exporters.step import Step
from edgeseq.exporters.stepgraph import StepGraph, example_inputs
from edgeseq.structure import Cost

aten, own = torch.ops.aten, torch.ops.edgeseq
#: Two lengths of context, in frames: what the cost grows by between them is what each frame of context costs.
_CONTEXTS = (64, 128)
#: Ops that read some rows of a table, not all of it.
_LOOKUPS = (aten.embedding.default, aten.index.Tensor, aten.index_select.default, aten.gather.default)


def costs(graph: StepGraph, seen: Iterable[Seen]) -> dict[torch.fx.Node, Cost]:
    """The cost of every captured node. Positions are no node's own."""
    states = {item.node: item.states for item in seen}
    runs = [_counted(graph, context) for context in _CONTEXTS]
    found = {}
    for node, (few, read) in runs[0].items():
        grown = (runs[1][node][0] - few) / (_CONTEXTS[1] - _CONTEXTS[0])
        held = [graph.plan.states[name] for name in states.get(node, ()) if graph.plan.states[name].kind != "position"]
        fixed = sum(state_bytes(state) for state in held if "capacity" not in state.shape)
        growing = sum(state_bytes(state) * state.ratio for state in held if "capacity" in state.shape)
        ratio = float(max((state.ratio for state in held if "capacity" in state.shape), default=1))
        found[node] = Cost(few - _CONTEXTS[0] * grown, grown * ratio, read, fixed, float(growing))
    return found


def state_bytes(state: State) -> int:
    """Bytes of a state at batch 1 and one frame of capacity, other named axes at 1."""
    sizes = (axis if isinstance(axis, int) else axis_parts(axis)[0] for axis in state.shape)
    return np.dtype(state.dtype).itemsize * math.prod(sizes)


def _counted(graph: StepGraph, context: int) -> dict[torch.fx.Node, tuple[float, int]]:
    """Multiply-adds and bytes of weights read, by node, of a step whose caches have room for that many entries."""
    tensors, _ = example_inputs(graph, batch=1, chunk=graph.plan.multiple, capacity=context)
    device = next((tensor.device for tensor in graph.captured.tensors.values()), torch.device("cpu"))
    watching, before = _Counting(), graph.watch
    graph.watch = watching
    try:
        with torch.no_grad():
            graph(*(tensor.to(device) for tensor in tensors))
    finally:
        graph.watch = before
    return watching.found


class _Counting(Watch):
    def __init__(self) -> None:
        self.found: dict[torch.fx.Node, tuple[float, int]] = {}

    def node(self, step: Step, node: torch.fx.Node, run: Callable[[], Found]) -> Found:
        with _Operations() as operations:  # type: ignore[no-untyped-call]
            value, fact = run()
        self.found[node] = operations.flops / 2, _weights_read(step, node, value)
        return value, fact

    def output(self, step: Step, node: torch.fx.Node, run: Callable[[], Finished]) -> Finished:
        return run()


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts floating point operations, a multiply-add as two. A scan counts as nothing: it adds up, or compares."""

    flops = 0
    supports_higher_order_operators = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        count = COUNTS.get(getattr(func, "_overloadpacket", None))
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=result)
        return result


def _recurrent(x: torch.Tensor, w: torch.Tensor, r: torch.Tensor, *_: Any, out_val: Any) -> int:
    return 2 * x.shape[0] * x.shape[1] * (w.numel() + r.numel())


def _cached(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, *_: Any, out_val: Any
) -> int:
    return 2 * q.shape[:-1].numel() * keys.shape[2] * (q.shape[-1] + v.shape[-1])


def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *_: Any, out_val: Any, **__: Any) -> int:
    return int(2 * q.shape[:-1].numel() * k.shape[-2] * (q.shape[-1] + v.shape[-1]))


#: Operations by op, from its arguments and its result: torch's own counts, and ours.
COUNTS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    own.recurrent_layer: _recurrent,
    own.cached_attention: _cached,
}


def _weights_read(step: Step, node: torch.fx.Node, value: Any) -> int:
    """Bytes of constants that a node reads: those it is given or those its rule made of them; of a table, its rows."""
    if node.name in step.plan.folded:
        return 0
    if node.target in _LOOKUPS and isinstance(value, torch.Tensor):
        return value.nbytes
    given = [tensor for source in node.all_input_nodes for tensor in _constants(step, source)]
    made = [tensor for key, tensor in step.plan.constants.items() if key.startswith(f"made.{node.name}.")]
    return max(_bytes(given), _bytes(made))


def _bytes(tensors: list[torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _constants(step: Step, node: torch.fx.Node) -> list[torch.Tensor]:
    value = step.captured.tensors.get(node.name, step.plan.folded.get(node.name))
    return [leaf for leaf in flatten(value) if isinstance(leaf, torch.Tensor)]
