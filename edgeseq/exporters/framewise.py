"""Replaying an op that treats every frame alike: in the stream, on the heads, and row by row for positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import torch

from edgeseq.exporters.alignment import align, frames_in, settle
from edgeseq.exporters.copies import copied_in
from edgeseq.exporters.facts import Fact, Place, Scalar, Static, Summary, Timed
from edgeseq.exporters.symbols import Shape, quotient

if TYPE_CHECKING:
    from edgeseq.exporters.step import Step

#: ``op(sizes, *args)``: ``sizes(fact)`` looks up the sizes that a value of this fact has in this call.
Op = Callable[..., Any]
Rows = Literal["map", "broadcast", "leading"]
LENGTH_BEFORE_ITS_END = (
    "it uses the length of the whole sequence (time) before its end",
    "use the number of frames so far, or return a value without a time axis",
)


def flatten(tree: Any) -> list[Any]:
    """The leaves of nested lists and tuples, left to right."""
    if isinstance(tree, (list, tuple)):
        return [leaf for item in tree for leaf in flatten(item)]
    return [tree]


def rebuild(tree: Any, leaves: list[Any]) -> Any:
    """``tree`` with its leaves replaced, taken from the front of ``leaves``."""
    if isinstance(tree, (list, tuple)):
        return [rebuild(item, leaves) for item in tree]
    return leaves.pop(0)


def framewise(
    step: Step,
    facts: Sequence[Any],
    args: Sequence[Any],
    *,
    place: Place,
    op: Op,
    shape: Shape | None = None,
    rows: Rows = "map",
    position: tuple[int, int] | None = None,
) -> tuple[Any, Timed]:
    """Replay an op that mixes no frames.

    ``args`` may nest lists; timed values among them are brought to one delay first. ``place`` is where time is in the
    result, ``shape`` the result's captured shape (by default the current node's). ``rows``: how positions,
    one row per stream, go through the op: mapped over, lined up with the batch by the broadcasting rules, or as one
    more leading axis that the op does not mind.
    """
    assert step.node is not None
    shape = step.captured.shape(step.node.meta["val"]) if shape is None else shape
    leaves, leaf_facts = flatten(args), flatten(facts)
    if any(isinstance(leaf, Scalar) for leaf in leaves):
        raise step.refuse(*LENGTH_BEFORE_ITS_END)
    timed = [i for i, fact in enumerate(leaf_facts) if isinstance(fact, Timed)]
    if place.outer != 1 or place.inner != 1:
        for i in timed:
            leaves[i], leaf_facts[i] = copied_in(step, leaves[i], leaf_facts[i])
    dated = align(step, [(leaves[i], leaf_facts[i]) for i in timed])
    if any(fact.head for _, fact in dated) and _any_depends_on_input(leaves, leaf_facts):
        dated = align(step, [settle(step, value, fact) for value, fact in dated])
    for i, (value, fact) in zip(timed, dated, strict=True):
        leaves[i], leaf_facts[i] = value, fact
    first = next((fact for _, fact in dated if not fact.uniform), dated[0][1])
    scaled = _scale(step, first, shape, place)
    frames = frames_in(step, *dated[[fact for _, fact in dated].index(first)])
    result_frames = _rescaled(frames, first, scaled)
    value, rowed = _run(step, op, args, leaves, leaf_facts, scaled, result_frames, rows)
    fact = scaled.with_(
        rowed=rowed,
        uniform=all(fact.uniform for _, fact in dated),
        position=position if scaled.ratio == first.ratio else None,
        reads=_gathered(_union(dated), first, scaled),
        copied=first.copied,
    )
    return value, _head(step, op, args, leaves, leaf_facts, first, fact)


def _scale(step: Step, first: Timed, shape: Shape, place: Place) -> Timed:
    """The result's fact; its length may be a multiple or a fraction of the operand's (a reshape that divides time)."""
    axis, outer, inner = place
    whole = quotient(shape[axis], outer) if outer != 1 else shape[axis]
    size = quotient(whole, inner) if inner != 1 and whole is not None else whole
    length = step.captured.length(size) if size is not None else None
    if length is None:
        raise step.refuse(
            f"the length {shape[axis]} is not a whole number of frames for every input length",
            "keep time in an axis of its own",
        )
    delay = first.delay * length.ratio / first.ratio
    return Timed(shape=shape, axis=axis, delay=int(delay), length=length, outer=outer, inner=inner)


def _union(dated: list[tuple[Any, Timed]]) -> tuple[Fraction, Fraction] | None:
    spans = [fact.reads for _, fact in dated]
    known = [span for span in spans if span is not None]
    return (min(s[0] for s in known), max(s[1] for s in known)) if len(known) == len(spans) else None


def _gathered(span: tuple[Fraction, Fraction] | None, old: Timed, new: Timed) -> tuple[Fraction, Fraction] | None:
    """What a frame reads when it gathers several of the operand's frames."""
    group = old.ratio / new.ratio
    return span if span is None or group <= 1 else (span[0], span[1] + (group - 1) / old.ratio)


def _rescaled(frames: Any, old: Timed, new: Timed) -> Any:
    factor = new.ratio / old.ratio
    return frames if factor == 1 else frames * factor.numerator // factor.denominator


def _any_depends_on_input(leaves: list[Any], facts: list[Any]) -> bool:
    return any(
        isinstance(fact, Static) and not fact.constant and isinstance(leaf, torch.Tensor)
        for leaf, fact in zip(leaves, facts, strict=True)
    )


def _run(
    step: Step,
    op: Op,
    args: Sequence[Any],
    leaves: list[Any],
    facts: list[Any],
    result: Timed,
    frames: Any,
    rows: Rows,
) -> tuple[Any, bool]:
    rowed = any(isinstance(fact, Timed) and fact.rowed for fact in facts)
    if rowed and rows == "map" and _shares_batch(step, result.shape):
        leaves = [_lined_up(step, leaf, fact, result.shape) for leaf, fact in zip(leaves, facts, strict=True)]
        rowed = False
    if rowed and rows == "broadcast":
        leaves = [_lined_up(step, leaf, fact, result.shape) for leaf, fact in zip(leaves, facts, strict=True)]
    if not rowed or rows != "map":
        value = op(lambda fact: step.sizes(fact, frames), *rebuild(list(args), list(leaves)))
        return value, rowed and not step.mentions_batch(result.shape)
    return _by_rows(step, op, args, leaves, facts, result, frames)


def _shares_batch(step: Step, shape: Shape) -> bool:
    """True where batch has no axis of its own in the shape, but a share of one."""
    return step.batch_axis(shape) is None and step.mentions_batch(shape)


def _lined_up(step: Step, leaf: Any, fact: Fact | None, shape: Shape) -> Any:
    """A rowed operand with its row axis where the result has its batch axis, or in front of all the result's axes."""
    if not isinstance(fact, Timed) or not fact.rowed:
        return leaf
    batch = step.batch_axis(shape)
    if _shares_batch(step, shape):
        return leaf[0]  # where batch shares its axis with another, all rows keep step
    missing = len(shape) - len(fact.shape)
    if batch is not None and batch >= missing:
        return leaf.squeeze(batch - missing + 1).movedim(0, batch - missing)
    for _ in range(missing if batch is None else missing - batch - 1):
        leaf = leaf.unsqueeze(1)
    return leaf


def _by_rows(
    step: Step, op: Op, args: Sequence[Any], leaves: list[Any], facts: list[Any], result: Timed, frames: Any
) -> tuple[Any, bool]:
    """Replay under ``vmap``: every row of the batch has its own position, so each is a batch of one."""
    batch_out = step.batch_axis(result.shape)
    mapped = [_row_axis(step, leaf, fact) for leaf, fact in zip(leaves, facts, strict=True)]
    tensors = [leaf for leaf, where in zip(leaves, mapped, strict=True) if where is not None]

    def one_row(*rows: torch.Tensor) -> Any:
        waiting = list(rows)
        filled = []
        for leaf, fact, where in zip(leaves, facts, mapped, strict=True):
            if where is None:
                filled.append(leaf)
                continue
            row = waiting.pop(0)
            rowed = isinstance(fact, Timed) and fact.rowed
            filled.append(row if rowed else row.unsqueeze(where))
        value = op(lambda fact: step.sizes(fact, frames, batch=1), *rebuild(list(args), filled))
        return value if batch_out is None else value.squeeze(batch_out)

    value = torch.vmap(one_row, in_dims=tuple(w for w in mapped if w is not None), out_dims=batch_out or 0)(*tensors)
    return value, batch_out is None


def _row_axis(step: Step, leaf: Any, fact: Fact | None) -> int | None:
    if not isinstance(leaf, torch.Tensor) or fact is None or isinstance(fact, Scalar):
        return None
    if isinstance(fact, Timed) and fact.rowed:
        return 0
    axis = step.batch_axis(fact.shape)
    if axis is None and step.mentions_batch(fact.shape):
        raise step.refuse("positions meet a value whose batch shares an axis", "keep batch in an axis of its own")
    return axis


def _head(
    step: Step, op: Op, args: Sequence[Any], leaves: list[Any], facts: list[Any], first: Timed, fact: Timed
) -> Timed:
    if first.head is None:
        return fact
    count = _rescaled(first.head.frames, first, fact)

    def run(_: torch.Tensor, frames: int) -> Any:
        heads = [
            f.head.value if isinstance(f, Timed) and f.head else leaf for leaf, f in zip(leaves, facts, strict=True)
        ]
        return op(lambda f: step.sizes(f, frames, batch=1), *rebuild(list(args), heads))

    return step.on_head(fact, first.head, run, count)


def _takes_tensors(step: Step, argument: int) -> bool:
    """True where the op would take a tensor in place of this number."""
    assert step.node is not None
    schema = step.node.target._schema  # type: ignore[union-attr]
    return argument < len(schema.arguments) and str(schema.arguments[argument].type) == "Tensor"


def on_summaries(step: Step, facts: Sequence[Any], args: Sequence[Any], shape: Shape, op: Op) -> tuple[Any, Summary]:
    """Replay an op on values without a frame axis; the length T among its arguments becomes the frames so far."""
    leaves, leaf_facts = flatten(args), flatten(facts)
    for i, fact in enumerate(leaf_facts):
        if isinstance(fact, Scalar) and isinstance(leaves[i], Scalar):
            if not _takes_tensors(step, i):
                raise step.refuse("the length of time is used where only a plain number fits", "use tensor arithmetic")
            length = step.captured.length(fact.size)
            if length is None:
                raise step.refuse(f"the number {fact.size} is computed from the length", "use the length itself")
            leaves[i] = step.over_batch(step.count(length), shape)
    delay = max((fact.delay for fact in leaf_facts if isinstance(fact, Summary)), default=0)
    value = op(lambda fact: step.sizes(fact, None), *rebuild(list(args), leaves))
    known = [fact.known for fact in leaf_facts if isinstance(fact, Summary)]
    early = [count for count in known if count is not None]
    scalars = any(isinstance(fact, Scalar) for fact in leaf_facts)
    return value, Summary(shape, delay, max(early) if known and len(early) == len(known) and not scalars else None)
