"""What every rule owes, looked at after each one while the step is planned: a slip is named where it was made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from edgeseq.errors import RuleError
from edgeseq.exporters.facts import Fact, Pairs, Static, Summary, Timed
from edgeseq.exporters.keys import pair_sizes
from edgeseq.exporters.origin import op_name
from edgeseq.exporters.plan import Carried
from edgeseq.exporters.rules.foreign import Rule, origin_of
from edgeseq.exporters.step import Step


def check_result(step: Step, rule: Rule, found: Any, carried_before: Iterable[str]) -> tuple[Any, Any]:
    """The pair that a rule returned; RuleError where it is none, or contradicts the capture or itself.

    ``carried_before`` names the states that there were before the rule ran.
    """
    assert step.node is not None
    if not isinstance(found, tuple) or len(found) != 2:
        raise _broken(step, rule, "it returned something else than a value and its fact", type(found).__name__)
    value, fact = found
    captured = step.node.meta["val"]
    if isinstance(captured, (tuple, list)):
        _check_several(step, rule, value, fact, captured)
    else:
        _check_one(step, rule, value, fact, captured)
    for name in step.carried.keys() - set(carried_before):
        _check_state(step, rule, name, step.carried[name])
    return value, fact


def _check_several(step: Step, rule: Rule, values: Any, facts: Any, captured: Any) -> None:
    lists = isinstance(values, (list, tuple)) and isinstance(facts, (list, tuple))
    if not lists or not len(values) == len(facts) == len(captured):
        raise _broken(step, rule, "it must return a list of values and a list of facts", wanted=f"{len(captured)} each")
    for value, fact, one in zip(values, facts, captured, strict=True):
        if fact is not None:
            _check_one(step, rule, value, fact, one)


def _check_one(step: Step, rule: Rule, value: Any, fact: Any, captured: torch.Tensor) -> None:
    if not isinstance(value, torch.Tensor) or not isinstance(fact, (Timed, Summary, Static, Pairs)):
        got = f"{type(value).__name__}, {type(fact).__name__}"
        raise _broken(step, rule, "it must return a tensor and a Timed, Summary or Static fact", got)
    shape = step.captured.shape(captured)
    if fact.shape != shape:
        raise _broken(step, rule, "its fact has another shape than the whole sequence", list(fact.shape), list(shape))
    wanted = _sizes(step, fact)
    if list(value.shape) != wanted:
        raise _broken(step, rule, f"the value does not have the shape that {fact} says", list(value.shape), wanted)
    if value.dtype != captured.dtype:
        raise _broken(step, rule, "the value has another dtype than the whole sequence", value.dtype, captured.dtype)


def _sizes(step: Step, fact: Fact) -> list[Any]:
    """The sizes that a value of this fact must have in this call."""
    if isinstance(fact, Pairs):
        return pair_sizes(step, fact)
    if not isinstance(fact, Timed):
        return step.sizes(fact, None)
    rows = (step.batch if step.has_rows else 1) if fact.rowed else None
    return step.sizes(fact, step.frames_of(fact), rows)


def _check_state(step: Step, rule: Rule, name: str, state: Carried) -> None:
    if state.next is None:
        raise _broken(step, rule, f"it asked for the state {name} and never said what it becomes", wanted="state.next")
    before, after = ((tuple(tensor.shape), tensor.dtype) for tensor in (state.value, state.next))
    if before != after:
        raise _broken(step, rule, f"the state {name} changes its shape or dtype", after, before)


def _broken(step: Step, rule: Rule, why: str, got: object = None, wanted: object = None) -> RuleError:
    assert step.node is not None
    return RuleError(
        f"the streaming rule of {op_name(step.node)} is broken",
        where=origin_of(rule),
        why=why,
        got=got if got is None else step.worded(str(got)),
        wanted=wanted if wanted is None else step.worded(str(wanted)),
        do="see docs/rules.md for what a rule owes",
    )
