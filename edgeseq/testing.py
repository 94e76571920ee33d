"""The oracle in public: does a module stream, frame by frame, what it computes on whole sequences?"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgeseq.contract import Contract, Port
from edgeseq.errors import VerificationError
from edgeseq.exporters.capture import capture
from edgeseq.exporters.contracting import contract_of
from edgeseq.exporters.modes import EXACT, Exact, Lookahead
from edgeseq.exporters.modes.definition import definition_of
from edgeseq.exporters.rules import FAMILIES, Rules
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.stepgraph import StepGraph
from edgeseq.exporters.torch_stream import TorchStream
from edgeseq.exporters.verification.reference import WideFloats, doubled
from edgeseq.specs import InputSpec, parse_spec

Tensors = dict[str, torch.Tensor]

#: Zeros would hide a sum that takes in what is fed past the end.
_LOUD = 100.0


def check_rule(
    module: nn.Module,
    inputs: Mapping[str, str],
    *,
    frames: int = 40,
    batch: int = 3,
    seed: int = 0,
    atol: float = 1e-9,
    rules: Rules | None = None,
    mode: Exact | Lookahead = EXACT,
) -> Contract:
    """Stream ``module`` in float64 through its step graph, in torch, and compare with its whole-sequence run.

    ``inputs`` maps the arguments of ``forward`` to specs, as in ``export``; float32 is read as float64, so that what is
    compared is the transform and not rounding. Every length from ``frames`` over one chunk multiple is run in random
    chunks, and flushed with frames that are far from zero: what lies past the end must show nowhere. ``rules`` as in
    ``export``; their ONNX forms are not used. With ``mode`` the stream is compared with what that mode computes.

    Returns the contract. Raises NotStreamable where a rule refuses, RuleError where one is broken, and
    VerificationError, with the output, the place and both values, where the stream differs by more than ``atol``.
    """
    with _wide_by_default():
        return _checked(doubled(module).eval(), inputs, frames, batch, random.Random(seed), atol, rules, mode)


@contextlib.contextmanager
def _wide_by_default() -> Iterator[None]:
    """While active, a tensor of no given type is float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _checked(
    double: nn.Module,
    inputs: Mapping[str, str],
    frames: int,
    batch: int,
    generator: random.Random,
    atol: float,
    rules: Rules | None,
    mode: Exact | Lookahead,
) -> Contract:
    specs = {name: _widened(parse_spec(text)) for name, text in inputs.items()}
    registry = Registry(FAMILIES, rules)
    with WideFloats():
        captured = capture(double, specs)
    graph = StepGraph(captured, registry, mode=mode)
    contract = contract_of(graph)
    definition = definition_of(contract)
    for length in _lengths(contract, frames):
        given = _draw(graph, length, batch, generator)
        with torch.no_grad(), WideFloats():
            whole = torch.utils._pytree.tree_leaves(definition(double, given))
        streamed = stream_in_torch(graph, given, random_chunks(length, generator), batch, _LOUD)
        for port, wanted in zip(contract.with_role("output"), whole, strict=True):
            _compare(port, streamed[port.name], wanted, length, atol)
    return contract


def stream_in_torch(
    graph: StepGraph, given: Tensors, chunks: Sequence[int], batch: int, filler: float = 0.0
) -> Tensors:
    """Every frame of every output of a step graph run eagerly: the steps' and the flush's, along time."""
    timed = {item.name: item.spec for item in graph.frames}
    conditioning = {name: value for name, value in given.items() if name not in timed}
    stream = TorchStream(graph, batch, conditioning, capacity=sum(chunks) + 64, filler=filler)
    answers, first = [], 0
    for size in chunks:
        answers.append(stream.step({name: _frames(spec, given[name], first, size) for name, spec in timed.items()}))
        first += size
    answers.append(stream.flush())
    return {
        port.name: answers[-1][port.name]
        if port.time_axis is None
        else torch.cat([answer[port.name] for answer in answers], port.time_axis)
        for port in stream.contract.with_role("output")
    }


def _frames(spec: InputSpec, value: torch.Tensor, first: int, size: int) -> torch.Tensor:
    return value.narrow(spec.time_axis or 0, first * spec.ratio, size * spec.ratio)


def random_chunks(frames: int, generator: random.Random) -> list[int]:
    """Chunk sizes that add up to ``frames``: single frames and others, a multiple of nothing."""
    sizes: list[int] = []
    while sum(sizes) < frames:
        sizes.append(min(generator.choice([1, 1, 2, 3, 5, 8]), frames - sum(sizes)))
    return sizes


def _widened(spec: InputSpec) -> InputSpec:
    return InputSpec("float64", spec.shape) if spec.dtype.startswith("float") else spec


def _lengths(contract: Contract, frames: int) -> Iterator[int]:
    """Lengths that the model takes: one for every remainder modulo the chunk multiple."""
    least = max(frames, contract.min_frames)
    if contract.max_context is not None:
        least = max(1, min(least, contract.max_context - contract.chunk.multiple + 1))
    for length in range(least, least + contract.chunk.multiple):
        outputs = [port.length(length) for port in contract.with_role("output") if port.length is not None]
        if None not in outputs:
            yield length


def _draw(graph: StepGraph, frames: int, batch: int, generator: random.Random) -> Tensors:
    torch_generator = torch.Generator().manual_seed(generator.randrange(2**31))
    drawn: Tensors = {}
    for item in graph.captured.inputs:
        shape = item.spec.sizes({**graph.captured.sizes_within(4), "batch": batch, "time": frames})
        rows = graph.plan.ranges.get(item.placeholder, 2)
        drawn[item.name] = (
            torch.randint(0, rows, shape, generator=torch_generator, dtype=getattr(torch, item.spec.dtype))
            if "int" in item.spec.dtype
            else torch.randn(shape, generator=torch_generator, dtype=torch.float64)
        )
    return drawn


def _compare(port: Port, streamed: torch.Tensor, wanted: Any, length: int, atol: float) -> None:
    if streamed.numel() == wanted.numel():
        wanted = wanted.reshape(streamed.shape)
    where = f"{port.name}, {length} frames"
    if streamed.shape != wanted.shape:
        raise VerificationError(
            "the stream has another shape than the whole",
            where=where,
            got=list(streamed.shape),
            wanted=list(wanted.shape),
        )
    if streamed.numel() == 0:
        return
    if streamed.dtype != wanted.dtype:
        raise VerificationError("the stream has another dtype", where=where, got=streamed.dtype, wanted=wanted.dtype)
    distance = (streamed.double() - wanted.double()).abs().nan_to_num(nan=float("inf"))
    distance = torch.where(streamed == wanted, 0.0, distance).flatten()
    worst = int(distance.argmax())
    if distance[worst] > atol:
        place = [int(i) for i in torch.unravel_index(torch.tensor(worst), streamed.shape)]
        raise VerificationError(
            "the stream differs from the whole",
            where=f"{where}, at {place}",
            got=f"{float(streamed.flatten()[worst]):.9g}",
            wanted=f"{float(wanted.flatten()[worst]):.9g}",
        )
