"""The float file that is quantized, and files made of it in a folder of their own, to be run and thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir
from onnx_ir.passes.common import LiftConstantsToInitializersPass

from edgeseq.contract import Contract
from edgeseq.errors import UsageError
from edgeseq.runtime.loading import describe, load
from edgeseq.runtime.model import Model
from edgeseq.sealing import seal
from edgeseq.writing import save


@dataclass(frozen=True)
class Source:
    """A verified float file; ``folder`` is where what is made of it lies while it is tried."""

    path: Path
    contract: Contract
    folder: Path

    def graph(self) -> ir.Model:
        """The graph, read anew, to be changed."""
        return _read(self.path)

    def prologue(self) -> ir.Model | None:
        """The graph of the prologue, read anew; None where there is none."""
        return None if self.contract.prologue is None else _read(self.path.parent / self.contract.prologue.file)

    def load(self, threads: int = 1) -> Model:
        """The float file, to be run."""
        return load(self.path, threads=threads)

    def write(self, name: str, graph: ir.Model, contract: Contract, prologue: ir.Model | None = None) -> Path:
        """A file of ``graph`` in the folder, with its prologue, the source's own where none is given."""
        target = self.folder / f"{name}.onnx"
        if contract.prologue is not None:
            beside = target.with_suffix(".prologue.onnx")
            own = self.prologue() if prologue is None else prologue
            if own is not None:
                save(own, beside)
            contract = replace(contract, prologue=replace(contract.prologue, file=beside.name))
        save(graph, target)
        seal(target, replace(contract, verification=None, quantization=None))
        return target

    def run(self, name: str, graph: ir.Model, contract: Contract, prologue: ir.Model | None = None) -> Model:
        """A file of ``graph``, to be run."""
        return load(self.write(name, graph, contract, prologue), allow_unverified=True)


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The file at ``path`` as a source; its folder goes with it. UsageError where it is no verified float file.

    Session settings that it was tuned to are not those of what is made of it.
    """
    described = describe(path)
    if described.doubt is not None:
        raise UsageError(
            "the file is not verified",
            where=str(path),
            why=described.doubt,
            do="verify it first: a quantized file is only as right as what it was made of",
        )
    if described.contract.quantization is not None:
        kind = described.contract.quantization.get("kind")
        raise UsageError(
            "the file is quantized already", where=str(path), got=kind, do="quantize the float file it was made of"
        )
    if described.contract.whole_sequences:
        raise UsageError(
            "a file of whole sequences cannot be quantized",
            where=str(path),
            why="its error is measured on streams",
            do="export it in another mode",
        )
    with tempfile.TemporaryDirectory(prefix="edgeseq.") as folder:
        yield Source(Path(path), replace(described.contract, session=None), Path(folder))


def _read(path: Path) -> ir.Model:
    """A graph with its weights in memory: what is made of it is written elsewhere, away from a file that holds them.

    They are initializers, also where the file has them as nodes.
    """
    graph = ir.external_data.load_to_model(ir.load(path))
    LiftConstantsToInitializersPass()(graph)
    return graph
