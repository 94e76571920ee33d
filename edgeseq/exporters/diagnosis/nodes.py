"""Captured nodes as text: one line each, as they go into rules, and the test row of one."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import sympy
import torch

from edgeseq.contract import State
from edgeseq.errors import UsageError
from edgeseq.exporters.capture import Captured
from edgeseq.exporters.diagnosis.diagnose import Diagnosis
from edgeseq.exporters.diagnosis.onlooking import Seen
from edgeseq.exporters.facts import Static, Timed
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.origin import module_path, op_name, source_line
from edgeseq.exporters.rules.foreign import origin_of

#: Where a tensor is made, not what it holds.
_PLACES = ("device", "layout", "pin_memory")


def listed(found: Diagnosis) -> list[str]:
    """A line per node: name, op with arguments, the fact of its result, how it streams, source line."""
    captured = found.step.captured
    rows = [(f"{item.node.name} = {_call(item.node)}", f"-> {_told(captured, item.fact)}", item) for item in found.seen]
    return [f"{call} {fact}  [{_how(item)}]{_at(item.node)}" for call, fact, item in rows]


def detailed(found: Diagnosis, name: str) -> list[str]:
    """One node: its operands and its result with their facts, its states, and its row for ``tests/rules``.

    UsageError where there is no node of this name.
    """
    item = next((item for item in found.seen if item.node.name == name), None)
    if item is None:
        raise UsageError(f"the captured graph has no node {name!r}", do="see edgeseq explain --graph for their names")
    path = module_path(item.node) or "the model itself"
    operands = [f"  {source.name}: {_operand(found, source)}" for source in item.node.all_input_nodes]
    states = [_state(found.step.plan.states[name]) for name in item.states if name in found.graph.plan.states]
    gives = f"  {_shape(found, item.node)} {_told(found.step.captured, item.fact)}"
    lines = [f"{name} = {_call(item.node)}  [{_how(item)}]{_at(item.node)}", f"in {path}"]
    lines += ["takes", *operands, "gives", gives, *(["keeps", *states] if states else [])]
    lines += [f"rule {origin_of(item.rule)}"] if item.rule is not None else []
    lines += [f"refused: {error}" for error in item.refusals]
    return [*lines, "", "its row, as tests/rules has them:", "", *_Row(found, item).lines()]


def _state(state: State) -> str:
    shape = ", ".join(map(str, state.shape))
    return f"  {state.name}: {state.kind} {state.dtype}[{shape}], from frame {state.start} on"


def _call(node: torch.fx.Node) -> str:
    args = [*map(_argument, node.args), *(f"{key}={_argument(value)}" for key, value in node.kwargs.items())]
    return f"{op_name(node)}({', '.join(args)})"


def _argument(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_argument, value))}]"
    return value.name if isinstance(value, torch.fx.Node) else str(value)


def _told(captured: Captured, fact: Any) -> str:
    if isinstance(fact, (list, tuple)):
        return f"[{', '.join(_told(captured, item) for item in fact)}]"
    text = str(fact)
    for symbol, axis in captured.axes.items():
        text = text.replace(str(symbol), axis)
    return text


def _how(item: Seen) -> str:
    return item.treatment if item.rule is None or item.treatment != "rule" else item.rule.__name__


def _at(node: torch.fx.Node) -> str:
    place = source_line(node)
    return f"  {place}" if place else ""


def _operand(found: Diagnosis, node: torch.fx.Node) -> str:
    known = {item.node: item.fact for item in found.seen}
    given = "weight" if node.name in found.step.captured.tensors else "input"
    return f"{_shape(found, node)} {_told(found.step.captured, known[node]) if node in known else given}"


def _shape(found: Diagnosis, node: torch.fx.Node) -> str:
    shapes = []
    for value in flatten(node.meta.get("val")):
        if isinstance(value, torch.Tensor):
            sizes = ", ".join(_told(found.step.captured, size) for size in found.step.captured.shape(value))
            shapes.append(f"{str(value.dtype).removeprefix('torch.')}[{sizes}]")
    return ", ".join(shapes)


class _Row:
    """The text of a ``Row``: what has frames becomes an input, a weight a part, anything else is written out."""

    def __init__(self, found: Diagnosis, item: Seen) -> None:
        self.item = item
        self.captured: Captured = found.step.captured
        self.facts: Mapping[torch.fx.Node, Any] = {seen.node: seen.fact for seen in found.seen}
        self.inputs: dict[torch.fx.Node, str] = {}
        self.parts: dict[str, str] = {}

    def lines(self) -> list[str]:
        """The row; sizes are written as those of the inputs."""
        for source in self.item.node.all_input_nodes:
            if self._has_frames(source):
                self.inputs.setdefault(source, self._input(source))
        call = self._written(self.item.node)
        specs = {name: self._spec(node) for node, name in reversed(self.inputs.items())}
        inputs = ", ".join(f'"{name}": "{specs[name]}"' for name in sorted(specs))
        refused = f"refused={self.item.refusals[0].why!r}," if self.item.refusals else ""
        parts = ", ".join(f'"{name}": {made}' for name, made in self.parts.items())
        op = op_name(self.item.node) if self.item.node.target is torch.ops.edgeseq.recurrent.default else None
        body = [
            f'"{op or self.item.node.target}",',
            f'"{module_path(self.item.node) or "as captured"}",',
            f"lambda m, {', '.join(sorted(specs))}: {call},",
            f"{{{inputs}}},",
            *([f"parts={{{parts}}},"] if parts else []),
            *([refused] if refused else []),
        ]
        return ["Row(", *textwrap.indent("\n".join(body), "    ").splitlines(), ")"]

    def _input(self, node: torch.fx.Node) -> str:
        """A name for one more input: rows have two, so a third that is like the second is the second."""
        alike = [name for other, name in self.inputs.items() if self._spec(other) == self._spec(node)]
        return alike[-1] if len(self.inputs) > 1 and alike else "xyzuvw"[min(len(self.inputs), 5)]

    def _has_frames(self, node: torch.fx.Node) -> bool:
        if node.op == "placeholder":
            return node.name not in self.captured.tensors
        return any(isinstance(leaf, Timed) and not leaf.uniform for leaf in flatten(self.facts.get(node)))

    def _written(self, node: torch.fx.Node) -> str:
        args = [self._value(value) for value in node.args]
        args += [f"{key}={self._keyword(value)}" for key, value in node.kwargs.items() if key not in _PLACES]
        name = str(node.target) if isinstance(node.target, torch._ops.OpOverload) else f"operator.{node.name}"
        return f"torch.ops.{name}({', '.join(args)})"

    def _value(self, value: Any) -> str:
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(map(self._value, value))}]"
        if not isinstance(value, torch.fx.Node):
            return repr(value)
        if value in self.inputs:
            return self.inputs[value]
        if isinstance(value.meta.get("val"), (int, torch.SymInt)):
            return self._size(self.captured.size(value.meta["val"]))
        if value.op == "placeholder" or self._is_constant(value):
            return self._part(value)
        return self._written(value)

    def _keyword(self, value: Any) -> str:
        """A keyword argument; what is made in float32 follows the input, which the oracle makes wider."""
        floats = [name for node, name in self.inputs.items() if node.meta["val"].dtype.is_floating_point]
        return f"{floats[0]}.dtype" if value is torch.float32 and floats else self._value(value)

    def _is_constant(self, node: torch.fx.Node) -> bool:
        fact = self.facts.get(node)
        weights = any(source.op == "placeholder" for source in node.all_input_nodes)
        return weights and isinstance(fact, Static) and fact.constant

    def _part(self, node: torch.fx.Node) -> str:
        name = node.name.removeprefix("p_").removeprefix("b_").removeprefix("c_")
        shape = ", ".join(map(str, node.meta["val"].shape))
        dtype = node.meta["val"].dtype
        self.parts[name] = (
            f"parameter({shape})" if dtype.is_floating_point else f"lambda: torch.zeros([{shape}], dtype={dtype})"
        )
        return f"m.{name}"

    def _size(self, size: Any) -> str:
        """A size as an expression of the sizes of the inputs."""
        for node, name in self.inputs.items():
            shape = self.captured.shape(node.meta["val"])
            if not isinstance(size, int) and size in shape:
                return f"{name}.shape[{shape.index(size)}]"
        text = str(size)
        for symbol in getattr(size, "free_symbols", ()):
            text = text.replace(str(symbol), self._axis_of(symbol))
        return text

    def _axis_of(self, symbol: sympy.Symbol) -> str:
        for node, name in self.inputs.items():
            for axis, size in enumerate(self.captured.shape(node.meta["val"])):
                if size == symbol:
                    return f"{name}.shape[{axis}]"
        return self.captured.axes.get(symbol, str(symbol))

    def _spec(self, node: torch.fx.Node) -> str:
        """The spec of a value that becomes an input, with frames of its own; ``...`` for an axis shared with others."""
        value, axes, fact = node.meta["val"], [], self.facts.get(node)
        whole = fact.axis if isinstance(fact, Timed) and not fact.folded else None
        for axis, size in enumerate(self.captured.shape(value)):
            known = self.captured.axes.get(size) if isinstance(size, sympy.Symbol) else None
            axes.append("time" if axis == whole else str(size) if isinstance(size, int) else known or "...")
        return f"{str(value.dtype).removeprefix('torch.')}[{','.join(axes)}]"
