"""The step as an ``nn.Module``: one chunk in, the ready frames and the next states out.

It is planned once on real tensors, then traced for ONNX; run eagerly it is the fast oracle for the tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import nn

from edgeseq.errors import EdgeseqError, UsageError
from edgeseq.exporters.alignment import settle, unfold, until_end
from edgeseq.exporters.capture import Captured, Input
from edgeseq.exporters.complex_ops import FORMS
from edgeseq.exporters.complex_pairs import in_real_numbers
from edgeseq.exporters.facts import Fact, Grid, Pairs, Static, Summary, Timed
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.fused_attention import with_fused_attention
from edgeseq.exporters.modes import EXACT, Exact, Lookahead
from edgeseq.exporters.plan import Plan
from edgeseq.exporters.replay import Watch, replay
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import mentions
from edgeseq.exporters.zero_taps import without_zero_taps

_MOST_PLANS = 8
Output = tuple[str, Fact, torch.dtype]


class StepGraph(nn.Module):
    """One call of the stream. ``forward`` takes and returns tensors in the order of ``inputs`` and ``outputs``.

    ``watch`` sees every value of every run.
    """

    def __init__(
        self,
        captured: Captured,
        registry: Registry,
        ops: str = "ort",
        watch: Watch | None = None,
        mode: Exact | Lookahead = EXACT,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.captured = with_fused_attention(without_zero_taps(in_real_numbers(captured, FORMS)))
        self.registry = registry
        self.ops = ops
        self.watch = watch or Watch()
        self.dropped: tuple[str, ...] = ()
        self.plan, self.outputs = _plan(self)
        for name, tensor in self.plan.constants.items():
            _hold(self, name, tensor)
        self.eval()

    @property
    def frames(self) -> list[Input]:
        """Inputs with a time axis, in forward's order."""
        return [item for item in self.captured.inputs if item.spec.time_axis is not None]

    @property
    def conditioning(self) -> list[Input]:
        """Inputs without a time axis that the step itself reads."""
        return [i for i in self.captured.inputs if i.spec.time_axis is None and i.name not in self.dropped]

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Frames, conditioning, states, ``remaining`` in; outputs, then the next states out."""
        given = list(tensors)
        inputs = {item.placeholder: given.pop(0) for item in [*self.frames, *self.conditioning]}
        values = {name: given.pop(0) for name in self.plan.states}
        if self.plan.uses_remaining:
            values["remaining"] = given.pop(0)
        step, found = self.run(inputs, values, planning=False, plan=self.plan)
        carried = [step.carried[name].next for name in self.plan.states]
        return tuple([value for _, value, _ in found] + [_own(value) for value in carried])

    def run(
        self, inputs: dict[str, torch.Tensor], values: dict[str, torch.Tensor], *, planning: bool, plan: Plan
    ) -> tuple[Step, list[tuple[str, torch.Tensor, Fact]]]:
        """Replay one chunk; the outputs are settled, with a time axis of their own and never past the end."""
        captured = self.captured
        axes: dict[Any, Any] = {}
        by_name = {name: symbol for symbol, name in captured.axes.items()}
        for item in captured.inputs:
            if item.placeholder in inputs:
                for index, size in enumerate(inputs[item.placeholder].shape):
                    axis = item.spec.shape[index]
                    if isinstance(axis, str) and index != item.spec.time_axis:
                        axes.setdefault(by_name[axis], size)
        first = min(self.frames, key=lambda item: item.spec.ratio)
        assert first.spec.time_axis is not None
        chunk = inputs[first.placeholder].shape[first.spec.time_axis] // first.spec.ratio
        batch = axes.get(captured.batch, 1) if captured.batch is not None else 1
        device = inputs[first.placeholder].device
        for item in captured.inputs:
            if item.placeholder not in inputs:
                sizes = [axes.get(by_name[a], 1) if isinstance(a, str) else a for a in item.spec.shape]
                inputs[item.placeholder] = torch.zeros(sizes, dtype=getattr(torch, item.spec.dtype), device=device)
        step = Step(
            captured,
            plan,
            planning=planning,
            batch=batch,
            chunk=chunk,
            values=values,
            constants=self._constant,
            axes=axes,
            device=device,
            ops=self.ops,
        )
        return step, [self._watched(step, *found) for found in replay(step, self.registry, inputs, self.watch)]

    def _watched(self, step: Step, name: str, value: torch.Tensor, fact: Fact) -> tuple[str, torch.Tensor, Fact]:
        step.node = next(node for output, node in step.captured.outputs if output == name)
        return self.watch.output(step, step.node, lambda: _finished(step, name, value, fact))

    def _constant(self, name: str) -> torch.Tensor:
        module: Any = self
        for part in _parts(name):
            module = getattr(module, part)
        return module  # type: ignore[no-any-return]


def _own(value: torch.Tensor | None) -> torch.Tensor:
    if value is None:
        raise AssertionError("a rule asked for a state and never said what it becomes")
    return value


def _parts(name: str) -> list[str]:
    return [
        "constants",
        *(f"_{part}" if part.isdigit() or hasattr(nn.Module, part) else part for part in name.split(".")),
    ]


def _hold(root: nn.Module, name: str, tensor: torch.Tensor) -> None:
    *path, last = _parts(name)
    for part in path:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root._modules[part]  # type: ignore[assignment]
    root.register_buffer(last, tensor)


def _finished(step: Step, name: str, value: torch.Tensor, fact: Fact) -> tuple[str, torch.Tensor, Fact]:
    """An output as it is handed out: settled, unfolded, late enough that nothing past the end is given."""
    step.node = next(node for output, node in step.captured.outputs if output == name)
    if isinstance(fact, (Pairs, Grid)):
        raise step.refuse(
            "the model returns a value over pairs of frames, as attention weights are: it grows with every frame",
            "return what is made of it",
        )
    if isinstance(fact, Timed):
        if fact.rowed:
            value, fact = _with_batch(step, value, fact)
        value, fact = until_end(step, *settle(step, value, fact))
        value, fact = unfold(step, value, fact)
        if fact.uniform and fact.length.at[0] is not None:
            fact = fact.with_(uniform=False)
    elif isinstance(fact, Static):
        if fact.constant:
            value = step.weight(f"{name}.value", value)
        fact = Summary(fact.shape, 0)
    return name, value.clone() if _is_given(step, value) else value, fact


def _with_batch(step: Step, value: torch.Tensor, fact: Timed) -> tuple[torch.Tensor, Timed]:
    """Positions as an output: all rows of a whole-sequence run are equal, so the first row's are given."""
    return value[0], fact.with_(rowed=False)


def _is_given(step: Step, value: torch.Tensor) -> bool:
    return any(value is given for given in step._values.values())


def _plan(graph: StepGraph) -> tuple[Plan, list[Output]]:
    """Find the states, constants and limits by running the step; again where that shows that a flush is needed."""
    lookahead = graph.mode if isinstance(graph.mode, Lookahead) else None
    multiple = math.lcm(chunk_multiple(graph.captured), lookahead.chunk if lookahead else 1)
    plan, outputs = _settled(graph, Plan(multiple=multiple, lookahead=lookahead))
    if lookahead is not None and not plan.approximated:
        raise UsageError(
            "Lookahead changes nothing in this model",
            why="it has no bidirectional recurrent layer along time",
            do="export it without a mode",
        )
    return plan, outputs


def _settled(graph: StepGraph, plan: Plan) -> tuple[Plan, list[Output]]:
    """Plan until nothing new is found out."""
    for _ in range(_MOST_PLANS):
        outputs = _planned(graph, plan)
        better = _replanned(graph.captured, plan)
        if better is None:
            return plan, outputs
        plan = better
    raise EdgeseqError("the delays of values over pairs of frames do not settle", do="report this with the model")


def _replanned(captured: Captured, plan: Plan) -> Plan | None:
    """What to plan with once more, knowing what planning found out; None where nothing new was found."""
    reaches, waits = {**plan.reaches, **plan.wanted.reaches}, {**plan.waits, **plan.wanted.waits}
    blocks = [Fraction(reach.block) / _ratio_at(captured, origin) for origin, reach in reaches.items()]
    multiple = math.lcm(plan.multiple, *(block.numerator for block in blocks))
    settled = reaches == plan.reaches and waits == plan.waits and multiple == plan.multiple
    if settled and plan.flushes == plan.flushed:
        return None
    return Plan(
        multiple=multiple,
        flushes=plan.flushes,
        flushed=plan.flushes,
        lookahead=plan.lookahead,
        reaches=reaches,
        waits=waits,
    )


def _ratio_at(captured: Captured, origin: str) -> Fraction:
    """Frames per base frame of the value that a node makes."""
    node = next(node for node in captured.graph.nodes if node.name == origin)
    return max(_ratio(captured, size) for size in captured.shape(node.meta["val"]) if mentions(size, captured.time))


def _planned(graph: StepGraph, plan: Plan) -> list[Output]:
    sizes = {"batch": 2, "time": 2 * plan.multiple}
    device = next((tensor.device for tensor in graph.captured.tensors.values()), torch.device("cpu"))
    words = frozenset().union(*(item.spec.words for item in graph.captured.inputs))
    sizes |= {word: 3 + i for i, word in enumerate(sorted(words - {"batch", "time"}))}
    inputs = {
        item.placeholder: torch.zeros(item.spec.sizes(sizes), dtype=getattr(torch, item.spec.dtype), device=device)
        for item in graph.captured.inputs
    }
    rows = 2 if graph.captured.batch is not None else 1
    values = {"remaining": torch.full([rows], 2**40, device=device)}
    with torch.no_grad():
        _, found = graph.run(inputs, values, planning=True, plan=plan)
    dtypes = {name: value.dtype for name, value, _ in found}
    late = any((fact.late_frames if isinstance(fact, Timed) else fact.delay) > 0 for fact in _streaming(found))
    plan.flushes = late or plan.multiple > 1
    return [(name, fact, dtypes[name]) for name, _, fact in found]


def _streaming(found: list[tuple[str, torch.Tensor, Fact]]) -> list[Timed | Summary]:
    return [fact for _, _, fact in found if isinstance(fact, (Timed, Summary))]


def chunk_multiple(captured: Captured) -> int:
    """The least number of base frames that is a whole number of frames of every value in the graph."""
    ratios = {Fraction(1)}
    for node in captured.graph.nodes:
        value = node.meta.get("val")
        for tensor in flatten(list(value) if isinstance(value, tuple) else value):
            if isinstance(tensor, torch.Tensor):
                ratios |= {_ratio(captured, size) for size in captured.shape(tensor)}
    return math.lcm(*(ratio.denominator for ratio in ratios))


def _ratio(captured: Captured, size: Any) -> Fraction:
    factor = captured.timed_factor(size)
    length = captured.length(factor) if factor is not None else None
    return length.ratio if length is not None else Fraction(1)


def example_inputs(
    graph: StepGraph, batch: int, chunk: int, capacity: int
) -> tuple[list[torch.Tensor], list[Sequence[Any]]]:
    """Tensors for one call of the step, and their shapes in axis names."""
    sizes: Mapping[str, int] = {"batch": batch, "time": chunk, "capacity": capacity}
    shapes: list[Sequence[Any]] = [item.spec.shape for item in [*graph.frames, *graph.conditioning]]
    dtypes = [item.spec.dtype for item in [*graph.frames, *graph.conditioning]]
    shapes += [state.shape for state in graph.plan.states.values()]
    dtypes += [state.dtype for state in graph.plan.states.values()]
    if graph.plan.uses_remaining:
        shapes.append(("batch",) if graph.captured.batch is not None else (1,))
        dtypes.append("int64")

    def concrete(axis: Any) -> int:
        if isinstance(axis, int):
            return axis
        times, _, name = axis.rpartition("*")
        return (int(times) if times else 1) * sizes.get(name, 5)

    tensors = [
        torch.zeros([concrete(axis) for axis in shape], dtype=getattr(torch, dtype))
        for shape, dtype in zip(shapes, dtypes, strict=True)
    ]
    return tensors, shapes
