"""What is measured on a GPU: the networks, and the ways to step each."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass

#: Where. A rehearsal on a machine without a GPU sets the variable to cpu.
DEVICE = os.environ.get("EDGESEQ_GPU", "cuda:0")
#: Streams in lock-step, and positions of the transformer.
BATCHES = (1, 16, 256, 1024)
POSITIONS = (64, 512, 4096)
#: Bytes that caches may take; what needs more is left out.
MOST_CACHE = 24 * 2**30
#: Bytes of keys and values of one position and row of the transformer: 6 layers of 384, float32.
CACHE_BYTES = 2 * 6 * 384 * 4


@dataclass(frozen=True)
class Network:
    """A network of ``layers`` by ``width``; ``kind`` is ``gru``, ``lstm`` or ``gpt``."""

    kind: str
    layers: int
    width: int

    @property
    def name(self) -> str:
        """As its files are called: ``gru-1x128``."""
        return f"{self.kind}-{self.layers}x{self.width}"

    def file(self, weights: str, gpu: bool) -> str:
        """The file that is run: onnxruntime's fused attention has no CUDA kernel for float32, so a GPU gets parts."""
        form = "-portable" if gpu and self.kind == "gpt" else ""
        return f"{self.name}{form}-{weights}.onnx"


_SIZES = ((1, 128), (1, 512), (2, 1024))
NETWORKS = (*(Network(kind, *size) for kind in ("gru", "lstm") for size in _SIZES), Network("gpt", 6, 384))
#: Weights as they are stored; on a GPU and on a CPU float16 is computed in float32.
WEIGHTS = ("fp32", "fp16")


@dataclass(frozen=True)
class Way:
    """One way to step a file: where, how many streams, at which position of a transformer (0: anywhere)."""

    device: str
    batch: int
    position: int = 0
    cuda_graph: bool = False
    threads: int = 1

    @property
    def name(self) -> str:
        """In words."""
        graph = ", graph" if self.cuda_graph else ""
        threads = "" if self.device != "cpu" else f", {self.threads} threads"
        return f"{self.device}{graph}{threads}, batch {self.batch}" + (f" at {self.position}" if self.position else "")


def ways(network: Network, threads: int) -> Iterator[Way]:
    """Every way that is measured, small before large; ``threads`` is what the CPU has."""
    positions = POSITIONS if network.kind == "gpt" else (0,)
    counts = sorted({1, threads})
    for batch, position in itertools.product(BATCHES, positions):
        for cuda_graph in (False, True):
            yield Way(DEVICE, batch, position, cuda_graph)
        for count in counts:
            yield Way("cpu", batch, position, threads=count)


def too_large(way: Way) -> bool:
    """Whether the caches of a way take more than is allowed."""
    return way.batch * way.position * CACHE_BYTES > MOST_CACHE
