"""A ``.pt2`` file as a module: what ``torch.export.save`` wrote, with arguments by name."""

from __future__ import annotations

import inspect
import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.fx.traceback import preserve_node_meta
from torch.utils._pytree import tree_leaves, tree_unflatten

from edgeseq.errors import CaptureError, ModelFileError, UsageError
from edgeseq.exporters.capture_errors import first_lines, quiet
from edgeseq.exporters.symbols import size_of
from edgeseq.specs import InputSpec

_LOAD_ERRORS = (RuntimeError, ValueError, TypeError, KeyError, OSError, EOFError, AttributeError, zipfile.BadZipFile)
_RECURRENT = ("aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu")


@dataclass(frozen=True)
class _Leaf:
    """One tensor that the program takes: sizes, None where it is free, and the bounds of the free ones."""

    sizes: tuple[int | None, ...]
    bounds: tuple[tuple[int, float], ...]


class SavedProgram(nn.Module):
    """A loaded program that takes its arguments by name and is in eval mode for good.

    Each has a class of its own, whose ``forward`` has the program's arguments; :func:`load_program` makes it. It keeps
    the bounds of the lengths that were free when it was exported: beyond them it may be another model's program.
    """

    def __init__(self, program: ExportedProgram, graph: torch.fx.GraphModule, names: Sequence[str]) -> None:
        super().__init__()
        given, returned = program.call_spec.in_spec, program.call_spec.out_spec
        assert given is not None
        assert returned is not None
        self.program = graph
        self.training = False
        # A function: it is not copied with the module, as the spec would be, of which torch then warns.
        self._as_returned: Callable[[Any], Any] = lambda results: tree_unflatten(results, returned)
        self.arguments = (*names[: given.child(0).num_children], *(given.child(1).context or ()))
        self.leaves = tuple(_leaves(program))
        self.fixing = sorted({name for node in program.graph.nodes if (name := _recurrent(node))})

    def train(self, mode: bool = True) -> SavedProgram:
        """Do nothing: the mode of a saved program was chosen when it was exported."""
        return self

    def forward(self, **given: Any) -> Any:
        """What the saved module's forward returns; ValueError for lengths that it did not promise to take."""
        tensors = tree_leaves([given[name] for name in self.arguments])
        for leaf, value in zip(self.leaves, tensors, strict=True):
            for size, (low, high) in zip(value.shape, leaf.bounds, strict=True):
                if (low > 1 and size < low) or (high < math.inf and size > high):
                    raise ValueError(f"the saved program takes sizes from {low} to {high} here, not {size}")
        # Node by node: a capture then names the lines and modules of the model, not those of the generated code.
        with preserve_node_meta():
            results = torch.fx.Interpreter(self.program).run(*tensors)
        return self._as_returned(results)


def load_program(path: Path) -> SavedProgram:
    """The program in a ``.pt2`` file; ModelFileError where it cannot be read, UsageError where it is in training mode.

    Runs what the file holds as far as ``torch.export.load`` does: load only files that you trust.
    """
    try:
        with quiet():
            program = torch.export.load(path)
    except FileNotFoundError:
        raise ModelFileError("no such model file", got=str(path)) from None
    except _LOAD_ERRORS as error:
        raise ModelFileError(
            "cannot read the saved program",
            where=str(path),
            why=first_lines(error),
            do=f"save it with torch {torch.__version__.partition('+')[0]}: torch.export.save(program, path)",
        ) from error
    trained = next((node for node in program.graph.nodes if _trains(node)), None)
    if trained is not None:
        raise UsageError(
            f"{path.name} was exported in training mode",
            why=f"{trained.name} behaves as in training",
            do="call model.eval() before torch.export.export",
        )
    graph = program.module(check_guards=False)
    names = list(inspect.signature(graph.forward).parameters)
    graph.graph.set_codegen(torch.fx.graph.CodeGen())  # flat tensors in and out: the trees are ours to keep
    del graph._in_spec, graph._out_spec
    made: type[SavedProgram] = type(path.stem, (SavedProgram,), {"forward": _forward(names)})
    return made(program, graph, names)


def check_program(program: SavedProgram, leaves: Sequence[tuple[str, InputSpec]]) -> None:
    """CaptureError where a size that the specs leave free was fixed when the program was saved."""
    if len(leaves) != len(program.leaves):
        raise UsageError(
            "the inputs are not those of the saved program",
            got=f"{len(leaves)} tensors",
            wanted=f"{len(program.leaves)}",
        )
    ordered = sorted(leaves, key=lambda leaf: program.arguments.index(leaf[0].partition(".")[0]))
    for (name, spec), leaf in zip(ordered, program.leaves, strict=True):
        if len(leaf.sizes) != len(spec.shape):
            raise UsageError(f"input {name} has another rank", got=str(spec), wanted=f"{len(leaf.sizes)} axes")
        for axis, (wanted, size) in enumerate(zip(spec.shape, leaf.sizes, strict=True)):
            if isinstance(wanted, str) and size is not None:
                raise CaptureError(
                    f"the saved program takes only one size of {wanted}, axis {axis} of {name}",
                    got=size,
                    wanted=f"any size of {wanted}",
                    do=_remedy(program, leaves),
                )
            if isinstance(wanted, int) and size is not None and wanted != size:
                raise UsageError(f"input {name} has another size in the saved program", got=str(spec), wanted=size)


def _remedy(program: SavedProgram, leaves: Sequence[tuple[str, InputSpec]]) -> str:
    free = {
        name: {axis: "Dim.DYNAMIC" for axis, word in enumerate(spec.shape) if isinstance(word, str)}
        for name, spec in leaves
    }
    shapes = str(_nested(free)).replace("'Dim.DYNAMIC'", "Dim.DYNAMIC").replace("'", '"')
    do = f"save it with torch.export.export(model, args, dynamic_shapes={shapes})"
    if program.fixing:
        ops = " and ".join(program.fixing)
        do += (
            f"; where torch refuses that, since it fixes the length of {ops}, export the module itself: file.py:factory"
        )
    return do


def _nested(flat: dict[str, Any]) -> Any:
    """``{"state.0": a}`` as torch.export takes it: ``{"state": (a,)}``."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        place = nested
        for word in path:
            place = place.setdefault(word, {})
        place[last] = value
    return {name: _with_tuples(value) for name, value in nested.items()}


def _with_tuples(value: Any) -> Any:
    if not isinstance(value, dict) or any(isinstance(key, int) for key in value):
        return value
    inner = {key: _with_tuples(item) for key, item in value.items()}
    return tuple(inner.values()) if all(key.isdigit() for key in inner) else inner


def _forward(names: Sequence[str]) -> Any:
    """A forward that shows the program's arguments to whoever asks for its signature."""

    def forward(self: SavedProgram, *args: Any, **given: Any) -> Any:
        return SavedProgram.forward(self, **dict(zip(names, args, strict=False)), **given)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in ("self", *names)]
    forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return forward


def _leaves(program: ExportedProgram) -> Iterator[_Leaf]:
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    for name in program.graph_signature.user_inputs:
        value = values.get(str(name))
        if not isinstance(value, torch.Tensor):
            raise UsageError(
                "the saved program takes something that is no tensor",
                got=name,
                do="save it with tensors alone as inputs",
            )
        sizes = [size_of(size) for size in value.shape]
        free = tuple(size if isinstance(size, int) else None for size in sizes)
        yield _Leaf(free, tuple((1, math.inf) if isinstance(size, int) else _bounds(program, size) for size in sizes))


def _bounds(program: ExportedProgram, size: Any) -> tuple[int, float]:
    """The range of a free size; a lower bound of two is torch's own caution about ones, not the model's."""
    interval = program.range_constraints.get(size)
    if interval is None:
        return 1, math.inf
    low = int(interval.lower) if interval.lower.is_Integer else 1
    high = int(interval.upper) if interval.upper.is_Integer and interval.upper < 2**31 else math.inf
    return (low if low > 2 else 1), high


def _recurrent(node: torch.fx.Node) -> str | None:
    return next((name for name in _RECURRENT if str(node.target).startswith(f"{name}.")), None)


def _trains(node: torch.fx.Node) -> bool:
    """True for ops told to behave as in training: dropout that drops, a batch norm over the batch's statistics."""
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return False
    names = [argument.name for argument in node.target._schema.arguments]
    told = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    drops = [told.get(name) for name in ("p", "dropout") if name in told]
    return any(told.get(name) is True for name in ("train", "training")) and drops != [0.0]
