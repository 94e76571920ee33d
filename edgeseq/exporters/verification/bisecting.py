"""Where a stream that fails verification first leaves the whole sequence: the module, the op, the frame, both values.

The captured graph is run twice in float64 on the same input: op by op on the whole sequence, and as a step graph on
chunks. Frame ``j`` of a value stands at place ``j + delay`` of its stream, so every value can be compared with its
whole; the first one in graph order that differs is made of values that do not. If none differs, the step graph is right
and its ONNX form is not: both are run on the same states, call by call, and the first state that differs is named.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from edgeseq.contract import Contract
from edgeseq.errors import EdgeseqError
from edgeseq.exporters.capture import Captured, capture
from edgeseq.exporters.facts import Summary, Timed
from edgeseq.exporters.origin import module_path, op_name, source_line
from edgeseq.exporters.replay import Found, Watch
from edgeseq.exporters.rules import FAMILIES
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.step import Step
from edgeseq.exporters.stepgraph import StepGraph
from edgeseq.exporters.torch_stream import TorchStream
from edgeseq.exporters.verification.reference import one_thread
from edgeseq.exporters.verification.windows import specs_of
from edgeseq.verification.arrays import Arrays

#: Relative to the largest value of a tensor: far above float64's rounding, far below a frame too many.
_EXACT, _SINGLE = 1e-6, 1e-3
#: What keeps a model from being run so: it has no float64 form, cannot be copied, or mixes number types.
_CANNOT = (EdgeseqError, RuntimeError, ValueError, TypeError, IndexError, KeyError)


@dataclass(frozen=True)
class Difference:
    """The first value that differs. ``frame`` counts the value's own frames, None for one without.

    ``both`` says what the two numbers are.
    """

    what: str
    frame: int | None
    place: tuple[int, ...]
    streamed: float
    wanted: float
    both: str

    def __str__(self) -> str:
        at = f", at {list(self.place)}" if self.place else ""
        where = f"frame {self.frame}{at}" if self.frame is not None else f"its last value{at}"
        return f"{self.what}: {where}, is {self.both.format(f'{self.streamed:.6g}', f'{self.wanted:.6g}')}"


def bisected(
    model: nn.Module,
    graph: StepGraph,
    session: Any,
    inputs: Arrays,
    chunks: Sequence[int],
    contract: Contract,
    rules: Mapping[str, Any] | None = None,
) -> str | None:
    """A sentence on where a stream over these inputs leaves the module; None where the two agree, or cannot be told."""
    try:
        found = first_difference(_in_double(model, graph, contract, rules), inputs, chunks)
    except _CANNOT:
        try:
            found = first_difference(graph, inputs, chunks)
        except _CANNOT:
            return None
    if found is not None:
        return f"the first to differ is {found}"
    lowered = first_state(session, graph, inputs, chunks)
    return None if lowered is None else f"its step graph is right in torch and differs in ONNX: {lowered}"


def _in_double(model: nn.Module, graph: StepGraph, contract: Contract, rules: Mapping[str, Any] | None) -> StepGraph:
    captured = capture(copy.deepcopy(model).double(), specs_of(contract, "float64"))
    return StepGraph(captured, Registry(FAMILIES, rules), graph.ops)


def first_difference(graph: StepGraph, inputs: Arrays, chunks: Sequence[int]) -> Difference | None:
    """The first captured node whose stream differs from its whole, on these inputs; None where all agree.

    Floats are taken in the width of the graph's inputs.
    """
    kept, before = _Kept(), graph.watch
    dtypes = {item.name: getattr(torch, item.spec.dtype) for item in graph.captured.inputs}
    given = {name: torch.from_numpy(array).to(dtypes[name]) for name, array in inputs.items()}
    tolerance = _EXACT if torch.float64 in dtypes.values() else _SINGLE
    graph.watch = kept
    try:
        with torch.no_grad(), one_thread():
            stream = _streamed(graph, given, chunks)
            whole = _whole(graph.captured, {item.placeholder: given[item.name] for item in graph.captured.inputs})
    finally:
        graph.watch = before
    for node, calls in kept.calls.items():
        found = _compared(whole[node], calls, stream.count - sum(chunks), tolerance)
        if found is not None:
            place = ", ".join(part for part in (module_path(node) or "the model itself", source_line(node)) if part)
            return Difference(f"{op_name(node)} at {place}", *found, "{} in the stream, {} in the whole sequence")
    return None


def first_state(session: Any, graph: StepGraph, inputs: Arrays, chunks: Sequence[int]) -> Difference | None:
    """The first state or output in which the file differs from the step graph, given the same states call by call."""
    found: list[Difference] = []
    if graph.plan.max_batched is not None:  # the file takes no longer calls for several rows
        chunks = [graph.plan.max_batched] * (sum(chunks) // graph.plan.max_batched)
    feeds = [item.name for item in graph.frames] + [*graph.given, *(item.name for item in graph.conditioning)]
    feeds += [state.input for state in graph.plan.states.values()]
    names = [name for name, _, _ in graph.outputs] + [s.output for s in graph.plan.states.values()]
    known = {value.name for value in session.get_inputs()}

    def compare(_: nn.Module, args: tuple[torch.Tensor, ...], results: tuple[torch.Tensor, ...]) -> None:
        given = dict(zip([*feeds, "remaining"], (value.contiguous().numpy() for value in args), strict=False))
        answers = session.run(names, {name: value for name, value in given.items() if name in known})
        pairs = list(zip(names, answers, results, strict=True))
        for name, answer, wanted in [*pairs[len(graph.outputs) :], *pairs[: len(graph.outputs)]]:
            worst = _worst(torch.from_numpy(answer), wanted, _SINGLE)
            if worst is not None and not found:
                found.append(Difference(f"{name} of the file", None, *worst, "{} where the step graph in torch has {}"))

    hook = graph.register_forward_hook(compare)
    try:
        with torch.no_grad(), one_thread():
            _streamed(graph, {name: torch.from_numpy(array) for name, array in inputs.items()}, chunks)
    finally:
        hook.remove()
    return found[0] if found else None


class _Kept(Watch):
    """Keeps the value and the fact of every node in every call."""

    def __init__(self) -> None:
        self.calls: dict[torch.fx.Node, list[tuple[Step, Any, Any]]] = {}

    def node(self, step: Step, node: torch.fx.Node, run: Callable[[], Found]) -> Found:
        value, fact = run()
        self.calls.setdefault(node, []).append((step, value, fact))
        return value, fact


def _streamed(graph: StepGraph, given: Mapping[str, torch.Tensor], chunks: Sequence[int]) -> TorchStream:
    """The stream after the chunks and the flush."""
    timed = {item.name: item.spec for item in graph.frames}
    first = next(iter(timed.values()))
    row = first.shape.index("batch") if "batch" in first.shape else None
    batch = 1 if row is None else given[graph.frames[0].name].shape[row]
    conditioning = {name: value for name, value in given.items() if name not in timed}
    stream = TorchStream(graph, batch, conditioning, capacity=sum(chunks) + 64)
    taken = 0
    for size in chunks:
        stream.step(
            {
                name: given[name].narrow(spec.time_axis or 0, taken * spec.ratio, size * spec.ratio)
                for name, spec in timed.items()
            }
        )
        taken += size
    stream.flush()
    return stream


def _whole(captured: Captured, given: Mapping[str, torch.Tensor]) -> dict[torch.fx.Node, Any]:
    """Every value of the captured graph on whole sequences."""
    values: dict[torch.fx.Node, Any] = {}
    for node in captured.graph.nodes:
        if node.op == "placeholder":
            values[node] = captured.tensors[node.name] if node.name in captured.tensors else given[node.name]
        elif node.op == "call_function" and (node.meta.get("val") is not None or node.users):
            args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
            values[node] = node.target(*args, **kwargs)
    return values


def _compared(
    whole: Any, calls: list[tuple[Step, Any, Any]], past_the_end: int, tolerance: float
) -> tuple[int | None, tuple[int, ...], float, float] | None:
    """Frame, place and both values of the first difference between a value and its stream."""
    step, value, fact = calls[-1]
    if isinstance(fact, Summary) and fact.delay <= past_the_end and whole.shape == value.shape:
        worst = _worst(value, whole, tolerance)
        return None if worst is None else (None, *worst)
    if not isinstance(fact, Timed) or not isinstance(whole, torch.Tensor):
        return None
    wanted = _frames_first(step, whole, fact.with_(rowed=False))
    frames = torch.cat([_frames_first(step, value, fact) for step, value, fact in calls])
    return next(_differing(frames, wanted, fact, tolerance), None)


def _differing(
    streamed: torch.Tensor, wanted: torch.Tensor, fact: Timed, tolerance: float
) -> Iterator[tuple[int, tuple[int, ...], float, float]]:
    """The frames that differ, of those that are in the stream."""
    if streamed.shape[1:].numel() != wanted.shape[1:].numel():
        return
    first = max(fact.head_frames + len(fact.copied), -fact.delay)
    last = min(len(wanted), len(streamed) - fact.delay)
    scale = _scale(wanted)
    for frame in range(first, last):
        worst = _worst(streamed[frame + fact.delay].reshape(wanted.shape[1:]), wanted[frame], tolerance, scale)
        if worst is not None:
            yield frame, *worst


def _frames_first(step: Step, value: torch.Tensor, fact: Timed) -> torch.Tensor:
    """A value with its frames along the first axis; of positions, which all rows share, the first row's."""
    value = value[0] if fact.rowed else value
    shape, axis = value.shape, fact.axis
    if not fact.folded:
        return value.movedim(axis, 0)
    outer, inner = (int(step.size(size)) for size in (fact.outer, fact.inner))
    frames = shape[axis] // (outer * inner)
    unfolded = value.reshape([*shape[:axis], outer, frames, inner, *shape[axis + 1 :]])
    return unfolded.movedim(axis + 1, 0)


def _scale(tensor: torch.Tensor) -> float:
    finite = tensor[torch.isfinite(tensor)] if tensor.is_floating_point() else tensor
    return float(finite.abs().max()) if finite.numel() and finite.dtype is not torch.bool else 1.0


def _worst(
    streamed: torch.Tensor, wanted: torch.Tensor, tolerance: float, scale: float | None = None
) -> tuple[tuple[int, ...], float, float] | None:
    """The place of the largest difference and both values there; None where none is beyond rounding."""
    if streamed.shape != wanted.shape or not streamed.numel():
        return None
    distance = (streamed.double() - wanted.double()).abs().nan_to_num(nan=float("inf"))
    same = (streamed == wanted) | ((streamed != streamed) & (wanted != wanted))
    distance = torch.where(same, 0.0, distance)
    allowed = tolerance * (_scale(wanted) if scale is None else scale)
    if not bool((distance > allowed).any()):
        return None
    place = tuple(int(index) for index in torch.unravel_index(distance.argmax(), distance.shape))
    return place, float(streamed[place]), float(wanted[place])
