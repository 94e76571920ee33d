"""Bidirectional recurrent layers with a bounded look-ahead, where the user asked for ``Lookahead``.

Every ``chunk`` frames (C) the backward half runs back over the last C + R frames and gives the first C of them. With
the R frames of input that came before the call in front, the windows of a call overlap by R::

    joined    |- - R - -|- - - C - - -|- - - C - - -|
    first     <-----------------------
    second                  <-----------------------       (begins C later)

They are a batch of their own: one call of the backward half, however many chunks a call holds.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from edgeseq.exporters.alignment import ready
from edgeseq.exporters.facts import Static, Timed
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.modes import Lookahead
from edgeseq.exporters.origin import module_path
from edgeseq.exporters.rules.recurrent_layers import Layers, run_layer
from edgeseq.exporters.rules.schema import result_is_used, result_shape
from edgeseq.exporters.step import Step
from edgeseq.exporters.step_ops import backward_layer

Dated = tuple[torch.Tensor, Timed]


def both_ways(
    step: Step,
    fact: Timed,
    hx_facts: list[Any],
    x: torch.Tensor,
    hx: list[torch.Tensor],
    weights: list[torch.Tensor],
    mode: str,
    has_biases: bool,
    num_layers: int,
    batch_first: bool,
) -> tuple[Any, Any]:
    """Stream a bidirectional stack layer by layer; its final states are refused."""
    asked = step.plan.lookahead
    assert asked is not None
    _check(step, fact, hx_facts, len(hx), asked)
    chunk, right = int(asked.chunk * fact.ratio), math.ceil(asked.frames * fact.ratio)
    if step.planning:
        _note(step, chunk, right)
    cells = _cells(weights, 2 * num_layers)
    halves = [
        Layers(step, [weight for cell in cells[direction::2] for weight in cell], mode, has_biases, 1)
        for direction in (0, 1)
    ]
    x, fact, _ = ready(step, x, fact)
    frames = x.transpose(0, 1) if batch_first else x
    at = fact.with_(axis=0, shape=(fact.shape[fact.axis], fact.shape[1 - fact.axis], fact.shape[2]))
    for layer in range(num_layers):
        frames, at, start = ready(step, frames, at)
        forward, at_forward = _forward(step, (frames, at), start, hx, halves[0], layer, num_layers)
        late = _after_earlier(step, forward, at_forward, right, "forward")[: forward.shape[0]]
        first = _initial(step, hx, halves[1], layer)
        backward = _backward(step, (frames, at), first, halves[1], layer, chunk, right)
        frames, at = torch.cat([late, backward], -1), _wider(at_forward, at.delay + right)
    y = frames.transpose(0, 1) if batch_first else frames
    changes = {"position": None, "uniform": False, "reads": None}
    made = fact.with_(shape=result_shape(step, 0), delay=at.delay, **changes)
    return [y, *(None for _ in hx)], [made, *(None for _ in hx)]


def _check(step: Step, fact: Timed, hx_facts: list[Any], states: int, asked: Lookahead) -> None:
    if any(result_is_used(step, 1 + which) for which in range(states)):
        raise step.refuse(
            "the final state of a backward half has run over all of time, from its end to its beginning",
            "use its outputs alone, or export with Window or Sequence",
        )
    if fact.folded or fact.rowed:
        raise step.refuse("it runs over time folded with another axis, or over positions", "give time its own axis")
    if any(not isinstance(item, Static) or item.conditioned for item in flatten(hx_facts)):
        raise step.refuse(
            "the initial state of its backward half changes with an input", "start it from zeros or a parameter"
        )
    if (asked.chunk * fact.ratio).denominator != 1:
        raise step.refuse(
            f"a chunk of {asked.chunk} is no whole number of frames here, where there are {fact.ratio} per frame",
            f"make chunk a multiple of {fact.ratio.denominator}",
        )


def _note(step: Step, chunk: int, right: int) -> None:
    """Write down which recurrent call is approximated, in the layer's own frames."""
    calls = [node for node in step.captured.graph.nodes if node.target is torch.ops.edgeseq.recurrent.default]
    assert step.node is not None
    name = module_path(step.node) or step.node.name
    step.plan.approximated.append({"call": calls.index(step.node), "name": name, "frames": right, "chunk": chunk})


def _cells(weights: list[torch.Tensor], count: int) -> list[list[torch.Tensor]]:
    """The weights of each cell: forward and backward halves take turns."""
    size = len(weights) // count
    return [weights[first : first + size] for first in range(0, len(weights), size)]


def _forward(
    step: Step, item: Dated, start: int, hx: list[torch.Tensor], half: Layers, layer: int, count: int
) -> Dated:
    """The forward half, which streams as any recurrent layer does."""
    frames, at = item
    carried = []
    for which, name in enumerate(half.states):
        initial = hx[which][2 * layer : 2 * layer + 1] if step.planning else None
        label = name if count == 1 else f"layer{layer}.{name}"
        shape = (1, at.shape[1], hx[which].shape[-1])
        state = step.state(label, kind="recurrent", shape=shape, dtype=frames.dtype, start=start, initial=initial)
        carried.append(state)
    y, new = run_layer(frames, [state.value for state in carried], half.layers[layer], half, None)
    for state, value in zip(carried, new, strict=True):
        state.next = value
    return y, at.with_(shape=(*at.shape[:2], hx[0].shape[-1]))


def _after_earlier(step: Step, frames: torch.Tensor, at: Timed, count: int, suffix: str) -> torch.Tensor:
    """The frames of the ``count`` places before this call, and those of this call."""
    if count == 0:
        return frames
    line = step.state(suffix, kind="delay", shape=(count, *at.shape[1:]), dtype=frames.dtype)
    joined = torch.cat([line.value, frames])
    line.next = joined.narrow(0, frames.shape[0], count)
    return joined


def _backward(
    step: Step, item: Dated, first: list[torch.Tensor], half: Layers, layer: int, chunk: int, right: int
) -> torch.Tensor:
    """``[frames, batch, hidden]`` of the backward half, ``right`` frames late."""
    frames, at = item
    count, rows = frames.shape[0] // chunk, frames.shape[1]
    joined = _after_earlier(step, frames, at, right, "backward")
    begins = torch.arange(count, device=frames.device) * chunk
    places = begins[:, None] + torch.arange(chunk + right, device=frames.device)
    windows = joined[places].transpose(0, 1).flatten(1, 2)
    lengths = None
    if step.flushes:
        real = (step.real_frames(at) + right)[None, :] - begins[:, None]
        real = real.clamp(1, chunk + right)
        every = real if at.shape[1] == step.captured.batch else real[:, :1].expand(count, rows)
        lengths = every.flatten().to(torch.int32)
    states = [state.expand(windows.shape[1], -1) for state in first]
    weights = half.layers[layer]
    y: torch.Tensor = backward_layer(
        windows, weights["w"], weights["r"], weights["b"], states, lengths, half.mode, half.hidden
    )
    projection = weights.get("projection")
    y = y[:chunk] if projection is None else y[:chunk] @ projection[0]
    return y.reshape(chunk, count, rows, -1).transpose(0, 1).flatten(0, 1)


def _initial(step: Step, hx: list[torch.Tensor], half: Layers, layer: int) -> list[torch.Tensor]:
    """What the backward half starts from, ``[1, hidden]`` each; nothing where that is zeros."""
    assert step.node is not None
    key = f"{step.node.name}.{layer}"
    rows = [state[2 * layer + 1] for state in hx]
    if step.planning:
        step.plan.folded[key] = any(bool(row.any()) for row in rows)
        if any(not bool((row == row[:1]).all()) for row in rows):
            raise step.refuse("its initial state differs from row to row", "start it from zeros or a parameter")
    if not step.plan.folded[key]:
        return []
    found = [step.constant(f"backward{which}", row[:1]) for which, row in enumerate(rows)]
    lift = half.layers[layer].get("lift")
    return found if lift is None else [found[0] @ lift[0], *found[1:]]


def _wider(at: Timed, delay: int) -> Timed:
    return at.with_(shape=(*at.shape[:2], 2 * at.shape[2]), delay=delay, uniform=False, position=None, reads=None)
