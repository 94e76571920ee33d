"""Capture: an ``nn.Module`` that maps whole sequences becomes an ATen graph with a symbolic time axis."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy
import torch
from torch import nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils._sympy.functions import FloorDiv

from edgeseq.contract import Length, axis_parts, resolve_shape
from edgeseq.errors import CaptureError, EdgeseqError, UsageError
from edgeseq.exporters.associative_calls import scanned_in_turn
from edgeseq.exporters.attributes import attributes_put_back
from edgeseq.exporters.capture_errors import FixedTime, fixed_sizes_noted, not_captured, quiet, raise_if_final
from edgeseq.exporters.frozen_sizes import check_conditions
from edgeseq.exporters.grids import Grids
from edgeseq.exporters.long_sizes import SizesKeptShort
from edgeseq.exporters.origin import source_line
from edgeseq.exporters.rated_inputs import join_placeholder, joined_before_forward, split_shape
from edgeseq.exporters.recurrent_ops import KeepRecurrentCalls
from edgeseq.exporters.saved_program import SavedProgram, check_program
from edgeseq.exporters.symbols import Shape, affine_length, mentions, simplest, size_of
from edgeseq.exporters.whole_numbers import sizes_stay_sizes
from edgeseq.specs import InputSpec, parse_spec

#: Example lengths, tried in order: a prime shows a length that must divide, a short one fits a small table, a long
#: one a large receptive field, and a highly composite one passes any reshape that divides time.
_LENGTHS = (37, 1031, 11, 5, 30011)
_ROOMY = 1000
_DIVISIBLE = 20160
_BATCH = 3
#: Where a node that stands for the body of a higher-order op, as of ``scan``, keeps it.
BODY = "body"
_CAPTURE_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    AssertionError,
    NotImplementedError,
    IndexError,
    KeyError,
    AttributeError,
    EdgeseqError,
    torch._dynamo.exc.TorchDynamoException,
)


@dataclass(frozen=True)
class Input:
    """One tensor that the user gives: its dotted name, its spec and the captured placeholder's name."""

    name: str
    spec: InputSpec
    placeholder: str


@dataclass(frozen=True)
class Captured:
    """A captured model.

    ``tensors`` are the parameters, buffers and constants by placeholder name, ``names`` their names in the model.
    ``time`` is the symbol behind the time axes, ``batch`` the one behind the batch axes (None: fixed). ``multiple``:
    the model takes only whole multiples of this many frames. ``least`` and ``most`` frames bound what the model accepts
    (``most`` None: no bound). ``bounds``: the same of the user's own axes, by their words.
    """

    graph: torch.fx.Graph
    inputs: tuple[Input, ...]
    tensors: Mapping[str, torch.Tensor]
    names: Mapping[str, str]
    outputs: tuple[tuple[str, torch.fx.Node], ...]
    time: sympy.Symbol
    batch: sympy.Symbol | None
    axes: Mapping[sympy.Symbol, str]
    multiple: int
    least: int
    most: int | None
    rename: Mapping[sympy.Symbol, sympy.Symbol]
    bounds: Mapping[str, tuple[int, int | None]]

    @cached_property
    def grids(self) -> Grids:
        """The values that no input enters."""
        inputs = frozenset(item.placeholder for item in self.inputs)
        return Grids(self.graph, inputs, self.tensors, self.time, self.rename, self.most, self.multiple)

    def shape(self, value: torch.Tensor) -> Shape:
        """The symbolic shape of a captured value, one symbol per named axis."""
        return tuple(self.size(size) for size in value.shape)

    def size(self, value: Any) -> int | sympy.Expr:
        """The symbolic size behind an ``int`` or ``SymInt`` of the capture, in frames of the input."""
        size = size_of(value)
        return size if isinstance(size, int) else simplest(size.xreplace(dict(self.rename)))

    def sizes_within(self, size: int) -> dict[str, int]:
        """Sizes for the user's own axes: ``size``, or the nearest that the model takes."""
        return {word: min(max(size, low), high or size + low) for word, (low, high) in self.bounds.items()}

    def length(self, size: int | sympy.Expr) -> Length | None:
        """The length behind a size; where only multiples are accepted, other lengths are None."""
        length = affine_length(size, self.time)
        if length is None or self.multiple == 1:
            return length
        at: list[int | None] = [None] * (length.period * self.multiple)
        at[:: self.multiple] = length.at
        return Length(period=length.period * self.multiple, frames=length.frames, at=tuple(at))

    def timed_factor(self, size: int | sympy.Expr) -> int | sympy.Expr | None:
        """The factor of a size that grows with time: ``T`` in ``4*batch*T``; None where there is no single one."""
        if not mentions(size, self.time) or self.length(size) is not None:
            return size if mentions(size, self.time) else None
        factors = sympy.Mul.make_args(sympy.factor(size))
        timed = [factor for factor in factors if mentions(factor, self.time)]
        return simplest(timed[0]) if len(timed) == 1 and self.length(simplest(timed[0])) is not None else None


def capture(model: nn.Module, inputs: Mapping[str, Any]) -> Captured:
    """Capture a model in eval mode.

    ``inputs`` maps the arguments of ``forward`` to specs (``"float32[batch,time,64]"``), or to tuples of specs where an
    argument is a tuple. Raises CaptureError where torch cannot trace the model with a symbolic time axis, and where it
    loops over time and its turns are not alike.
    """
    specs = ordered(model, inputs)
    try:
        return _captured(model, specs)
    except FixedTime as error:
        from edgeseq.exporters.loops import rolled  # it captures too

        return rolled(model, specs, error, capture)


def _captured(model: nn.Module, specs: dict[str, Any]) -> Captured:
    leaves = list(spec_leaves(specs))
    if not any(spec.time_axis is not None for _, spec in leaves):
        raise UsageError(
            "no input has a time axis",
            got=", ".join(f"{name}={spec}" for name, spec in leaves),
            wanted="at least one axis named time",
            do="name it as in x=float32[batch,time,64]",
        )
    _check_axes(leaves)
    if isinstance(model, SavedProgram):
        check_program(model, leaves)
    first_error: Exception | None = None
    short: Captured | None = None
    for frames in _LENGTHS:
        try:
            captured = _read(export_program(model, specs, frames, multiple=1), leaves, multiple=1)
        except _CAPTURE_ERRORS as error:
            raise_if_final(error)
            first_error = first_error or error
            if short is not None:  # a table ends before this length: shorter examples would show no more
                return short
            continue
        if _too_short_an_example(captured):
            continue
        if not _grows_evenly(captured):
            break
        if captured.most is None or captured.most > _ROOMY:
            return captured
        # A bound this low is a table's, or that of an example so short that an axis came out as one frame.
        short = short if short is not None and (short.most or 0) >= captured.most else captured
    return short or _capture_multiples(model, specs, leaves, first_error)


def _check_axes(leaves: list[tuple[str, InputSpec]]) -> None:
    """A word beside time must be one whose size is known before the first frame: an axis of a conditioning input."""
    known = {"batch", "time"}.union(*(spec.words for _, spec in leaves if spec.time_axis is None))
    for name, spec in leaves:
        odd = [axis for axis in spec.shape if isinstance(axis, str) and axis_parts(axis)[1] not in known]
        if odd and spec.time_axis is not None:
            close = difflib.get_close_matches(odd[0], ["batch", "time"], 1)
            raise UsageError(
                f"input {name} has an axis called {odd[0]} beside time",
                got=str(spec),
                wanted="sizes, batch, time and axes of inputs without time",
                do=f"did you mean {close[0]}?" if close else f"write the size in place of {odd[0]}",
            )


def _capture_multiples(
    model: nn.Module, specs: dict[str, Any], leaves: list[tuple[str, InputSpec]], first_error: Exception | None
) -> Captured:
    """Capture a model whose reshapes divide time: look for the divisors, then make time a multiple of them."""
    try:
        multiple = _divisor(_read(export_program(model, specs, _DIVISIBLE, multiple=1), leaves, multiple=1))
        return _read(export_program(model, specs, 37, multiple=multiple), leaves, multiple=multiple)
    except _CAPTURE_ERRORS as error:
        raise_if_final(error)
        raise not_captured(first_error or error) from (first_error or error)


def _too_short_an_example(captured: Captured) -> bool:
    """True where windows over time came out as a single frame, whose axis torch then takes for a fixed one."""

    def timed(value: Any) -> bool:
        tensors = [value] if isinstance(value, torch.Tensor) else []
        return any(mentions(size, captured.time) for tensor in tensors for size in captured.shape(tensor))

    keeping = [node for node in captured.graph.nodes if _keeps_time(node)]
    return any(
        any(timed(source.meta.get("val")) for source in node.all_input_nodes) and not timed(node.meta["val"])
        for node in keeping
    )


def _keeps_time(node: torch.fx.Node) -> bool:
    """True for ops whose result has a time axis whenever an operand has one."""
    windowed = re.match(r"(conv|max_pool|avg_pool)\dd", node.name) is not None
    return windowed or torch.Tag.pointwise in getattr(node.target, "tags", ())


def _grows_evenly(captured: Captured) -> bool:
    sizes = {size for value in _tensors(captured.graph) for size in captured.shape(value)}
    return all(captured.timed_factor(size) is not None for size in sizes if _is_clean(size, captured))


def _is_clean(size: int | sympy.Expr, captured: Captured) -> bool:
    """Sizes that a reshape of indivisible time leaves behind hold a nested floor; T x T holds the symbol squared."""
    return isinstance(size, sympy.Expr) and mentions(size, captured.time) and bool(size.atoms(FloorDiv))


def _divisor(captured: Captured) -> int:
    divisors = [1]
    for value in _tensors(captured.graph):
        for size in captured.shape(value):
            if isinstance(size, sympy.Expr):
                for part in sympy.preorder_traversal(size):
                    if len(part.args) == 2 and part.args[1].is_Integer and part.args[1] > 1 and not part.is_Pow:
                        divisors.append(int(part.args[1]))
    return math.lcm(*(divisor for divisor in divisors if divisor <= 4096))


def _tensors(graph: torch.fx.Graph) -> Iterator[torch.Tensor]:
    for node in graph.nodes:
        value = node.meta.get("val")
        yield from (
            item for item in (value if isinstance(value, (tuple, list)) else [value]) if isinstance(item, torch.Tensor)
        )


def ordered(model: nn.Module, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The specs, parsed, in the order of forward's arguments."""
    names = list(inspect.signature(model.forward).parameters)
    unknown = [name for name in inputs if name not in names]
    if unknown:
        raise UsageError(
            f"forward of {type(model).__name__} takes no argument named {unknown[0]!r}",
            got=", ".join(inputs),
            wanted=f"names among {', '.join(names)}",
        )
    parameters = inspect.signature(model.forward).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind not in variadic]
    missing = [name for name in needed if name not in inputs]
    if missing:
        raise UsageError(
            f"forward of {type(model).__name__} needs an argument {missing[0]!r}",
            got=", ".join(inputs),
            wanted=", ".join(needed),
            do=f"add {missing[0]} to inputs, with its spec",
        )
    return {name: _parsed(inputs[name]) for name in names if name in inputs}


def _parsed(spec: Any) -> Any:
    if isinstance(spec, dict):
        return {key: _parsed(item) for key, item in spec.items()}
    if isinstance(spec, (tuple, list)):
        return tuple(_parsed(item) for item in spec)
    return spec if isinstance(spec, InputSpec) else parse_spec(spec)


def spec_leaves(specs: Any, prefix: str = "") -> Iterator[tuple[str, InputSpec]]:
    """Every tensor of some arguments: its dotted name and its spec."""
    if isinstance(specs, InputSpec):
        yield prefix, specs
        return
    items = specs.items() if isinstance(specs, dict) else enumerate(specs)
    for key, item in items:
        yield from spec_leaves(item, f"{prefix}.{key}" if prefix else str(key))


def map_specs(specs: Any, function: Any) -> Any:
    """Some arguments with every spec replaced by what ``function`` makes of it."""
    if isinstance(specs, InputSpec):
        return function(specs)
    if isinstance(specs, dict):
        return {key: map_specs(item, function) for key, item in specs.items()}
    return tuple(map_specs(item, function) for item in specs)


def export_program(
    model: nn.Module, specs: dict[str, Any], frames: int, multiple: int, fixed: bool = False
) -> ExportedProgram:
    """The model's graph for an example of this length, time symbolic or ``fixed`` at it."""
    time = Dim.DYNAMIC if multiple == 1 else multiple * Dim("_time", min=32)
    words = sorted(frozenset().union(*(spec.words for _, spec in spec_leaves(specs))) - {"batch", "time"})
    sizes = {"batch": _BATCH, "time": frames * multiple} | {word: 7 + 2 * i for i, word in enumerate(words)}
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))

    def example(spec: InputSpec) -> torch.Tensor:
        shape = resolve_shape(split_shape(spec), sizes)
        return torch.zeros(shape, dtype=getattr(torch, spec.dtype), device=device)

    def dynamic(spec: InputSpec) -> dict[int, Any]:
        axes = enumerate(split_shape(spec))
        free = {i: axis for i, axis in axes if isinstance(axis, str) and not (fixed and axis == "time")}
        return {i: time if axis == "time" else Dim.DYNAMIC for i, axis in free.items()}

    with (
        quiet(),
        SizesKeptShort(),
        KeepRecurrentCalls(),
        scanned_in_turn(),
        fixed_sizes_noted(),
        joined_before_forward(model, specs),
        attributes_put_back(model),
        sizes_stay_sizes(model),
        torch.no_grad(),
    ):
        exported: ExportedProgram = torch.export.export(
            model, (), kwargs=map_specs(specs, example), dynamic_shapes=map_specs(specs, dynamic), strict=False
        )
        decomposed: ExportedProgram = exported.run_decompositions({})
    return decomposed


def _read(exported: ExportedProgram, leaves: list[tuple[str, InputSpec]], multiple: int) -> Captured:
    placeholders = {node.name: node for node in exported.graph.nodes if node.op == "placeholder"}
    names = [spec.arg.name for spec in exported.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT]
    for node in exported.graph.find_nodes(op="get_attr"):
        node.meta[BODY] = exported.graph_module.get_submodule(node.target)
    inputs = tuple(Input(name, spec, placeholder) for (name, spec), placeholder in zip(leaves, names, strict=True))
    symbols: dict[str, sympy.Symbol] = {}
    rename: dict[sympy.Symbol, sympy.Symbol] = {}
    for item in inputs:
        join_placeholder(placeholders[item.placeholder], item.spec)
        value = placeholders[item.placeholder].meta["val"]
        for axis, size in zip(item.spec.shape, value.shape, strict=True):
            if isinstance(axis, str):
                _bind_axis(item, axis, size_of(size), symbols, rename)
    time = symbols["time"]
    for symbol in (time, *(own for own, joined in rename.items() if joined == time)):
        check_conditions(exported, symbol)
    bounds = [_bounds(exported, symbol) for symbol in (time, *(s for s, t in rename.items() if t == time))]
    return Captured(
        graph=exported.graph,
        inputs=inputs,
        tensors=tensors_by_placeholder(exported),
        names={spec.arg.name: spec.target for spec in exported.graph_signature.input_specs if spec.target},
        outputs=_outputs(exported),
        time=time,
        batch=symbols.get("batch"),
        axes={symbol: axis for axis, symbol in symbols.items()},
        multiple=multiple,
        least=1 if multiple > 1 else max(low for low, _ in bounds),
        most=min((high * multiple for _, high in bounds if high is not None), default=None),
        rename=rename,
        bounds={
            word: _common([_bounds(exported, one) for one in (symbol, *(s for s, t in rename.items() if t == symbol))])
            for word, symbol in symbols.items()
            if word not in ("batch", "time")
        },
    )


def _bind_axis(
    item: Input, axis: str, size: int | sympy.Expr, symbols: dict[str, sympy.Symbol], rename: dict[Any, Any]
) -> None:
    free = list(size.free_symbols) if isinstance(size, sympy.Expr) else []
    if not free:
        raise CaptureError(
            f"the model takes only one size of axis {axis} of {item.name}",
            got=size,
            wanted=f"any size of {axis}",
            do=f"write {size} in place of {axis} in the input spec, or make the model take any size",
        )
    symbol = symbols.setdefault(axis_parts(axis)[1], free[0])
    if free[0] != symbol:
        rename[free[0]] = symbol


def _bounds(exported: ExportedProgram, symbol: sympy.Symbol) -> tuple[int, int | None]:
    interval = exported.range_constraints.get(symbol)
    if interval is None:
        return 1, None
    low = int(interval.lower) if interval.lower.is_Integer else 1
    high = int(interval.upper) if interval.upper.is_Integer and interval.upper < 2**31 else None
    return (low if low > 2 else 1), high


def _common(bounds: list[tuple[int, int | None]]) -> tuple[int, int | None]:
    return max(low for low, _ in bounds), min((high for _, high in bounds if high is not None), default=None)


def tensors_by_placeholder(exported: ExportedProgram) -> dict[str, torch.Tensor]:
    """Parameters, buffers and constants of a program by the placeholders they stand for."""
    tensors = {}
    for spec in exported.graph_signature.input_specs:
        if spec.kind is InputKind.USER_INPUT:
            continue
        source = exported.state_dict if spec.target in exported.state_dict else exported.constants
        tensors[spec.arg.name] = source[spec.target].detach()
    return tensors


def _outputs(exported: ExportedProgram) -> tuple[tuple[str, torch.fx.Node], ...]:
    """The user's outputs in forward's order, named by their keys: a mutated buffer is refused."""
    mutated = [spec for spec in exported.graph_signature.output_specs if spec.kind.name != "USER_OUTPUT"]
    if mutated:
        raise CaptureError(
            f"forward writes to {mutated[0].target!r}",
            where=_written_at(exported, mutated[0].arg.name),
            why="a model that keeps state in itself has no whole-sequence meaning",
            do="take the state as an argument and return it",
        )
    spec = exported.call_spec.out_spec
    assert spec is not None
    nodes = exported.graph.output_node().args[0]
    tree = torch.utils._pytree.tree_unflatten(range(spec.num_leaves), spec)
    names = {index: name for name, index in _paths(tree)}
    found = []
    for index, node in enumerate(nodes):
        if isinstance(node, torch.fx.Node) and isinstance(node.meta.get("val"), torch.Tensor):
            found.append((names[index], node))
    if not found:
        raise CaptureError("forward returns no tensor", do="return the tensors that should become outputs")
    return tuple(found)


def _written_at(exported: ExportedProgram, name: str) -> str | None:
    node = next((node for node in exported.graph.nodes if node.name == name), None)
    return source_line(node) if node is not None else None


def named_leaves(results: Any) -> dict[str, torch.Tensor]:
    """The tensors that a forward returns, by the names of their ports."""
    leaves, spec = torch.utils._pytree.tree_flatten(results)
    tree = torch.utils._pytree.tree_unflatten(range(len(leaves)), spec)
    return {name: leaves[index] for name, index in _paths(tree) if isinstance(leaves[index], torch.Tensor)}


def _paths(tree: Any, prefix: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(tree, int):
        yield prefix or "output", tree
    elif isinstance(tree, Mapping):
        for key, item in tree.items():
            yield from _paths(item, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(tree, (tuple, list)):
        names = getattr(tree, "_fields", range(len(tree)))
        for key, item in zip(names, tree, strict=True):
            yield from _paths(item, f"{prefix or 'output'}.{key}")
