"""Writing files so that nothing is ever half-written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import onnx_ir as ir

from edgeseq.errors import EdgeseqError
from edgeseq.modelfile import read_model_file
from edgeseq.runtime.golden import read_trace, trace_of
from edgeseq.runtime.loading import describe
from edgeseq.sealing import prologue_of

#: A protobuf message cannot be larger than 2 GiB; what stands beside the weights has some room.
_INLINE = 2**31 - 2**26


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path of the same name in a scratch folder beside ``target``, for it and for what belongs to it.

    On success everything in the scratch folder moves to the folder of ``target``, ``target`` itself last, so that it
    never exists without its companions; those of the file that was there before, and that nothing replaced, go. On a
    failure before that nothing moves.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}.") as folder:
        scratch = Path(folder) / target.name
        yield scratch
        left = _companions(target) - {item.name for item in scratch.parent.iterdir()}
        for item in sorted(scratch.parent.iterdir(), key=lambda item: item == scratch):
            os.replace(item, target.parent / item.name)
        for name in left:
            (target.parent / name).unlink(missing_ok=True)


def _companions(target: Path) -> set[str]:
    """Names of the data file, the prologue and the golden trace that an earlier export wrote with ``target``."""
    found = set()
    with suppress(EdgeseqError):
        before = read_model_file(target)
        found |= {name for name in before.external if name == f"{target.name}.data"}
        found |= _prologue(target)
        if read_trace(trace_of(target)).digest == before.digest:
            found.add(trace_of(target).name)
    return found


def _prologue(target: Path) -> set[str]:
    """Names of the prologue of the file at ``target``, and of its data, that an earlier export wrote with it."""
    named, prologue = describe(target).contract.prologue, prologue_of(target)
    if named is None or named.file != prologue.name or not prologue.is_file():
        return set()
    made = read_model_file(prologue)
    if made.digest != named.digest:
        return set()
    return {prologue.name, *(name for name in made.external if name == f"{prologue.name}.data")}


def save(model: ir.Model, path: Path, external_data: bool = False) -> None:
    """Write ``model``, its weights in ``NAME.onnx.data`` beside it if asked to or where one file cannot hold them."""
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)
    ir.save(model, path, external_data=f"{path.name}.data" if external_data or size > _INLINE else None)
