"""One spelling for what a loop over time takes and stores, in a graph captured at one length.

Frames are taken by ``select`` right where they are first used, and stored by ``stack``: slices of one frame,
``unbind``, ``split``, concatenated frames and writes into a buffer (``out[:, t] = h``) are written so.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Graph, Node

aten = torch.ops.aten
_TO_THE_END = 2**62
_FILLS = {aten.zeros_like.default: 0, aten.ones_like.default: 1, aten.full_like.default: None}


def canonicalise(graph: Graph) -> None:
    """Rewrite the graph in place; what it computes stays, asserts of the capture apart."""
    for node in reversed(list(graph.nodes)):
        if node.op == "call_function" and node.meta.get("val") is None and not node.users:
            graph.erase_node(node)
    for rewrite in (_filled, _views, _parts, _one_take_each, _written, _joined, _looked_up, _where_used):
        for node in list(graph.nodes):
            if node.op == "call_function":
                rewrite(graph, node)
        graph.eliminate_dead_code()


def shape_of(node: Any) -> list[Any]:
    """The captured shape of a node's value."""
    return list(node.meta["val"].shape)


def insert(
    graph: Graph,
    before: Node,
    target: Callable[..., Any],
    args: tuple[Any, ...],
    like: Node,
    kwargs: dict[str, Any] | None = None,
) -> Node:
    """A call before another node, with a value computed from its arguments' and the origin of ``like``."""
    with graph.inserting_before(before):
        made = graph.call_function(target, args, kwargs)
    made.meta = {key: value for key, value in like.meta.items() if key in ("stack_trace", "nn_module_stack")}
    values = torch.fx.node.map_arg(args, lambda node: node.meta["val"])
    with _first_tensor(like.meta["val"]).fake_mode:
        made.meta["val"] = target(*values, **(kwargs or {}))
    return made


def _first_tensor(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) else value


def _replace(node: Node, other: Any) -> None:
    node.replace_all_uses_with(other)


def _anything(value: Any) -> Any:
    """An argument of a call, whose type only the op's schema knows."""
    return value


def _axis(node: Node, index: int = 1) -> int:
    """The axis that an op names, counted from the front."""
    rank = len(shape_of(node.args[0]))
    return int(_at(node, index, 0)) % rank


def _at(node: Node, index: int, default: Any) -> Any:
    return node.args[index] if len(node.args) > index else default


def _bounds(node: Node, first: int) -> tuple[int, int, Any] | None:
    """Start, end and size of a slice with plain numbers and no step."""
    source = node.args[0]
    size = shape_of(source)[_axis(node, first)]
    start, end, step = _at(node, first + 1, 0) or 0, _at(node, first + 2, None), _at(node, first + 3, 1)
    end = _TO_THE_END if end is None else end
    if not isinstance(start, int) or not isinstance(end, int) or step != 1:
        return None
    if not isinstance(size, int):
        return (0, _TO_THE_END, size) if start == 0 and end >= _TO_THE_END else None
    start, end = (value + size if value < 0 else value for value in (start, end))
    return start, min(end, size), size


def _filled(graph: Graph, node: Node) -> None:
    """What is filled with a number after the shape of a frame needs no frame: ``zeros_like(x[:, 0])``."""
    if node.target not in _FILLS:
        return
    sizes = [_size(graph, node, size) for size in shape_of(node)]
    fill = _FILLS[node.target]
    if None not in sizes:
        value = node.meta["val"]
        kwargs = {"dtype": value.dtype, "device": value.device}
        args = (sizes, node.args[1] if fill is None else fill)
        _replace(node, insert(graph, node, aten.full.default, args, node, kwargs))


def _size(graph: Graph, before: Node, size: Any) -> Any:
    """A size as a number, or as that of an axis of an input; None where no input has it."""
    if isinstance(size, int):
        return size
    for source in graph.find_nodes(op="placeholder"):
        for axis, other in enumerate(getattr(source.meta["val"], "shape", ())):
            if isinstance(other, torch.SymInt) and other.node.expr == size.node.expr:
                return insert(graph, before, aten.sym_size.int, (source, axis), before)
    return None


def _views(graph: Graph, node: Node) -> None:
    """Whole slices and copies go, slices of one frame become a select."""
    if node.target is aten.slice.Tensor and (bounds := _bounds(node, 1)):
        start, end, size = bounds
        if start == 0 and end in (_TO_THE_END, size):
            _replace(node, node.args[0])
        elif end - start == 1:
            axis = _axis(node)
            taken = insert(graph, node, aten.select.int, (node.args[0], axis, start), node)
            _replace(node, insert(graph, node, aten.unsqueeze.default, (taken, axis), node))
    elif node.target is aten.slice_scatter.default and (bounds := _bounds(node, 2)):
        start, end, size = bounds
        if start == 0 and end in (_TO_THE_END, size):
            _replace(node, node.args[1])
        elif end - start == 1:
            axis = _axis(node, 2)
            frame = insert(graph, node, aten.select.int, (node.args[1], axis, 0), node)
            args = (node.args[0], frame, axis, start)
            _replace(node, insert(graph, node, aten.select_scatter.default, args, node))
    elif node.target is aten.copy.default:
        target, source = (item.meta["val"] for item in node.args[:2])  # type: ignore[union-attr]
        if target.dtype == source.dtype and list(target.shape) == list(source.shape):
            _replace(node, node.args[1])
    elif node.target is aten.select.int and isinstance(node.args[2], int):
        frames = shape_of(node.args[0])[_axis(node)]
        index = node.args[2] + frames if node.args[2] < 0 and isinstance(frames, int) else node.args[2]
        node.args = (node.args[0], _axis(node), index)


def _parts(graph: Graph, node: Node) -> None:
    """The parts of ``unbind`` and of a ``split`` into single frames are taken one by one where they are used."""
    if node.target is not operator.getitem:
        return
    source: Any = node.args[0]
    if source.target is aten.unbind.int:
        axis = int(_at(source, 1, 0)) % len(shape_of(source.args[0]))
    elif source.target is aten.split.Tensor and source.args[1] == 1:
        axis = _axis(source, 2)
    else:
        return
    if not node.users:
        return
    user = min(node.users)
    taken = insert(graph, user, aten.select.int, (source.args[0], axis, node.args[1]), user)
    if source.target is aten.split.Tensor:
        taken = insert(graph, user, aten.unsqueeze.default, (taken, axis), user)
    _replace(node, taken)


def _one_take_each(graph: Graph, node: Node) -> None:
    """A frame that is taken twice is taken once; a frame of a buffer is what was written there."""
    if node.target is not aten.select.int:
        return
    source, axis, index = (_anything(item) for item in node.args)
    while source.target is aten.select_scatter.default and source.args[2] % len(shape_of(source)) == axis:
        if not isinstance(index, int) or not isinstance(source.args[3], int):
            return
        if source.args[3] % shape_of(source)[axis] == index:
            _replace(node, source.args[1])
            return
        source = source.args[0]
    node.args = (source, axis, index)
    for other in source.users:
        if other is not node and other.target is aten.select.int and other.args == node.args and other < node:
            _replace(node, other)
            return


def _looked_up(graph: Graph, node: Node) -> None:
    """Rows are looked up for all frames at once, and taken then: so it shows which input indexes the table."""
    if node.target is not aten.embedding.default:
        return
    index: Any = node.args[1]
    if index.target is aten.unsqueeze.default:
        axis = index.args[1] % len(shape_of(index))
        rows = insert(graph, node, aten.embedding.default, (node.args[0], index.args[0], *node.args[2:]), node)
        _replace(node, insert(graph, node, aten.unsqueeze.default, (rows, axis), node))
        _looked_up(graph, rows)
    elif index.target is aten.select.int:
        source, axis, place = index.args
        args = (node.args[0], source, *node.args[2:])
        known = [user for user in source.users if user.target is node.target and user.args == args]
        rows = known[0] if known else insert(graph, source.next, aten.embedding.default, args, node)
        _replace(node, insert(graph, node, aten.select.int, (rows, axis, place), node))


def _where_used(graph: Graph, node: Node) -> None:
    """A frame is taken right before it is first used."""
    if node.target is aten.select.int and node.users:
        min(node.users).prepend(node)


def _written(graph: Graph, node: Node) -> None:
    """A buffer into which every frame is written is a stack of them."""
    if node.target is not aten.select_scatter.default or not node.users:
        return
    axis = _anything(node.args[2]) % len(shape_of(node))
    if any(user.target is aten.select_scatter.default and user.args[0] is node for user in node.users):
        return
    size, current = shape_of(node)[axis], _anything(node)
    if not isinstance(size, int):
        return
    frames: dict[int, Any] = {}
    while current.target is aten.select_scatter.default and current.args[2] % len(shape_of(node)) == axis:
        frames.setdefault(current.args[3] % size, current.args[1])
        current = current.args[0]
    for index in range(size):
        if index not in frames:
            frames[index] = insert(graph, node, aten.select.int, (current, axis, index), node)
    _replace(node, insert(graph, node, aten.stack.default, ([frames[i] for i in range(size)], axis), node))


def _joined(graph: Graph, node: Node) -> None:
    """Concatenated single frames are a stack."""
    if node.target is not aten.cat.default or not isinstance(node.args[0], (list, tuple)):
        return
    axis = int(_at(node, 1, 0)) % len(shape_of(node))
    items = list(node.args[0])
    if len(items) < 2 or any(shape_of(item)[axis] != 1 for item in items):
        return
    frames = [_without(graph, item, axis) for item in items]
    _replace(node, insert(graph, node, aten.stack.default, (frames, axis), node))


def _without(graph: Graph, item: Any, axis: int) -> Node:
    """The value of a node without an axis of size one, computed right after it."""
    if item.target is aten.unsqueeze.default and item.args[1] % len(shape_of(item)) == axis:
        return item.args[0]  # type: ignore[no-any-return]
    return insert(graph, item.next, aten.select.int, (item, axis, 0), item)
