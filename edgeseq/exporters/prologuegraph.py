"""The prologue as an ``nn.Module``: conditioning in, the constants of the step out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy
import torch
from torch import nn

from edgeseq.contract import Axis
from edgeseq.exporters.capture import Captured, Input
from edgeseq.exporters.constants import held, hold
from edgeseq.exporters.plan import Plan
from edgeseq.exporters.prologue import Split, closure, conditioning_of, symbols_of
from edgeseq.exporters.replay import replay_untimed
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Shape, Size, mentions


class PrologueGraph(nn.Module):
    """One run of the prologue. ``forward`` takes tensors in the order of ``inputs`` and returns those of ``outputs``.

    ``outputs`` are the names of the constants that the step takes, ``shapes`` their axes; an axis whose size is no
    multiple of a named one gets a name of its own, ``source_1``. ``sample`` holds inputs by placeholder name, to plan
    with; ``planned`` is what became of them.
    """

    def __init__(
        self, captured: Captured, registry: Registry, split: Split, ops: str, sample: Mapping[str, torch.Tensor]
    ) -> None:
        super().__init__()
        self.captured, self.registry, self.split, self.ops = captured, registry, split, ops
        self.outputs = tuple(split.given)
        self.shapes = _shapes(captured, split)
        self.plan = Plan(multiple=1)
        needed = set(closure(split.given.values()))
        self._nodes = [node for node in captured.graph.nodes if node in needed]
        self.inputs = _inputs(captured, self._nodes)
        with torch.no_grad():
            values = self._run([sample[item.placeholder] for item in self.inputs], planning=True)
        self.planned = dict(zip(self.outputs, values, strict=True))
        for name, tensor in self.plan.constants.items():
            hold(self, name, tensor)
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The constants of the step, for these arrays of conditioning."""
        return tuple(self._run(tensors, planning=False))

    def keep(self, names: Sequence[str]) -> None:
        """Compute only these outputs from now on."""
        self.outputs = tuple(names)

    def dtype(self, name: str) -> torch.dtype:
        """The dtype of an output."""
        return self.planned[name].dtype

    def _run(self, tensors: Sequence[torch.Tensor], *, planning: bool) -> list[torch.Tensor]:
        given = {item.placeholder: tensor for item, tensor in zip(self.inputs, tensors, strict=True)}
        sizes: dict[sympy.Expr, Any] = {}
        for name, shape in placeholder_shapes(self.captured).items():
            if name in given:
                show_sizes(self.captured, shape, given[name], sizes)
        step = Step(
            self.captured,
            self.plan,
            planning=planning,
            batch=sizes.get(self.captured.batch, 1),
            chunk=None,
            values={},
            constants=lambda name: held(self, name),
            axes=sizes,
            device=tensors[0].device,
            ops=self.ops,
        )
        found = replay_untimed(step, self.registry, self._nodes, given)
        return [found[self.split.given[name]] for name in self.outputs]


def placeholder_shapes(captured: Captured) -> dict[str, Shape]:
    """The symbolic shape of every input, by placeholder name."""
    names = {item.placeholder for item in captured.inputs}
    return {node.name: captured.shape(node.meta["val"]) for node in captured.graph.nodes if node.name in names}


def show_sizes(captured: Captured, shape: Shape, tensor: torch.Tensor, sizes: dict[sympy.Expr, Any]) -> None:
    """Learn from a tensor how large the axes of its captured shape are in this call, time apart."""
    for size, actual in zip(shape, tensor.shape, strict=True):
        if isinstance(size, sympy.Expr) and not mentions(size, captured.time):
            sizes.setdefault(size, actual)


def _inputs(captured: Captured, nodes: list[torch.fx.Node]) -> list[Input]:
    """The inputs that some nodes depend on, and others that show the sizes they use."""
    names, shapes = {node.name for node in nodes}, placeholder_shapes(captured)
    wanted = {symbol for node in nodes for symbol in symbols_of(captured, node)}
    chosen = [item for item in conditioning_of(captured) if item.placeholder in names]
    wanted -= {size for item in chosen for size in shapes[item.placeholder]}
    for item in conditioning_of(captured):
        if wanted.intersection(shapes[item.placeholder]):
            wanted -= set(shapes[item.placeholder])
            chosen.append(item)
    return [item for item in captured.inputs if item in chosen]


def _shapes(captured: Captured, split: Split) -> dict[str, tuple[Axis, ...]]:
    """Axes of the constants in the contract's words."""
    words: dict[Size, Axis] = {}
    taken = set(captured.axes.values())
    return {
        name: tuple(_axis(captured, size, words, taken) for size in captured.shape(node.meta["val"]))
        for name, node in split.given.items()
    }


def _axis(captured: Captured, size: Size, words: dict[Size, Axis], taken: set[str]) -> Axis:
    if isinstance(size, int):
        return size
    times, symbol = size.as_coeff_Mul()
    if times.is_Integer and symbol in captured.axes:
        word = captured.axes[symbol]
        return word if times == 1 else f"{int(times)}*{word}"
    if size not in words:
        base = captured.axes[sorted(size.free_symbols, key=str)[0]]
        word = next(word for n in range(1, 1000) if (word := f"{base}_{n}") not in taken)
        taken.add(word)
        words[size] = word
    return words[size]
