"""The first frames of all: kept from when they come, and written over the first frames of other values.

``x[:, :n]`` is final once its frames have come. What meets it later waits until then, and takes it for a value that was
known from the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from edgeseq.errors import NotStreamable
from edgeseq.exporters.alignment import delay, settle
from edgeseq.exporters.copies import call_at
from edgeseq.exporters.facts import Facts, Static, Summary, Timed
from edgeseq.exporters.framewise import flatten, rebuild
from edgeseq.exporters.rules.schema import result_shape
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Shape

aten = torch.ops.aten

#: Ops that read of their first operand nothing but its shape.
SHAPE_ONLY = frozenset(
    [
        aten.zeros_like.default,
        aten.ones_like.default,
        aten.full_like.default,
        aten.empty_like.default,
        aten.new_zeros.default,
        aten.new_ones.default,
        aten.new_full.default,
        aten.new_empty.default,
        aten.copy.default,
        aten.fill.Tensor,
    ]
)


def kept(step: Step, x: torch.Tensor, fact: Timed, first: int, frames: int, *, keepdim: bool = True) -> Any:
    """Frames ``first`` to ``first + frames - 1`` of all time, in a state from the call in which the last one comes."""
    if fact.folded or fact.rowed:
        raise step.refuse("it takes frames of time folded with another axis", "give time an axis of its own")
    x, fact = settle(step, x, fact)
    axis, place, call = fact.axis, fact.delay + first, int(step.multiple * fact.ratio)
    late = int((place + frames - 1) // fact.ratio)
    made = Summary(result_shape(step), fact.late_frames, late + 1)
    shape = (*fact.shape[:axis], frames, *fact.shape[axis + 1 :])
    if _only_shape_is_read(step):
        value = x.new_zeros(step.sizes(Static(shape), None))
    else:
        value = _held(step, x, fact, shape, place, (place + frames - 1) // call * call)
    return (value if keepdim else value.squeeze(axis)), made


def _only_shape_is_read(step: Step) -> bool:
    assert step.node is not None
    reads = [(user.target, user.args[1:]) for user in step.node.users]
    return not step.is_output(step.node) and all(op in SHAPE_ONLY and step.node not in rest for op, rest in reads)


def _held(step: Step, x: torch.Tensor, fact: Timed, shape: Shape, place: int, begin: int) -> torch.Tensor:
    """Frames from ``place`` on, taken in the call that begins with frame ``begin`` and holds the last of them."""
    axis, earlier, joined = fact.axis, max(0, begin - place), x
    if earlier:
        line_shape = (*shape[:axis], earlier, *shape[axis + 1 :])
        line = step.state("line", kind="delay", shape=line_shape, dtype=x.dtype)
        joined = torch.cat([line.value, x], axis)
        line.next = aten.slice.Tensor(joined, axis, -earlier)
    taken = joined.narrow(axis, earlier + place - begin, int(shape[axis]))
    state = step.state("first", kind="summary", shape=shape, dtype=x.dtype)
    state.next = torch.where(call_at(step, fact, int(begin / fact.ratio)), taken, state.value)
    return state.next


def after_known(step: Step, x: torch.Tensor, fact: Timed, known: int, frames: int = 0) -> tuple[torch.Tensor, Timed]:
    """The value so late that ``frames`` frames before its first one, all that is known after ``known`` is known."""
    begin = (known - 1) // step.multiple * step.multiple
    if fact.uniform and begin == 0:
        return x, fact
    x, fact = settle(step, x, fact)
    return delay(step, x, fact, max(0, int(begin * fact.ratio) + frames - fact.delay))


def needs_all_time(step: Step) -> NotStreamable:
    """The refusal of a value that is final at the end of time alone and meets frames before it."""
    return step.refuse(
        "it needs the whole sequence before its first frame: a statistic over all time is used before its end",
        "use a running statistic, or return the summary instead of mixing it back into the frames",
    )


def with_known(step: Step, facts: Facts, args: Sequence[Any]) -> tuple[Facts, list[Any]]:
    """Operands for a rule: first frames as values known from the start, frames so late that they are."""
    leaves, leaf_facts = flatten(list(args)), flatten(list(facts))
    known = max((fact.known or 0 for fact in leaf_facts if isinstance(fact, Summary)), default=0)
    if known == 0:
        return facts, list(args)
    timed = [fact for fact in leaf_facts if isinstance(fact, Timed)]
    if known > step.multiple and all(fact.uniform for fact in timed):
        raise step.refuse("it spreads frames over time that come after its first one", "spread the first frame alone")
    for i, fact in enumerate(leaf_facts):
        if isinstance(fact, Timed):
            leaves[i], leaf_facts[i] = after_known(step, leaves[i], fact, known)
        elif isinstance(fact, Summary):
            leaf_facts[i] = Static(fact.shape, conditioned=True)
    return facts.replaced(step.node, rebuild(list(facts), leaf_facts)), rebuild(list(args), leaves)


def written(
    step: Step, x: torch.Tensor, fact: Timed, piece: torch.Tensor, first: int, frames: int, *, streamed: bool = False
) -> torch.Tensor:
    """The value with its ``frames`` frames from ``first`` on replaced by ``piece``, which is known by then.

    ``piece`` holds those frames; ``streamed``: it is a stream of the value's delay and shape that does.
    """
    axis, call = fact.axis, int(step.multiple * fact.ratio)
    begin = (fact.delay + first) // call * call
    offset = fact.delay + first - begin
    if offset + frames <= call:
        index = torch.arange(x.shape[axis], device=step.device) - offset
        at = index.reshape([-1 if place == axis else 1 for place in range(x.dim())])
        known = call_at(step, fact, int(begin / fact.ratio)) & (at >= 0) & (at < frames)
        if not streamed and frames > 1:
            piece = piece.index_select(axis, index.clamp(0, frames - 1))
        return torch.where(known, piece, x)
    places = step.places(fact.ratio, x.shape[axis]) - (fact.delay + first)
    if not streamed:
        rows = step.over_rows(places.clamp(0, frames - 1), fact).expand(x.shape)
        piece = piece.expand(step.sizes(fact, frames)).gather(axis, rows)
    return torch.where(step.over_rows((places >= 0) & (places < frames), fact), piece, x)
