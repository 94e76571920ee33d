"""nn.RNN, nn.LSTM and nn.GRU: along time a state per layer; along another axis, replayed whole."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.contract import Initial
from edgeseq.exporters.alignment import ready
from edgeseq.exporters.facts import Static, Summary, Timed
from edgeseq.exporters.framewise import flatten, framewise
from edgeseq.exporters.rules.lookahead import both_ways
from edgeseq.exporters.rules.recurrent_layers import Layers, run_layer, run_stack
from edgeseq.exporters.rules.schema import each_result, picked, result_shape
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import mentions


def recurrent(
    step: Step,
    facts: Any,
    x: torch.Tensor,
    hx: list[torch.Tensor],
    weights: list[torch.Tensor],
    mode: str,
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Any, Any]:
    """Stream a recurrent stack along time, or replay it where time is its batch."""
    fact = facts[0]
    if not isinstance(fact, Timed):
        raise step.refuse("only its initial state changes with time", "give time to its input")
    _check_weights(step, facts[2])
    sequence = fact.shape[1 if batch_first else 0]
    if fact.axis != (1 if batch_first else 0):
        if mentions(sequence, step.captured.batch):
            raise step.refuse(
                "it runs along the batch, and time is what it takes for its batch",
                "set batch_first as the input spec has it, or write the spec as [time,batch,...]",
            )
        layers = Layers(step, weights, mode, has_biases, 2 if bidirectional else 1)
        return _whole(step, facts, x, hx, layers, batch_first)
    if bidirectional and step.plan.lookahead is None:
        raise step.refuse(
            "a bidirectional layer reads the future: its backward half starts at the end of all time",
            "make it unidirectional, or export with mode=Lookahead(frames, chunk), which bounds what it hears of it",
        )
    if bidirectional:
        return both_ways(step, fact, facts[1], x, hx, weights, mode, has_biases, num_layers, batch_first)
    if fact.folded:
        raise step.refuse("it runs over time folded with another axis", "give time an axis of its own")
    if any(isinstance(item, Timed) and not item.uniform for item in flatten(facts[1])):
        raise step.refuse("its initial state changes with time", "compute the initial state before the sequence")
    layers = Layers(step, weights, mode, has_biases, 1)
    return _streamed(step, fact, facts[1], x, hx, layers, batch_first)


def _whole(
    step: Step, facts: Any, x: torch.Tensor, hx: list[torch.Tensor], layers: Layers, batch_first: bool
) -> tuple[Any, Any]:
    """Time is a batch axis: every frame has a sequence of its own, started from its own state."""
    fact = facts[0]

    def run(index: int | None) -> tuple[Any, Any]:
        return framewise(
            step,
            [fact, facts[1]],
            [x, hx],
            shape=result_shape(step, index),
            place=fact.place.at(1 if index else fact.axis),
            op=lambda _, frames, states: picked(run_stack(frames, states, layers, batch_first), index),
        )

    return each_result(step, run)


def untimed(
    step: Step,
    facts: Any,
    x: torch.Tensor,
    hx: list[torch.Tensor],
    weights: list[torch.Tensor],
    mode: str,
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> list[torch.Tensor]:
    """A stack over a sequence that is known before the first frame, such as a sentence to be translated."""
    _check_weights(step, facts[2])
    return run_stack(x, hx, Layers(step, weights, mode, has_biases, 2 if bidirectional else 1), batch_first)


def _check_weights(step: Step, facts: list[Any]) -> None:
    if not all(isinstance(fact, Static) and fact.constant for fact in facts):
        raise step.refuse("its weights are computed from an input", "keep the weights fixed and condition its input")


def _streamed(
    step: Step,
    fact: Timed,
    hx_facts: list[Any],
    x: torch.Tensor,
    hx: list[torch.Tensor],
    layers: Layers,
    batch_first: bool,
) -> tuple[Any, Any]:
    finals_used = any(user.args[1] != 0 for user in step.node.users)  # type: ignore[union-attr]
    x, fact, start = ready(step, x, fact, to_end=finals_used)
    if fact.rowed:
        raise step.refuse("it runs over positions alone", "compute it once, outside the model")
    real = step.real_frames(fact) if finals_used and step.flushes else None
    frames = x.transpose(0, 1) if batch_first else x
    count, batch = frames.shape[0], fact.shape[0 if batch_first else 1]
    lengths = None if real is None else _rows(step, step.at_most(real.clamp(min=0), count), batch, frames.shape[1])
    names = ("h", "c") if layers.mode == "lstm" else ("h",)
    finals: list[list[torch.Tensor]] = [[] for _ in names]
    for index, layer in enumerate(layers.layers):
        carried = []
        for which, name in enumerate(names):
            initial = _initial(step, hx[which], hx_facts[which], which, index, len(layers.layers))
            size = hx[which].shape[-1]
            label = name if len(layers.layers) == 1 else f"layer{index}.{name}"
            shape = (1, batch, size)
            carried.append(
                step.state(label, kind="recurrent", shape=shape, dtype=x.dtype, start=start, initial=initial)
            )
        states = [item.value for item in carried]
        safe = None if lengths is None else lengths.clamp(min=1).to(torch.int32)
        frames, new = run_layer(frames, states, layer, layers, safe)
        for which, (item, state) in enumerate(zip(carried, new, strict=True)):
            held = state if lengths is None else torch.where((lengths > 0)[None, :, None], state, item.value)
            item.next = held
            finals[which].append(held)
    y = frames.transpose(0, 1) if batch_first else frames
    shape = result_shape(step, 0)
    values: list[Any] = [y, *(torch.cat(parts) if len(parts) > 1 else parts[0] for parts in finals)]
    facts: list[Any] = [fact.with_(shape=shape, position=None, uniform=False, reads=None)]
    facts += [Summary(result_shape(step, 1 + which), fact.late_frames) for which in range(len(names))]
    return values, facts


def _rows(step: Step, counts: torch.Tensor, batch: Any, rows: Any) -> torch.Tensor:
    """A count per row of the recurrence; where batch shares its axis with another, all rows keep step."""
    return counts if batch == step.captured.batch else counts[:1].expand(rows)


def _initial(
    step: Step, value: torch.Tensor, fact: Any, which: int, layer: int, layers: int
) -> torch.Tensor | Initial | None:
    """The state before the first frame: known at export and the same for every row, or what an input makes it."""
    if isinstance(fact, Static) and fact.conditioned:
        hx = step.node.args[1][which]  # type: ignore[union-attr, index]
        return step.initial_of(hx, layer if layers > 1 else None)  # type: ignore[arg-type]
    return value[layer : layer + 1] if step.planning else None


RULES = {torch.ops.edgeseq.recurrent.default: recurrent}
UNTIMED = {torch.ops.edgeseq.recurrent.default: untimed}
