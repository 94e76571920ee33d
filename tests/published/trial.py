"""A model of the corpus tried in torch: captured, streamed in random chunks at several lengths, compared."""

from __future__ import annotations

import contextlib
import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from edgeseq.contract import Contract
from edgeseq.exporters.capture import capture
from edgeseq.exporters.contracting import contract_of
from edgeseq.exporters.modes.shortest_input import shortest_input
from edgeseq.exporters.replay import Found, Watch
from edgeseq.exporters.rules import FAMILIES
from edgeseq.exporters.rules.foreign import name_of
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.step import Step
from edgeseq.exporters.stepgraph import StepGraph
from edgeseq.specs import parse_spec
from edgeseq.testing import random_chunks, stream_in_torch
from tests.published.row import Published

BATCH = 2
WORDS = 5

#: Of the largest answer. Sums of some hundred float32 terms differ by 1e-6 of it, a frame out of place by 1e-2.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Streamed:
    """What became of a model that streams: its contract, and the ops that hold its states, in the model's order."""

    contract: Contract
    ops: tuple[str, ...]


class _StateOps(Watch):
    """Notes which captured ops ask for states."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def node(self, step: Step, node: torch.fx.Node, run: Callable[[], Found]) -> Found:
        before = len(step.carried)
        found = run()
        if len(step.carried) > before:
            self.names[name_of(node.target).split("::")[-1].split(".")[0]] = None
        return found


def stream_and_compare(row: Published) -> Streamed:
    """Stream a model. Raises EdgeseqError where it is refused, AssertionError where it is wrong.

    Everything is in float32, as the models are: many of them make float32 constants as they run, so that float64 would
    try another model. Lengths: one for each remainder modulo the chunk multiple, and the shortest.
    """
    module = row.build()
    watch = _StateOps()
    graph = StepGraph(capture(module, row.inputs), Registry(FAMILIES), watch=watch)
    ops = tuple(watch.names)
    contract = replace(contract_of(graph), min_frames=shortest_input(module, graph.captured))
    generator = random.Random(zlib.crc32(row.id.encode()))
    for frames in lengths(row, contract):
        given = draw(row, graph, frames)
        with torch.no_grad():
            whole = _tensors(row.build()(**_arguments(row.inputs, given)))
        streamed = stream_in_torch(graph, given, random_chunks(frames, generator), _batch(row), filler=100.0)
        for port, wanted in zip(contract.with_role("output"), whole, strict=True):
            _compare(f"{row.id}: {port.name}, {frames} frames", streamed[port.name], wanted)
    return Streamed(contract, ops)


def state_bytes(contract: Contract, room: int = 1000) -> int:
    """Bytes of all states of one stream; a cache is counted at ``room`` frames, or at the model's longest stream."""
    capacity = min(room, contract.max_context or room)
    sizes = [
        int(np.prod([_size(axis, capacity) for axis in state.shape])) * np.dtype(state.dtype).itemsize
        for state in contract.states
    ]
    return sum(sizes)


def _size(axis: int | str, capacity: int) -> int:
    if isinstance(axis, int):
        return axis
    return capacity if "capacity" in axis else 1


def lengths(row: Published, contract: Contract) -> list[int]:
    """The shortest length, and one for every remainder modulo the chunk multiple, at most five of those."""
    multiple = contract.chunk.multiple
    first = max(row.frames, contract.min_frames)
    if contract.max_context is not None:
        first = max(1, min(first, contract.max_context - multiple + 1))
    spread = {first + int(step) for step in np.linspace(0, multiple - 1, min(multiple, 5))}
    return sorted({contract.min_frames, *spread})


def draw(row: Published, graph: StepGraph, frames: int) -> dict[str, torch.Tensor]:
    """Random inputs by dotted name: integers below the smallest table they index."""
    generator = torch.Generator().manual_seed(frames)
    drawn = {}
    for item in graph.captured.inputs:
        spec = item.spec
        shape = spec.sizes({**dict.fromkeys(spec.words, WORDS), "batch": BATCH, "time": frames})
        dtype = getattr(torch, spec.dtype)
        drawn[item.name] = (
            torch.randn(shape, generator=generator, dtype=dtype)
            if dtype.is_floating_point
            else torch.randint(0, graph.plan.ranges.get(item.placeholder, 2), shape, generator=generator).to(dtype)
        )
    return drawn


def _batch(row: Published) -> int:
    texts = [text for spec in row.inputs.values() for text in ([spec] if isinstance(spec, str) else spec)]
    return BATCH if any("batch" in parse_spec(text).shape for text in texts) else 1


def _arguments(inputs: Mapping[str, Any], given: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    return {
        name: given[name] if isinstance(spec, str) else tuple(given[f"{name}.{i}"] for i in range(len(spec)))
        for name, spec in inputs.items()
    }


def _tensors(answer: Any) -> list[torch.Tensor]:
    return [leaf for leaf in pytree.tree_leaves(answer) if isinstance(leaf, torch.Tensor)]


def _compare(where: str, streamed: torch.Tensor, wanted: torch.Tensor) -> None:
    if streamed.numel() == wanted.numel():
        wanted = wanted.reshape(streamed.shape)
    assert streamed.shape == wanted.shape, f"{where}: {list(streamed.shape)} for {list(wanted.shape)}"
    if wanted.numel() == 0:
        return
    scale = max(1e-3, float(wanted.abs().max()))
    distance = float((streamed - wanted).abs().nan_to_num(nan=float("inf")).max())
    assert distance <= TOLERANCE * scale, f"{where}: off by {distance:.3g}, the largest answer is {scale:.3g}"


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: threads that wait for each other take ten times as long on sequences this short."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
