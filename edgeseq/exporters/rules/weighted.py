"""Softmax over all time, where it weighs frames that are then summed up: attention pooling (the prefix law).

The weights leave the softmax as ``exp(score - largest so far)``. Every op up to the sum over time is linear in them, so
the sum so far, kept in a state, is scaled by ``exp(largest before - largest so far)`` at each call, and divided by the
running sum of the weights when it is given (Milakov and Gimelshein, 2018, "Online normalizer calculation for softmax").
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch

from edgeseq.exporters.alignment import Dated, align, delay, past_end, ready, settle
from edgeseq.exporters.facts import Summary, Timed
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.rules.foreign import Rule
from edgeseq.exporters.rules.schema import result_shape, target
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import mentions

aten = torch.ops.aten
_TURNS = (aten.permute.default, aten.transpose.int, aten.t.default, aten.unsqueeze.default)
_SQUEEZES = (aten.squeeze.default, aten.squeeze.dim, aten.squeeze.dims)
_VIEWS = (aten.view.default, aten._unsafe_view.default)
_ALIKE = (aten.expand.default, aten.mul.Tensor, aten._to_copy.default, aten.clone.default, aten.alias.default)
_PRODUCTS = (aten.matmul.default, aten.bmm.default, aten.mm.default)
SOFTMAX = (aten.softmax.int, aten._softmax.default)


@dataclass(frozen=True)
class Weights:
    """The weights of a softmax on their way to a sum over time.

    ``path``: the ops between softmax and sum. ``scale``: what sums so far are multiplied by; ``total``: the sum of the
    weights so far; both float64 with one frame. ``fact`` and ``start`` are those of the weights and of their states.
    """

    source: torch.fx.Node
    path: tuple[torch.fx.Node, ...]
    scale: torch.Tensor
    total: torch.Tensor
    fact: Timed
    start: int


def weights(step: Step, fact: Timed, x: torch.Tensor) -> tuple[torch.Tensor, Timed]:
    """What a softmax over time gives to the sums that use it; refused where anything else does."""
    assert step.node is not None
    ends = _sums(step, step.node)
    if fact.folded or fact.rowed or (step.has_rows and not step.mentions_batch(fact.shape)):
        raise step.refuse(
            "it normalizes over positions, or over time folded with another axis", "give time its own axis"
        )
    x, fact, start = ready(step, x.to(step.node.meta["val"].dtype), fact, to_end=True)
    scores = past_end(step, x, fact, -float("inf"))[0] if step.flushes else x
    found, scale, total = online(step, scores, fact, start)
    for end, path in ends.items():
        step.weighed |= dict.fromkeys(path)
        step.weighed[end] = Weights(step.node, path, scale, total, fact, start)
    return found, fact.with_(shape=result_shape(step), reads=None, uniform=False, position=None)


def online(
    step: Step, scores: torch.Tensor, fact: Timed, start: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights of this call's frames, the scale of what was summed before, and the sum of weights so far."""
    axis = fact.axis
    shape = (*fact.shape[:axis], 1, *fact.shape[axis + 1 :])
    least = torch.full([1] * len(shape), -float("inf"), dtype=scores.dtype)
    top = step.state("max", kind="summary", shape=shape, dtype=scores.dtype, start=start, initial=least)
    total = step.state("total", kind="summary", shape=shape, dtype=torch.float64, start=start)
    top.next = torch.maximum(top.value, scores.amax(axis, True))
    # where all scores so far are -inf, their difference would be no number, and stay in the states
    base = torch.where(top.next.isinf(), torch.zeros_like(top.next), top.next)
    found, scale = torch.exp(scores - base), torch.exp((top.value - base).to(torch.float64))
    total.next = total.value * scale + found.to(torch.float64).sum(axis, True)
    return found, scale, total.next


def pooled_or(rule: Rule) -> Rule:
    """The rule of an op that may be the sum in which a softmax over time ends."""

    @functools.wraps(rule)
    def either(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        assert step.node is not None
        found = step.weighed.get(step.node)
        return rule(step, facts, *args, **kwargs) if found is None else _pooled(step, found, facts, args, kwargs)

    return either


def _pooled(step: Step, found: Weights, facts: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The weighted sum so far."""
    leaves = flatten(list(args))
    for i, fact in enumerate(flatten(list(facts))):
        if isinstance(fact, Timed):
            leaves[i] = _beside(step, found, leaves[i], fact)
    pieces = iter(leaves)
    given = [[next(pieces) for _ in item] if isinstance(item, (list, tuple)) else next(pieces) for item in args]
    now = target(step)(*given, **kwargs)
    shape = result_shape(step)
    state = step.state("weighted", kind="summary", shape=shape, dtype=torch.float64, start=found.start)
    state.next = state.value * _carried_along(step, found, found.scale) + now.to(torch.float64)
    value = state.next / _carried_along(step, found, found.total)
    return value.to(now.dtype), Summary(shape, found.fact.late_frames)


def _beside(step: Step, found: Weights, x: torch.Tensor, fact: Timed) -> torch.Tensor:
    """An operand of the sum as late as the weights, and nothing past the end."""
    x, fact = settle(step, x, fact)
    if fact.delay > found.fact.delay and not fact.uniform:
        raise step.refuse(
            "what a softmax over time weighs looks further ahead than its scores do",
            "compute the scores from the same frames",
        )
    x, fact = delay(step, x, fact, found.fact.delay - fact.delay)
    return past_end(step, x, fact, 0.0)[0] if step.flushes else x


def attended(
    step: Step, q: torch.Tensor, keys: Dated, values: Dated, mask: Dated | None, scale: float
) -> tuple[Any, Any]:
    """Attention of a query without time to all keys so far: ``[..., queries, size]`` by ``[..., time, size]``."""
    given = align(step, [keys, values, *([mask] if mask else [])])
    (k, fact, start), (v, value_fact, _), *masks = [ready(step, *item, to_end=True) for item in given]
    scores = (q * scale) @ k.transpose(-2, -1)
    for allowed, _, _ in masks:
        low = torch.full((), -float("inf"), dtype=scores.dtype, device=scores.device)
        scores = torch.where(allowed, scores, low) if allowed.dtype is torch.bool else scores + allowed
    shape = result_shape(step)
    fact = fact.with_(shape=(*shape[:-1], fact.shape[fact.axis]), axis=len(shape) - 1)
    if step.flushes:
        scores, v = past_end(step, scores, fact, -float("inf"))[0], past_end(step, v, value_fact, 0.0)[0]
    found, grown, total = online(step, scores, fact, start)
    state = step.state("weighted", kind="summary", shape=shape, dtype=torch.float64, start=start)
    state.next = state.value * grown + (found @ v).to(torch.float64)
    return (state.next / total).to(v.dtype), Summary(shape, fact.late_frames)


def _carried_along(step: Step, found: Weights, one: torch.Tensor) -> torch.Tensor:
    """One frame of the weights' shape, so shaped that it broadcasts against the sum."""
    before = found.source
    for node in found.path:
        if node.target in _TURNS:
            one = node.target(one, *node.args[1:])
        elif node.target in _SQUEEZES:
            rank = len(before.meta["val"].shape)
            one = one.squeeze([axis for axis in range(rank) if before.meta["val"].shape[axis] == 1])
        elif node.target in _VIEWS:
            one = one.expand(_one_frame(step, before)).reshape(_one_frame(step, node))
        else:
            missing = len(node.meta["val"].shape) - one.dim()
            one = one.reshape([1] * missing + list(one.shape))
        before = node
    assert step.node is not None
    if step.node.target is aten.sum.dim_IntList:
        return one if _keeps(step.node) else one.squeeze(_time_axis(step, before) or 0)
    return _labelled(step.node, before, one) if step.node.target is aten.einsum.default else one


def _labelled(node: torch.fx.Node, operand: torch.fx.Node, one: torch.Tensor) -> torch.Tensor:
    inputs, _, output = str(node.args[0]).replace(" ", "").partition("->")
    own = inputs.split(",")[list(node.args[1]).index(operand)]  # type: ignore[arg-type]
    kept = [label for label in own if label in output]
    ordered = one.squeeze([own.index(label) for label in own if label not in output])
    ordered = ordered.permute([kept.index(label) for label in output if label in kept])
    for axis, label in enumerate(output):
        ordered = ordered if label in kept else ordered.unsqueeze(axis)
    return ordered


def _one_frame(step: Step, node: torch.fx.Node) -> list[Any]:
    """The sizes of a captured value in this call, with one frame."""
    shape = step.captured.shape(node.meta["val"])
    return [1 if mentions(size, step.captured.time) else step.size(size) for size in shape]


def _time_axis(step: Step, node: torch.fx.Node) -> int | None:
    """The axis that is time and nothing else; None where there is none, or several."""
    shape = step.captured.shape(node.meta["val"])
    axes = [axis for axis, size in enumerate(shape) if mentions(size, step.captured.time)]
    alone = len(axes) == 1 and step.captured.length(shape[axes[0]]) is not None
    return axes[0] if alone else None


def _sums(step: Step, source: torch.fx.Node) -> dict[torch.fx.Node, tuple[torch.fx.Node, ...]]:
    """The sums over time in which every use of a softmax ends, with the ops in between."""
    ends: dict[torch.fx.Node, tuple[torch.fx.Node, ...]] = {}
    met: set[torch.fx.Node] = {source}
    waiting: list[tuple[torch.fx.Node, tuple[torch.fx.Node, ...]]] = [(source, ())]
    while waiting:
        node, path = waiting.pop()
        if step.is_output(node) or not node.users:
            raise _not_pooled(step)
        for user in node.users:
            several = user in step.weighed or sum(given in met for given in user.all_input_nodes) > 1
            if several or user in met or _time_axis(step, node) is None:
                raise _not_pooled(step)
            if _is_a_sum(step, user, node):
                ends[user] = path
            elif user.target in (*_TURNS, *_SQUEEZES, *_VIEWS, *_ALIKE):
                waiting.append((user, (*path, user)))
            else:
                raise _not_pooled(step)
            met.add(user)
    return ends


def _not_pooled(step: Step) -> Exception:
    return step.refuse(
        "it takes statistics over all time and uses them before the end of the time axis",
        "normalize over features, or sum the weighted frames over time",
    )


def _is_a_sum(step: Step, user: torch.fx.Node, node: torch.fx.Node) -> bool:
    """Whether a node sums over time, and over nothing else, what another gives it."""
    axis, rank = _time_axis(step, node), len(node.meta["val"].shape)
    if user.target is aten.sum.dim_IntList:
        dims: Any = user.args[1]
        return [dim % rank for dim in dims or []] == [axis]
    if user.target is aten.einsum.default:
        inputs, _, output = str(user.args[0]).replace(" ", "").partition("->")
        operands: Any = user.args[1]
        label = inputs.split(",")[operands.index(node)][axis or 0] if "." not in inputs else ""
        return bool(output) and set(inputs) - {","} - set(output) == {label}
    if user.target not in _PRODUCTS or user.args[0] is user.args[1]:
        return False
    ranks = {len(operand.meta["val"].shape) for operand in user.all_input_nodes}
    return len(ranks) == 1 and axis == (rank - 1 if user.args[0] is node else rank - 2)


def _keeps(node: torch.fx.Node) -> bool:
    return bool(node.args[2]) if len(node.args) > 2 else bool(node.kwargs.get("keepdim", False))
