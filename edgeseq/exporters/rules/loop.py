"""Loops over time that were rolled up: every turn of the body takes its frames and the values carried to it.

A call holds as few frames as it may, so that the body stands in the step as the user wrote it, without a loop.
"""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.contract import Initial
from edgeseq.exporters.alignment import align, ready
from edgeseq.exporters.copies import call_at
from edgeseq.exporters.facts import Fact, Static, Summary, Timed
from edgeseq.exporters.loops.loop_op import Body, body_of
from edgeseq.exporters.plan import Carried
from edgeseq.exporters.rules.loop_bodies import Turn, check_stacks
from edgeseq.exporters.rules.schema import result_shape
from edgeseq.exporters.step import Step


def loop(
    step: Step,
    facts: Any,
    frames: list[torch.Tensor],
    initials: list[torch.Tensor],
    constants: list[torch.Tensor],
    sizes: list[Any],
    key: str,
) -> tuple[Any, Any]:
    """Stream a loop over time: a state per carried value."""
    body = body_of(key)
    step.plan.max_frames = step.multiple
    if any(not isinstance(fact, Static) for fact in [*facts["constants"], *facts["sizes"]] if fact is not None):
        raise step.refuse(
            "its body reads a whole sequence, or its length, in every turn",
            "give the body this turn's frame, or pass what it reads as an input without time",
        )
    check_stacks(step, body, facts["constants"])
    frames, fact, start = _ready(step, body, frames, facts["frames"])
    carried = [_state(step, body, i, initials, facts["initials"], start) for i in range(len(body.names))]
    begun = [_begun(step, i, initials[i], state.value, start) for i, state in enumerate(carried)]
    stored, values = _run(step, body, frames, begun, [*constants, *sizes])
    for state, value in zip(carried, values, strict=True):
        state.next = value
    results = [
        fact.with_(shape=result_shape(step, i), axis=axis, position=None, uniform=False, reads=None)
        for i, axis in enumerate(body.store_axes)
    ]
    return [*stored, *values], [*results, *([None] * len(values))]


def _ready(
    step: Step, body: Body, frames: list[torch.Tensor], facts: list[Fact]
) -> tuple[list[torch.Tensor], Timed, int]:
    """The sequences at one delay, from whose first real frame on all states start."""
    timed = [fact for fact in facts if isinstance(fact, Timed)]
    if len(timed) < len(facts) or any(fact.axis != axis for fact, axis in zip(timed, body.frame_axes, strict=True)):
        raise step.refuse(
            "it loops over another axis than time",
            "keep time in an axis of its own, and loop over an axis of fixed size in Python, which is unrolled",
        )
    if any(fact.folded for fact in timed):
        raise step.refuse("it loops over time folded with another axis", "give time an axis of its own")
    if any(fact.rowed for fact in timed):
        raise step.refuse("it loops over positions alone", "add them to the frames before the loop")
    if len({fact.length for fact in timed}) > 1:
        raise step.refuse("its sequences have different lengths", "cut them to one length")
    dated = align(step, list(zip(frames, timed, strict=True)))
    dated = [ready(step, *item)[:2] for item in dated]
    dated = align(step, dated)
    first = next((fact for _, fact in dated if not fact.uniform), dated[0][1])
    return [value for value, _ in dated], first, step.start_of(first) or 0


def _run(
    step: Step, body: Body, frames: list[torch.Tensor], carried: list[torch.Tensor], others: list[Any]
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """All turns of a call, whose number is known while a step is traced."""
    stored: list[list[torch.Tensor]] = [[] for _ in body.store_axes]
    for t in range(frames[0].shape[body.frame_axes[0]]):
        now = [value.select(axis, t) for value, axis in zip(frames, body.frame_axes, strict=True)]
        results, carried = body.parted(Turn(step, body).run(*now, *carried, *others))
        for parts, value in zip(stored, results, strict=True):
            parts.append(value)
    return [torch.stack(parts, axis) for parts, axis in zip(stored, body.store_axes, strict=True)], carried


def _state(step: Step, body: Body, index: int, initials: list[torch.Tensor], facts: list[Fact], start: int) -> Carried:
    shape = result_shape(step, len(body.store_axes) + index)
    return step.state(
        body.names[index],
        kind="recurrent",
        shape=shape,
        dtype=step.node.meta["val"][len(body.store_axes) + index].dtype,  # type: ignore[union-attr]
        start=start,
        initial=_initial(step, index, initials[index], facts[index], shape),
    )


def _initial(step: Step, index: int, value: torch.Tensor, fact: Fact, shape: Any) -> torch.Tensor | Initial | None:
    """What a value is before the first turn: known at export and the same for every row, or what an input makes it."""
    if not isinstance(fact, Static):
        raise step.refuse(
            "what it carries begins with something that depends on the frames",
            "begin with zeros, a parameter, an input without time, or what the first frames make",
        )
    if _of_first_frames(step, index):
        return None
    if not fact.conditioned:
        return value.expand([step.size(size) for size in shape]) if step.planning else None
    return step.initial_of(_initial_node(step, index))


def _initial_node(step: Step, index: int) -> Any:
    return step.node.args[1][index]  # type: ignore[union-attr, index]


def _of_first_frames(step: Step, index: int) -> bool:
    """Whether a carried value begins with what the first frames made: they are known when the loop starts."""
    return isinstance(step.found[_initial_node(step, index)][1], Summary)


def _begun(step: Step, index: int, initial: torch.Tensor, carried: torch.Tensor, start: int) -> torch.Tensor:
    """What is carried into this call; into the first one what the first frames made."""
    if not _of_first_frames(step, index):
        return carried
    shape = step.captured.shape(_initial_node(step, index).meta["val"])
    return torch.where(call_at(step, Static(shape), start), initial, carried)


RULES = {torch.ops.edgeseq.loop.default: loop}
