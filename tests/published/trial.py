"""A model of the corpus tried in torch: captured, streamed in random chunks at several lengths, compared."""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from edgeseq.contract import Contract
from edgeseq.exporters.capture import capture
from edgeseq.exporters.rules import FAMILIES
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.stepgraph import StepGraph
from edgeseq.exporters.torch_stream import TorchStream
from edgeseq.specs import parse_spec
from edgeseq.testing import random_chunks, stream_in_torch
from tests.published.row import Published

BATCH = 2
WORDS = 5

#: Of the largest answer. Sums of some hundred float32 terms differ by 1e-6 of it; a frame out of place by 1e-2 and more.
TOLERANCE = 1e-4


def stream_and_compare(row: Published) -> Contract:
    """The contract of the streamed model. Raises EdgeseqError where it is refused, AssertionError where it is wrong.

    Everything is in float32, as the models are: many of them make float32 constants as they run, so that float64 would
    try another model. Lengths: one for each remainder modulo the chunk multiple, and one short one.
    """
    module = row.build()
    graph = StepGraph(capture(module, row.inputs), Registry(FAMILIES))
    contract = TorchStream(graph, _batch(row)).contract
    generator = random.Random(zlib.crc32(row.id.encode()))
    for frames in lengths(row, contract):
        given = draw(row, graph, frames)
        with torch.no_grad():
            whole = _tensors(module(**_arguments(row.inputs, given)))
        streamed = stream_in_torch(graph, given, random_chunks(frames, generator), _batch(row), filler=100.0)
        for port, wanted in zip(contract.with_role("output"), whole, strict=True):
            _compare(f"{row.id}: {port.name}, {frames} frames", streamed[port.name], wanted)
    return contract


def state_bytes(contract: Contract, capacity: int = 1000) -> int:
    """Bytes of all states of one stream; a cache is counted at ``capacity`` frames, or at the model's limit."""
    room = min(capacity, contract.max_context or capacity)
    total = 0
    for state in contract.states:
        sizes = [axis if isinstance(axis, int) else room if axis == "capacity" else 1 for axis in state.shape]
        total += int(np.prod(sizes)) * np.dtype(state.dtype).itemsize
    return total


def lengths(row: Published, contract: Contract) -> list[int]:
    """A short length, and one for every remainder modulo the chunk multiple; at most six, spread over the remainders."""
    multiple = contract.chunk.multiple
    first = max(row.frames, contract.min_frames)
    if contract.max_context is not None:
        first = max(1, min(first, contract.max_context - multiple + 1))
    spread = sorted({first + int(step) for step in np.linspace(0, multiple - 1, min(multiple, 5))})
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

