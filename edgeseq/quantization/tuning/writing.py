"""The file that won, with its session settings, written whole or not at all."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgeseq.contract import Contract, Session
from edgeseq.errors import UsageError
from edgeseq.quantization.asking import check_target
from edgeseq.quantization.quantizing import quantize
from edgeseq.quantization.source import Source
from edgeseq.quantization.tuning.candidates import Candidate
from edgeseq.runtime.golden import trace_of
from edgeseq.runtime.loading import describe
from edgeseq.sealing import prologue_of, seal
from edgeseq.verification.drawing import Calibration
from edgeseq.writing import replacing


def check_out(source: Path, target: Path) -> None:
    """UsageError where neither a quantized file nor a copy of the float one can be written to ``target``."""
    check_target(source, target)
    for name in _carried(source, target):
        there = target.parent / name
        if "/" in name or (there.exists() and not filecmp.cmp(source.parent / name, there, shallow=False)):
            raise UsageError(
                "the file's weights cannot be copied beside the new one",
                where=str(there),
                why="another file lies there" if there.exists() else "they lie in a folder below",
                do="write into the float file's own folder",
            )


def write(
    source: Source,
    candidate: Candidate,
    session: Session,
    target: Path,
    calibration: Calibration | None,
    fits: Callable[[int], None],
    told: Callable[[str], object],
) -> Contract:
    """Write the candidate's file to ``target`` with ``session`` in its contract, which is returned.

    ``fits`` is given the bytes of the finished file, and raises where those are too many. Nothing appears at ``target``
    unless all went well. Raises what ``quantize`` does.
    """
    with replacing(target) as scratch:
        if candidate.config is None:
            contract = _copied(source.path, scratch, target, session)
            size = describe(source.path).size + scratch.stat().st_size - source.path.stat().st_size
        else:
            quantize(
                source.path,
                candidate.config,
                scratch,
                calibration=calibration,
                measure=False,
                keep_slower=True,
                progress=told,
            )
            contract = seal(scratch, replace(describe(scratch).contract, session=session))
            size = describe(scratch).size
        fits(size)
    return contract


def _copied(source: Path, scratch: Path, target: Path, session: Session) -> Contract:
    """A copy of the float file with other session settings, its prologue under a name of its own."""
    contract = replace(describe(source).contract, session=session)
    for name in _carried(source, target):
        shutil.copyfile(source.parent / name, scratch.parent / name)
    if contract.prologue is not None:
        before = describe(source).prologue
        for name in before.external if before is not None else ():
            shutil.copyfile(source.parent / name, scratch.parent / name)
        shutil.copyfile(source.parent / contract.prologue.file, prologue_of(scratch))
        contract = replace(contract, prologue=replace(contract.prologue, file=prologue_of(scratch).name))
    if trace_of(source).is_file():
        shutil.copyfile(trace_of(source), trace_of(scratch))
    return seal(scratch, contract, source=source)


def _carried(source: Path, target: Path) -> tuple[str, ...]:
    """Data files that have to lie beside the copy and do not yet; graphs name them, so that they keep their names."""
    if source.parent.resolve() == target.parent.resolve():
        return ()
    described = describe(source)
    return (*described.file.external, *(described.prologue.external if described.prologue else ()))
