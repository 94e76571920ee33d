"""A loop over time that carries complex values: its body becomes real as the graph around it does."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch._dispatch.python import enable_python_dispatcher
from torch._guards import detect_fake_mode
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_arg

from edgeseq.exporters.complex_pairs import Form, Pair, in_real_numbers, is_complex
from edgeseq.exporters.emitter import Emitter, tensors_of
from edgeseq.exporters.loops.loop_op import Body, body_of, keep_body

aten = torch.ops.aten
_LOOP = torch.ops.edgeseq.loop.default
Whole = Callable[[Emitter, Any], Pair]


def loops(forms: dict[Any, Form], whole: Whole) -> Form:
    """The form of ``edgeseq::loop``: each complex sequence, carried value and result is two real ones.

    ``forms`` are those of the ops in bodies, ``whole`` gives both parts of a value as nodes.
    """

    def form(emit: Emitter, *args: Any) -> list[Any]:
        *groups, sizes, key = args
        body = _RealBody(emit, body_of(key), args, forms)
        parts = [[part for value in group for part in _parts(emit, value, whole)] for group in groups]
        made = emit(_LOOP, *parts, sizes, keep_body(body.body))
        results = iter([emit(operator.getitem, made, index) for index in range(sum(1 + two for two in body.complex))])
        return [Pair(next(results), next(results)) if two else next(results) for two in body.complex]

    return form


def _parts(emit: Emitter, value: Any, whole: Whole) -> list[Any]:
    return [*whole(emit, value)] if isinstance(value, Pair) else [value]


class _RealBody:
    """``body``, the real form of a loop's, and ``complex``: which results of the loop were so."""

    def __init__(self, emit: Emitter, body: Body, args: Sequence[Any], forms: dict[Any, Form]) -> None:
        self.emit, self.graph, self.known = emit, Graph(), dict[Node, Node]()
        given: list[Any] = [value for group in emit.node.args[:4] for value in group]  # type: ignore[union-attr]
        values = [value.meta["val"] if isinstance(value, Node) else value for value in given]
        mode = detect_fake_mode(list(tensors_of([emit.node])))
        assert mode is not None
        self.mode = mode
        with mode, enable_python_dispatcher():  # without the dispatcher a view fixes time's size
            frames = [value.select(axis, 0) for value, axis in zip(values, body.frame_axes, strict=False)]
        inside = body.graph.graph
        placeholders = [node for node in inside.nodes if node.op == "placeholder"]
        for node, value in zip(placeholders, [*frames, *values[len(frames) :]], strict=True):
            self._give(node, value)
        results: Any = inside.output_node().args[0]
        for node in inside.nodes:
            if node.op not in ("placeholder", "output"):
                self.known[node] = self._copied(node)
        self.complex = [is_complex(self.known[result]) for result in results]
        self.graph.output(tuple(part for result in results for part in self._opened(self.known[result])))
        self.body = self._made(body, forms)

    def _call(self, target: Any, *args: Any, **kwargs: Any) -> Node:
        node = self.graph.call_function(target, args, kwargs)
        node.meta = {key: item for key, item in self.emit.node.meta.items() if key != "val"}
        with self.mode, enable_python_dispatcher():
            node.meta["val"] = target(*map_arg(args, _value), **map_arg(kwargs, _value))
        return node

    def _give(self, node: Node, value: Any) -> None:
        if isinstance(value, torch.Tensor) and value.is_complex():
            with self.mode, enable_python_dispatcher():
                real = torch.zeros(value.shape, dtype=value.dtype.to_real(), device=value.device)
            parts = [self._placeholder(f"{node.name}_{part}", real) for part in ("re", "im")]
            self.known[node] = self._call(aten.complex.default, *parts)
        else:
            self.known[node] = self._placeholder(node.name, value)

    def _placeholder(self, name: str, value: Any) -> Node:
        node = self.graph.placeholder(name)
        node.meta["val"] = value
        return node

    def _copied(self, node: Node) -> Node:
        if node.op != "call_function":
            raise self.emit.refuse("its body calls other graphs on complex numbers", "write their ops in the body")
        args: Any = map_arg(node.args, self.known.__getitem__)
        kwargs: Any = map_arg(node.kwargs, self.known.__getitem__)
        return self._call(node.target, *args, **kwargs)

    def _opened(self, node: Node) -> list[Node]:
        if not is_complex(node):
            return [node]
        parts = self._call(aten.view_as_real.default, node)
        return [self._call(aten.select.int, parts, -1, index) for index in (0, 1)]

    def _made(self, body: Body, forms: dict[Any, Form]) -> Body:
        captured = replace(self.emit.captured, graph=self.graph, outputs=(), tensors={})
        real = in_real_numbers(captured, forms)
        if real.tensors:
            raise self.emit.refuse("its body makes complex constants", "make them before the loop")
        stored = len(body.store_axes)
        frames = [self._is_pair(place) for place in range(len(body.frame_axes))]
        return Body(
            GraphModule(torch.nn.Module(), real.graph),
            tuple(axis for axis, two in zip(body.frame_axes, frames, strict=True) for _ in range(1 + two)),
            tuple(axis for axis, two in zip(body.store_axes, self.complex, strict=False) for _ in range(1 + two)),
            tuple(
                word
                for name, two in zip(body.names, self.complex[stored:], strict=True)
                for word in ([f"{name}.re", f"{name}.im"] if two else [name])
            ),
        )

    def _is_pair(self, place: int) -> bool:
        source: Any = self.emit.node.args[0][place]  # type: ignore[index]
        return is_complex(source)


def _value(node: Node) -> Any:
    return node.meta["val"]
