"""The step as an ``nn.Module``: one chunk in, the ready frames and the next states out.

It is planned once on real tensors, then traced for ONNX; run eagerly it is the fast oracle for the tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy
import torch
from torch import nn

from edgeseq.contract import Axis, axis_parts
from edgeseq.errors import EdgeseqError, UsageError
from edgeseq.exporters.alignment import settle, unfold, until_end
from edgeseq.exporters.capture import Captured, Input
from edgeseq.exporters.complex_ops import FORMS
from edgeseq.exporters.complex_pairs import in_real_numbers
from edgeseq.exporters.constants import held, hold
from edgeseq.exporters.facts import Fact, Grid, Pairs, Static, Summary, Timed
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.fused_attention import with_fused_attention
from edgeseq.exporters.loops.scans import with_loops
from edgeseq.exporters.modes import EXACT, Exact, Lookahead
from edgeseq.exporters.plan import Plan
from edgeseq.exporters.prologue import split_off
from edgeseq.exporters.prologuegraph import PrologueGraph, placeholder_shapes, show_sizes
from edgeseq.exporters.replay import Watch, replay
from edgeseq.exporters.rolls import with_shifts
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import mentions
from edgeseq.exporters.zero_taps import without_zero_taps
from edgeseq.structure import Part

_MOST_PLANS = 8
Output = tuple[str, Fact, torch.dtype]


class StepGraph(nn.Module):
    """One call of the stream. ``forward`` takes and returns tensors in the order of ``inputs`` and ``outputs``.

    ``watch`` sees every value of every run. ``prologue`` computes the constants of the step, where there are any.
    ``parts`` are the modules of the model as they stream, where someone looked on.
    """

    prologue: PrologueGraph | None

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
        self.captured = _rewritten(captured)
        self.registry = registry
        self.ops = ops
        self.watch = watch or Watch()
        self.dropped: tuple[str, ...] = ()
        self.parts: tuple[Part, ...] = ()
        self.plan, self.outputs = _plan(self)
        for name, tensor in self.plan.constants.items():
            hold(self, name, tensor)
        self.eval()

    @property
    def frames(self) -> list[Input]:
        """Inputs with a time axis, in forward's order."""
        return [item for item in self.captured.inputs if item.spec.time_axis is not None]

    @property
    def given(self) -> dict[str, torch.fx.Node]:
        """The nodes whose values the step reads as constants, by their names."""
        return {name: node for name, node in self.plan.split.given.items() if name not in self.dropped}

    @property
    def conditioning(self) -> list[Input]:
        """Inputs without a time axis that the step itself reads."""
        return [i for i in self.captured.inputs if i.spec.time_axis is None and i.name not in self.dropped]

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Frames, constants, conditioning, states, ``remaining`` in; outputs, then the next states out."""
        given = list(tensors)
        inputs = {item.placeholder: given.pop(0) for item in self.frames}
        inputs |= {node.name: given.pop(0) for node in self.given.values()}
        inputs |= {item.placeholder: given.pop(0) for item in self.conditioning}
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
        axes: dict[sympy.Expr, Any] = {}
        shapes = placeholder_shapes(captured)
        shapes |= {node.name: captured.shape(node.meta["val"]) for node in plan.split.given.values()}
        for name, tensor in inputs.items():
            show_sizes(captured, shapes[name], tensor, axes)
        first = min(self.frames, key=lambda item: item.spec.ratio)
        assert first.spec.time_axis is not None
        chunk = inputs[first.placeholder].shape[first.spec.time_axis] // first.spec.ratio
        batch = axes.get(captured.batch, 1) if captured.batch is not None else 1
        device = inputs[first.placeholder].device
        dtypes = {item.placeholder: getattr(torch, item.spec.dtype) for item in captured.inputs}
        dtypes |= {node.name: node.meta["val"].dtype for node in plan.split.given.values()}
        for name in dtypes.keys() - inputs.keys():
            sizes = [axes.get(size, 1) if isinstance(size, sympy.Expr) else size for size in shapes[name]]
            inputs[name] = torch.zeros(sizes, dtype=dtypes[name], device=device)
        step = Step(
            captured,
            plan,
            planning=planning,
            batch=batch,
            chunk=chunk,
            values=values,
            constants=lambda name: held(self, name),
            axes=axes,
            device=device,
            ops=self.ops,
        )
        return step, [self._watched(step, *found) for found in replay(step, self.registry, inputs, self.watch)]

    def _watched(self, step: Step, name: str, value: torch.Tensor, fact: Fact) -> tuple[str, torch.Tensor, Fact]:
        step.node = next(node for output, node in step.captured.outputs if output == name)
        return self.watch.output(step, step.node, lambda: _finished(step, name, value, fact))


def _rewritten(captured: Captured) -> Captured:
    """The captured graph in the forms that rules know: whatever a pass does, whole sequences compute the same."""
    captured = in_real_numbers(with_loops(captured), FORMS)
    for rewrite in (without_zero_taps, with_shifts, with_fused_attention):
        captured = rewrite(captured)
    return captured


def _own(value: torch.Tensor | None) -> torch.Tensor:
    if value is None:
        raise AssertionError("a rule asked for a state and never said what it becomes")
    return value


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
    plan, outputs = _settled(graph, Plan(multiple=multiple, lookahead=lookahead, split=split_off(graph.captured)))
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
    asked = plan.split.asked | plan.asked
    split = plan.split if asked == plan.split.asked else split_off(captured, asked)
    if settled and split is plan.split and plan.flushes == plan.flushed:
        return None
    return Plan(
        multiple=multiple,
        flushes=plan.flushes,
        flushed=plan.flushes,
        lookahead=plan.lookahead,
        reaches=reaches,
        waits=waits,
        split=split,
    )


def _ratio_at(captured: Captured, origin: str) -> Fraction:
    """Frames per base frame of the value that a node makes."""
    node = next(node for node in captured.graph.nodes if node.name == origin)
    return max(_ratio(captured, size) for size in captured.shape(node.meta["val"]) if mentions(size, captured.time))


def _sample(captured: Captured, plan: Plan) -> dict[str, torch.Tensor]:
    """Inputs for one call, by placeholder name."""
    sizes = {"batch": 2, "time": 2 * plan.multiple}
    device = next((tensor.device for tensor in captured.tensors.values()), torch.device("cpu"))
    for index, word in enumerate(sorted(captured.bounds)):
        sizes[word] = captured.sizes_within(3 + index)[word]
    return {
        item.placeholder: torch.zeros(item.spec.sizes(sizes), dtype=getattr(torch, item.spec.dtype), device=device)
        for item in captured.inputs
    }


def _prologue(graph: StepGraph, plan: Plan, sample: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give the graph the prologue that its plan needs; what that computes of the sample, by node."""
    made = PrologueGraph(graph.captured, graph.registry, plan.split, graph.ops, sample) if plan.split.given else None
    graph.__dict__["prologue"] = made  # not as a submodule: the step is traced without it
    if made is None:
        return {}
    plan.ranges |= made.plan.ranges
    return {plan.split.given[name].name: value for name, value in made.planned.items()}


def _planned(graph: StepGraph, plan: Plan) -> list[Output]:
    inputs = _sample(graph.captured, plan)
    inputs |= _prologue(graph, plan, inputs)
    rows = 2 if graph.captured.batch is not None else 1
    values = {"remaining": torch.full([rows], 2**40, device=next(iter(inputs.values())).device)}
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
    sizes = {**graph.captured.sizes_within(5), "batch": batch, "time": chunk, "capacity": capacity}
    shapes: list[Sequence[Any]] = [item.spec.shape for item in graph.frames]
    dtypes = [item.spec.dtype for item in graph.frames]
    if graph.prologue is not None:
        shapes += [graph.prologue.shapes[name] for name in graph.given]
        dtypes += [str(graph.prologue.dtype(name)).removeprefix("torch.") for name in graph.given]
    shapes += [item.spec.shape for item in graph.conditioning]
    dtypes += [item.spec.dtype for item in graph.conditioning]
    shapes += [state.shape for state in graph.plan.states.values()]
    dtypes += [state.dtype for state in graph.plan.states.values()]
    if graph.plan.uses_remaining:
        shapes.append(("batch",) if graph.captured.batch is not None else (1,))
        dtypes.append("int64")

    return example_tensors(shapes, dtypes, sizes), shapes


def example_tensors(
    shapes: Sequence[Sequence[Axis]], dtypes: Sequence[str], sizes: Mapping[str, int]
) -> list[torch.Tensor]:
    """Zeros with axes in the contract's words; those that ``sizes`` does not know are five long."""

    def concrete(axis: Axis) -> int:
        times, name = (axis, "") if isinstance(axis, int) else axis_parts(axis)
        return times * (sizes.get(name, 5) if name else 1)

    return [
        torch.zeros([concrete(axis) for axis in shape], dtype=getattr(torch, dtype))
        for shape, dtype in zip(shapes, dtypes, strict=True)
    ]
