"""Values that no input enters, computed at pairs of frames: the rows of this call's queries, the columns of its keys.

A node is followed back to the sizes and constants that it is made of. An axis of time becomes the frame numbers of
queries or of keys: ``arange(T)`` *is* those numbers, a table gives its rows there, ``tril`` compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from edgeseq.exporters.facts import Pairs, Reach
from edgeseq.exporters.grids import SHAPED
from edgeseq.exporters.keys import key_places, query_places
from edgeseq.exporters.known import Known, known_of, masked, region_of
from edgeseq.exporters.reach import probes, reach_of
from edgeseq.exporters.rules.pointwise import RULES as ELEMENTWISE
from edgeseq.exporters.rules.schema import axes_of
from edgeseq.exporters.rules.shift_invariance import ends_in_softmax, grows_evenly
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Size, mentions, simplest

aten = torch.ops.aten


@dataclass(frozen=True)
class Numbers:
    """Frame numbers along one axis, int64[rows, frames], and what they are called where values are kept."""

    name: tuple[Any, ...]
    values: torch.Tensor

    def moved(self, first: int) -> Numbers:
        """The numbers ``first`` frames on."""
        return self if first == 0 else Numbers((*self.name, first), self.values + first)


Axes = dict[int, Numbers]


@dataclass(frozen=True)
class At:
    """The frame numbers of the keys at which values are computed, and how many earlier ones are kept (None: all)."""

    step: Step
    keys: Numbers
    history: int | None = None


def at_pairs(step: Step, node: torch.fx.Node, like: Pairs) -> torch.Tensor:
    """The value of a node at these pairs, so shaped that it broadcasts against a value over them."""
    shape = step.captured.shape(node.meta["val"])
    more = len(like.shape) - len(shape)
    shared = [axis for axis, size in enumerate(shape) if _shares_batch(step, size)]
    _refuse_other_orders(step, node, shared)
    timed = [axis for axis, size in enumerate(shape) if mentions(size, step.captured.time)]
    own_rows = step.batch_axis(like.shape) is not None
    axes = {axis: _numbers(step, like, axis + more, own_rows) for axis in timed}
    own_keys = step.batch_axis(like.shape) is not None
    at = At(step, Numbers(("keys", like.keys, own_keys), key_places(step, like.keys)), like.keys.history)
    found = _lined_up(step, _at(at, node, axes), like)
    return found.repeat([step.batch if axis in shared else 1 for axis in range(len(shape))]) if shared else found


def _shares_batch(step: Step, size: Size) -> bool:
    """True for an axis that batch shares with another, as heads."""
    return mentions(size, step.captured.batch) and size != step.captured.batch


def _refuse_other_orders(step: Step, node: torch.fx.Node, shared: list[int]) -> None:
    """Refuse heads in one axis with the batch where they do not come row by row, all heads of a row together."""
    if not shared or not step.planning:
        return
    whole = step.captured.grids.whole(node, others=2)
    first, second = whole.chunk(2, shared[0])
    if len(shared) > 1 or not torch.equal(first, second):
        raise step.refuse(
            "a mask or bias over frames has its heads in one axis with the batch, and the batch not in front",
            "keep batch in an axis of its own",
        )


def probes_of(step: Step, size: Size) -> torch.Tensor:
    """The frame numbers at which a value with so many frames is looked at."""
    most, length = step.captured.grids.most, step.length(size)
    if length is None:
        raise step.refuse(f"its length {size} does not grow evenly with time", "keep time in an axis of its own")
    return probes(None if most is None else max(2, int(most * length.ratio)))


def at_probes(step: Step, node: torch.fx.Node) -> torch.Tensor:
    """The value of a node at frames near and far, of a batch of one."""
    shape = step.captured.shape(node.meta["val"])
    timed = [axis for axis, size in enumerate(shape) if mentions(size, step.captured.time)]
    axes = {axis: Numbers(("probes", shape[axis]), probes_of(step, shape[axis])[None]) for axis in timed}
    found = _at(At(step, axes[timed[-1]]), node, axes)
    return found[0].expand([axes[axis].values.shape[1] if axis in axes else -1 for axis in range(len(shape))])


def known_at_probes(step: Step, node: torch.fx.Node) -> Known:
    """Where a node's value is masked, zero or one at those frames; only read while planning."""
    known = step.captured.grids.known
    if node not in known:
        known[node] = known_of(at_probes(step, node))
    return known[node]


def _numbers(step: Step, like: Pairs, axis: int, own_rows: bool) -> Numbers:
    name: tuple[Any, ...]
    if axis == like.axis:
        name, values = ("queries", like.delay, like.ratio), query_places(step, like)
    elif axis == like.past:
        name, values = ("keys", like.keys), key_places(step, like.keys)
    else:
        raise step.refuse("frames meet on other axes than those that met before", "keep queries and keys in place")
    return Numbers((*name, own_rows), values if own_rows else values[:1])


def _lined_up(step: Step, found: torch.Tensor, like: Pairs) -> torch.Tensor:
    """``[rows, ...]`` with its rows where the batch is."""
    if found.shape[0] == 1:
        return found[0]
    batch = step.batch_axis(like.shape)
    assert batch is not None
    while found.dim() - 1 < len(like.shape):
        found = found.unsqueeze(1)
    return found.squeeze(batch + 1).movedim(0, batch)


def _at(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    """``[rows, *shape]`` of a node whose axes of time have these frame numbers; shared between layers."""
    key = ("grid", node, tuple(sorted((axis, numbers.name) for axis, numbers in axes.items())))
    found: torch.Tensor = at.step.once(key, lambda: _computed(at, node, axes))
    return found


def _computed(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    if not axes:
        return _constant(at, node)
    rule = _RULES.get(node.target)
    if rule is not None:
        found: torch.Tensor = rule(at, node, axes)
        return found
    if torch.Tag.pointwise in getattr(node.target, "tags", ()) or node.target in ELEMENTWISE:
        return _elementwise(at, node, axes)
    raise _unknown(at, node)


def _unknown(at: At, node: torch.fx.Node) -> Exception:
    return at.step.refuse(
        f"a mask or bias over frames is made with {node.target}, which is not followed frame by frame",
        "make it with arange, comparisons, tril, triu or slices of a table",
    )


def _constant(at: At, node: torch.fx.Node) -> torch.Tensor:
    """A value without time."""
    value, fact = at.step.found[node]
    if any(mentions(size, at.step.captured.batch) for size in at.step.captured.shape(node.meta["val"])):
        raise _unknown(at, node)
    tensor: torch.Tensor = at.step.weight(node.name, value) if getattr(fact, "constant", False) else value
    return tensor[None]


def _own(node: torch.fx.Node, axes: Axes, rank: int) -> Axes:
    """The axes of an operand that broadcasts against ``rank`` axes."""
    missing = rank - node.meta["val"].dim()
    return {axis - missing: numbers for axis, numbers in axes.items() if axis >= missing}


def _timed(at: At, node: torch.fx.Node, axes: Axes) -> Axes:
    """Those of the axes along which the node's shape has time: the others are of size one."""
    shape = at.step.captured.shape(node.meta["val"])
    return {axis: numbers for axis, numbers in axes.items() if mentions(shape[axis], at.step.captured.time)}


def _elementwise(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    rank = node.meta["val"].dim()

    def operand(source: torch.fx.Node) -> Any:
        value = source.meta.get("val")
        if not isinstance(value, torch.Tensor):
            return _plain(at, source)
        found = _at(at, source, _timed(at, source, _own(source, axes, rank)))
        while found.dim() <= rank and found.dim() > 1:
            found = found.unsqueeze(1)
        return found

    args: Any = torch.fx.node.map_arg(node.args, operand)
    kwargs: Any = torch.fx.node.map_arg(node.kwargs, operand)
    result: torch.Tensor = _op(node)(*args, **kwargs)
    return result


def _plain(at: At, node: torch.fx.Node) -> Any:
    size = at.step.captured.size(node.meta["val"])
    if mentions(size, at.step.captured.time):
        raise at.step.refuse(
            "a mask or bias over frames depends on the length of all time", "make it of distances between frames"
        )
    return at.step.size(size)


def _sizes(at: At, node: torch.fx.Node, axes: Axes) -> list[Any]:
    """The sizes of a node's value with these frame numbers, its rows apart; a batch is of one."""
    shape = at.step.captured.shape(node.meta["val"])
    return [axes[axis].values.shape[1] if axis in axes else at.step.size(size, 1) for axis, size in enumerate(shape)]


def _filled(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    given: Any = _FILLED[node.target]
    given = node.args[given] if isinstance(given, int) else float(given)
    if isinstance(given, torch.fx.Node):
        given = _plain(at, given)
    sizes = [1, *_sizes(at, node, axes)]
    return torch.full(sizes, given, dtype=node.meta["val"].dtype, device=at.step.device)


def _arange(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    named = _named(node)
    first, stride = named.get("start", 0), named.get("step", 1)
    numbers = axes[0].values
    if stride == 1 and isinstance(first, torch.fx.Node) and _counts_to_the_end(at, node, axes[0], 0):
        since = at.step.captured.size(first.meta["val"]) + at.step.captured.shape(node.meta["val"])[0]
        if axes[0].name[0] == "probes":
            return _unknown_values(numbers)
        if isinstance(since := simplest(since), int):
            return (numbers - numbers.amax(1, keepdim=True) + since - 1).to(node.meta["val"].dtype)
    if isinstance(first, torch.fx.Node) or isinstance(stride, torch.fx.Node):
        raise at.step.refuse("positions count from the end of the sequence (time)", "count from its start")
    value = numbers if stride == 1 else numbers * stride
    return (value if first == 0 else value + first).to(node.meta["val"].dtype)


def _named(node: torch.fx.Node) -> dict[str, Any]:
    schema = node.target._schema  # type: ignore[union-attr]
    named = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    named.update({a.name: value for a, value in zip(schema.arguments, node.args, strict=False)})
    return {**named, **node.kwargs}


def _first(node: torch.fx.Node) -> torch.fx.Node:
    """The tensor that an op takes first."""
    source = node.args[0]
    assert isinstance(source, torch.fx.Node)
    return source


def _op(node: torch.fx.Node) -> Any:
    return node.target


def _cut(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    """A slice: of a table, its rows at the frame numbers; of time, the same numbers counted from elsewhere."""
    named = _named(node)
    source = named["self"]
    assert isinstance(source, torch.fx.Node)
    before = at.step.captured.shape(source.meta["val"])
    dim, first = named["dim"] % len(before), named["start"] or 0
    if dim not in axes:
        found = _at(at, source, axes)
        piece: torch.Tensor = aten.slice.Tensor(found, dim + 1, first, named["end"], named["step"])
        return piece
    rest = {axis: own for axis, own in axes.items() if axis != dim}
    if _keeps_the_last(at, node, before[dim], dim) and _counts_to_the_end(at, node, axes[dim], dim):
        own = axes[dim].values
        places = own - own.amax(1, keepdim=True) + int(before[dim]) - 1
        read = _rows(_at(at, source, rest), dim + 1, places, int(before[dim]))
        return _unknown_values(read) if axes[dim].name[0] == "probes" else read
    if isinstance(first, torch.fx.Node) or first < 0 or named["step"] != 1:
        raise at.step.refuse("a table is read backwards or in strides of time", "read its rows in order")
    numbers = axes[dim].moved(first)
    if mentions(before[dim], at.step.captured.time):
        return _at(at, source, {**axes, dim: numbers})
    return _rows(_at(at, source, rest), dim + 1, numbers.values, int(before[dim]))


def _unknown_values(like: torch.Tensor) -> torch.Tensor:
    """Values of which nothing is known, not even that they are so low that a softmax gives them the weight zero."""
    return torch.full(like.shape, torch.nan, device=like.device)


def _keeps_the_last(at: At, node: torch.fx.Node, entries: Size, dim: int) -> bool:
    """True for a slice of a table of weights that keeps as many of its last rows as there are frames."""
    named, shape = _named(node), at.step.captured.shape(node.meta["val"])
    start, end = named["start"], named["end"]
    whole = named["step"] == 1 and (end is None or (isinstance(end, int) and end > 2**60))
    if not whole or not isinstance(start, torch.fx.Node) or not isinstance(entries, int):
        return False
    size = at.step.captured.size(start.meta["val"])
    return shape[dim] in (simplest(-1 * size), simplest(entries - size))


def _counts_to_the_end(at: At, node: torch.fx.Node, numbers: Numbers, dim: int) -> bool:
    """True where a value over keys may be counted from any frame: it is even, and what follows takes constants away."""
    if not at.step.planning:
        return True
    source = node.args[0] if node.target is aten.slice.Tensor else None
    even = source is None or grows_evenly(_constant(at, source)[0], dim)  # type: ignore[arg-type]
    return numbers.name[0] in ("keys", "probes") and even and ends_in_softmax(at.step, node)


def _rows(table: torch.Tensor, axis: int, numbers: torch.Tensor, entries: int) -> torch.Tensor:
    """``table`` along ``axis`` at int64[rows, frames], one set of numbers for each of its rows."""
    numbers = numbers.clamp(0, entries - 1)
    if table.shape[0] == 1:
        front = table[0].movedim(axis - 1, 0)
        return front[numbers].movedim(1, axis)
    shape = [1] * table.dim()
    shape[0], shape[axis] = numbers.shape
    sizes = list(table.shape)
    sizes[axis] = numbers.shape[1]
    return table.gather(axis, numbers.reshape(shape).expand(sizes))


def _triangle(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    named = _named(node)
    rank = node.meta["val"].dim()
    found = _at(at, named["self"], axes)
    rows, columns = axes[rank - 2].values[:, :, None], axes[rank - 1].values[:, None, :]
    distance = columns - rows
    kept = distance <= named["diagonal"] if node.target is aten.tril.default else distance >= named["diagonal"]
    while kept.dim() < found.dim():
        kept = kept.unsqueeze(1)
    return torch.where(kept, found, torch.zeros((), dtype=found.dtype, device=found.device))


def _same(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    source = _first(node)
    return _at(at, source, axes)


def _unsqueezed(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    source, dim = _first(node), _named(node)["dim"] % node.meta["val"].dim()
    return _at(at, source, {a - (a > dim): own for a, own in axes.items()}).unsqueeze(dim + 1)


def _squeezed(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    source = _first(node)
    shape = at.step.captured.shape(source.meta["val"])
    gone = [d for d in axes_of(_named(node).get("dim"), len(shape)) if shape[d] == 1]
    left = [axis for axis in range(len(shape)) if axis not in gone]
    return _at(at, source, {left[axis]: own for axis, own in axes.items()}).squeeze([d + 1 for d in gone])


def _permuted(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    source = _first(node)
    rank = node.meta["val"].dim()
    op: Any = node.target
    order = [size - 1 for size in op(torch.empty([n + 1 for n in range(rank)], device="meta"), *node.args[1:]).shape]
    found = _at(at, source, {order[axis]: own for axis, own in axes.items()})
    return found.permute([0, *(axis + 1 for axis in order)])


def _expanded(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    """Repetition along axes of size one; over time it is left to broadcasting."""
    source = _first(node)
    rank = node.meta["val"].dim()
    found = _at(at, source, _timed(at, source, _own(source, axes, rank)))
    while found.dim() <= rank:
        found = found.unsqueeze(1)
    sizes = _sizes(at, node, axes)
    return found.expand([-1, *sizes])


def _repeated(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    """``repeat``: of axes of size one an expansion."""
    before = list(at.step.captured.shape(_first(node).meta["val"]))
    counts: list[Any] = list(_named(node)["repeats"])
    before = [1] * (len(counts) - len(before)) + before
    if any(count != 1 and size != 1 for count, size in zip(counts, before, strict=True)):
        raise _unknown(at, node)
    return _expanded(at, node, axes)


def _viewed(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    source = _first(node)
    shape = at.step.captured.shape(source.meta["val"])
    timed = [axis for axis, size in enumerate(shape) if mentions(size, at.step.captured.time)]
    after = at.step.captured.shape(node.meta["val"])
    if [shape[axis] for axis in timed] != [after[axis] for axis in sorted(axes)]:
        raise _unknown(at, node)
    before = dict(zip(timed, (axes[axis] for axis in sorted(axes)), strict=True))
    return _at(at, source, before).reshape([-1, *_sizes(at, node, axes)])


def _looked_up(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    """``table[distance]``: an embedding or a table indexed by values over frames."""
    table, index = (node.args[0], node.args[1])
    if node.target is aten.index.Tensor:
        entries = list(_named(node)["indices"])
        if len(entries) != 1 or not isinstance(entries[0], torch.fx.Node):
            return _looked_up_in_several(at, node, entries, axes)
        index = entries[0]
    assert isinstance(table, torch.fx.Node)
    assert isinstance(index, torch.fx.Node)
    rows = _constant(at, table)[0]
    found = _at(at, index, _timed(at, index, axes))
    return rows[found]


def _looked_up_in_several(at: At, node: torch.fx.Node, entries: list[Any], axes: Axes) -> torch.Tensor:
    table = node.args[0]
    if not isinstance(table, torch.fx.Node) or not all(isinstance(entry, torch.fx.Node) for entry in entries):
        raise _unknown(at, node)
    rank = max(entry.meta["val"].dim() for entry in entries)
    found = []
    for entry in entries:
        index = _at(at, entry, _timed(at, entry, _own(entry, axes, rank)))
        while index.dim() <= rank:
            index = index.unsqueeze(1)
        found.append(index)
    return _constant(at, table)[0][tuple(found)]


def _linear(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    """A linear layer on positions: where a table bounds them, the rows of all of them are known at export."""
    rank = node.meta["val"].dim()
    if rank - 1 in axes:
        raise _unknown(at, node)
    entries = _entries(at, node, axes)
    if entries is None:
        return _linear_at(at, node, axes)
    (axis, numbers), made = next(iter(axes.items())), None
    if at.step.planning:
        all_rows = Numbers(("rows", entries), torch.arange(entries, device=at.step.device)[None])
        made = _linear_at(at, node, {axis: all_rows})
    return _rows(at.step.constant("rows", made), axis + 1, numbers.values, entries)


def _linear_at(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    source, weight, *bias = node.args
    operands = [_constant(at, item)[0] for item in (weight, *bias) if isinstance(item, torch.fx.Node)]
    assert isinstance(source, torch.fx.Node)
    return torch.nn.functional.linear(_at(at, source, axes), *operands)


def _entries(at: At, node: torch.fx.Node, axes: Axes) -> int | None:
    """How many frames a value with one axis of time has at the most; None where there is no bound."""
    most, step = at.step.captured.grids.most, at.step
    if most is None or len(axes) != 1:
        return None
    length = step.length(step.captured.shape(node.meta["val"])[next(iter(axes))])
    return None if length is None else int(most * length.ratio) + max(offset or 0 for offset in length.at)


def _put(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    """``mask[condition] = number``."""
    _, indices, value, *accumulate = node.args
    entries: Any = indices
    if len(entries) != 1 or any(accumulate) or not isinstance(value, torch.fx.Node) or value.meta["val"].dim():
        raise _unknown(at, node)
    (condition,) = entries
    if condition.meta["val"].dtype is not torch.bool or condition.meta["val"].shape != node.meta["val"].shape:
        raise _unknown(at, node)
    chosen, kept = _at(at, condition, axes), _at(at, _first(node), axes)
    return torch.where(chosen, _constant(at, value), kept)


def _counted(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    """``cumsum`` of ones: the places of the frames, counted from one."""
    named = _named(node)
    dim = named["dim"] % node.meta["val"].dim()
    if dim not in axes or not _is_filled(_first(node)):
        raise _unknown(at, node)
    if at.step.planning and not bool((at.step.captured.grids.whole(_first(node)) == 1).all()):
        raise _unknown(at, node)
    shape: list[Any] = [1] * (node.meta["val"].dim() + 1)
    numbers = axes[dim].values
    shape[0], shape[dim + 1] = numbers.shape
    return (numbers.reshape(shape) + 1).to(node.meta["val"].dtype)


def _is_filled(node: torch.fx.Node) -> bool:
    """True for one number everywhere, whatever views were taken of it."""
    while node.target in _KEEPING_FILLS:
        node = _first(node)
    return node.target in _FILLED


def _over_keys(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    """A softmax or a sum over keys: over all columns, those that have not come counting nothing."""
    source, named = _first(node), _named(node)
    shape = at.step.captured.shape(source.meta["val"])
    dims = axes_of(named["dim"], len(shape))
    softmax, dim = node.target is aten.softmax.int, dims[0]
    known = known_at_probes(at.step, source)
    counts_nothing = masked(known) if softmax else region_of(known, 0.0)
    if len(dims) != 1 or not mentions(shape[dim], at.step.captured.time) or counts_nothing is None:
        raise _unknown(at, node)
    read = (~counts_nothing).flatten(0, -3).any(0) if counts_nothing.dim() > 2 else ~counts_nothing
    reach = reach_of(read, probes_of(at.step, shape[dim])) if dim == len(shape) - 1 else None
    kept = softmax or named.get("keepdim", False)
    inner = {axis + (axis >= dim and not kept): own for axis, own in axes.items() if not kept or axis != dim}
    found = _at(at, source, {**inner, dim: at.keys})
    if not isinstance(reach, Reach) or reach.ahead or reach.block > 1 or at.history is not None:
        raise _unknown(at, node)
    if softmax:
        return found.softmax(dim + 1)
    return found.sum(dim + 1, keepdim=bool(kept), dtype=node.meta["val"].dtype)


def _concatenated(at: At, node: torch.fx.Node, axes: Axes) -> torch.Tensor:
    named, op = _named(node), _op(node)
    parts, dim = list(named["tensors"]), named["dim"] % node.meta["val"].dim()
    stacked = node.target is aten.stack.default
    if dim in axes:
        raise _unknown(at, node)
    inner = {axis - (stacked and axis > dim): own for axis, own in axes.items()}
    found = [_at(at, part, inner) for part in parts]
    if stacked:
        sizes = [max(part.shape[axis] for part in found) for axis in range(found[0].dim())]
        found = [part.expand(sizes) for part in found]
    joined: torch.Tensor = op(found, dim + 1)
    return joined


_FILLED = {**SHAPED, aten.zeros.default: "0", aten.ones.default: "1", aten.full.default: 1}
_KEEPING_FILLS = frozenset([aten._to_copy.default, aten.clone.default, aten.expand.default, aten.view.default])
_RULES: Mapping[Any, Any] = {
    **dict.fromkeys([aten.arange.default, aten.arange.start, aten.arange.start_step], _arange),
    **dict.fromkeys(_FILLED, _filled),
    aten.slice.Tensor: _cut,
    **dict.fromkeys([aten.tril.default, aten.triu.default], _triangle),
    **dict.fromkeys([aten.alias.default, aten.clone.default, aten.detach.default, aten.lift_fresh_copy.default], _same),
    aten.unsqueeze.default: _unsqueezed,
    **dict.fromkeys([aten.squeeze.default, aten.squeeze.dim, aten.squeeze.dims], _squeezed),
    **dict.fromkeys([aten.permute.default, aten.transpose.int, aten.t.default], _permuted),
    aten.expand.default: _expanded,
    aten.repeat.default: _repeated,
    **dict.fromkeys([aten.view.default, aten._unsafe_view.default], _viewed),
    **dict.fromkeys([aten.embedding.default, aten.index.Tensor], _looked_up),
    **dict.fromkeys([aten.cat.default, aten.stack.default], _concatenated),
    **dict.fromkeys([aten.softmax.int, aten.sum.dim_IntList], _over_keys),
    aten.index_put.default: _put,
    aten.linear.default: _linear,
    aten.cumsum.default: _counted,
}
