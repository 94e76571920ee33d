"""A package as others write them: ops of its own, how they stream, and their ONNX forms."""

from __future__ import annotations

from typing import Any

import torch
from onnxscript import FLOAT, script
from onnxscript import opset18 as op

from edgeseq.exporters.rules import Facts, Step, StreamingRule, Summary, Timed, ready, result_shape

custom_op = torch.library.custom_op


@custom_op("mylib_test::emphasis", mutates_args=())
def _emphasis(x: torch.Tensor, k: float = 0.9) -> torch.Tensor:
    """A difference that looks back: y[t] = x[t] - k * x[t - 1] along axis 1, x[-1] = 0."""
    return x - k * torch.nn.functional.pad(x, (0, 0, 1, 0))[:, :-1]


@_emphasis.register_fake
def _(x: torch.Tensor, k: float = 0.9) -> torch.Tensor:
    return torch.empty_like(x)


@custom_op("mylib_test::peak_step", mutates_args=())
def _peak_step(x: torch.Tensor, k: float, h: torch.Tensor, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A maximum that decays, h[t] = max(x[t], k * h[t - 1]), in all frames and after the first ``frames`` of a row."""
    held = []
    for t in range(x.shape[1]):
        h = torch.where((t < frames)[:, None], torch.maximum(x[:, t], k * h), h)
        held.append(h)
    return torch.stack(held, 1), h.clone()


@_peak_step.register_fake
def _(x: torch.Tensor, k: float, h: torch.Tensor, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.empty_like(x), torch.empty_like(h)


@custom_op("mylib_test::peak", mutates_args=())
def _peak(x: torch.Tensor, k: float) -> tuple[torch.Tensor, torch.Tensor]:
    frames = torch.full(x.shape[:1], x.shape[1])
    return _peak_step(x, k, torch.zeros_like(x[:, 0]), frames)  # type: ignore[no-any-return]


@_peak.register_fake
def _(x: torch.Tensor, k: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.empty_like(x), torch.empty_like(x[:, 0])


@custom_op("mylib_test::softsign", mutates_args=())
def _softsign(x: torch.Tensor) -> torch.Tensor:
    """Elementwise, and unknown to torch.onnx."""
    return x / (1 + x.abs())


@_softsign.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


@custom_op("mylib_test::unpretended", mutates_args=())
def _unpretended(x: torch.Tensor) -> torch.Tensor:
    """An op whose author forgot the fake kernel."""
    return x.clone()


# As emphasis, with one k for each frame, given by keyword alone: custom_op does not take such arguments.
torch.library.define("mylib_test::varying", "(Tensor x, *, Tensor k) -> Tensor")


@torch.library.impl("mylib_test::varying", "CompositeExplicitAutograd")
def _varying(x: torch.Tensor, *, k: torch.Tensor) -> torch.Tensor:
    return x - k * torch.nn.functional.pad(x, (0, 0, 1, 0))[:, :-1]


@torch.library.register_fake("mylib_test::varying")  # type: ignore[untyped-decorator]
def _(x: torch.Tensor, *, k: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


ops: Any = torch.ops.mylib_test


def emphasis_rule(step: Step, facts: Facts, x: torch.Tensor, k: float = 0.9) -> tuple[torch.Tensor, Timed]:
    """Emits torch's own ops only, so that it needs no ONNX form."""
    x, fact, start = ready(step, x, facts[0])
    before, fact = _before(step, x, fact, start)
    return x - k * before, fact


def varying_rule(step: Step, facts: Facts, x: torch.Tensor, *, k: torch.Tensor) -> tuple[torch.Tensor, Timed]:
    """Names its keyword argument, and asks for its fact."""
    if facts["k"].length != facts["x"].length or facts["k"].delay != 0:
        raise step.refuse("k comes at another time than x", "give both as inputs")
    x, fact, start = ready(step, x, facts["x"])
    before, fact = _before(step, x, fact, start)
    return x - k * before, fact


def _before(step: Step, x: torch.Tensor, fact: Timed, start: int) -> tuple[torch.Tensor, Timed]:
    """The frames before those of this call, one for one."""
    last = step.state("last", kind="conv", shape=(fact.shape[0], 1, fact.shape[2]), dtype=x.dtype, start=start)
    joined = torch.cat([last.value, x], 1)
    last.next = x[:, -1:]
    reads = fact.reads and (fact.reads[0] - 1, fact.reads[1])
    return joined[:, :-1], fact.with_(shape=result_shape(step, None), reads=reads, position=None, uniform=False)


def peak_rule(step: Step, facts: Facts, x: torch.Tensor, k: float) -> tuple[list[Any], list[Any]]:
    """Two results: frames, and the value after the last of them, which frames past the end must leave alone."""
    x, fact, start = ready(step, x, facts[0], to_end=True)
    batch, _, features = fact.shape
    h = step.state("h", kind="recurrent", shape=(batch, features), dtype=x.dtype, start=start)
    frames = step.real_frames(fact) if step.flushes else torch.full_like(x[:, 0, 0], 2**30, dtype=torch.int64)
    y, h.next = ops.peak_step(x, k, h.value, frames)
    made = fact.with_(shape=result_shape(step, 0), reads=None, position=None, uniform=False)
    return [y, h.next], [made, Summary(result_shape(step, 1), fact.late_frames)]


@script(default_opset=op)  # type: ignore[untyped-decorator]
def peak_step_onnx(x: FLOAT, k: float, h: FLOAT, frames: FLOAT) -> tuple[FLOAT, FLOAT]:
    """A loop over the frames of a call."""
    by_time = op.Transpose(x, perm=[1, 0, 2])
    held = op.SequenceEmpty()
    for t in range(op.Squeeze(op.Shape(by_time, start=0, end=1))):
        now = op.Max(op.Gather(by_time, t, axis=0), k * h)
        h = op.Where(op.Unsqueeze(t < frames, [1]), now, h)
        held = op.SequenceInsert(held, h)
    y = op.ConcatFromSequence(held, axis=1, new_axis=1)
    return y, h


def softsign_onnx(x: Any) -> Any:
    """A plain function that calls ops does as well."""
    return op.Div(x, op.Add(op.Abs(x), op.Constant(value_float=1.0)))


PEAK = StreamingRule(peak_rule, lowering={"mylib_test::peak_step": peak_step_onnx})
