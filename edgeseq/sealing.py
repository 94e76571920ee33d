"""Sealing: a contract written into its file so that a later change of either is noticed.

The contract holds the file's digest, over graph and weights, and its own seal, over all that stands in it. Standard
library only.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

from edgeseq.contract import METADATA_KEY, Contract
from edgeseq.errors import ModelFileError
from edgeseq.files import write_whole
from edgeseq.modelfile import read_model_file, with_metadata


def seal(
    path: str | os.PathLike[str],
    contract: Contract,
    sidecar: bool = False,
    source: str | os.PathLike[str] | None = None,
) -> Contract:
    """Write ``contract``, with the digests of the file and of its prologue, into the file at ``path``; return it.

    Graph and weights stay as they are, byte for byte, those of ``source`` where it is given; the file is replaced whole
    or not at all. A copy of the contract beside the file is written if ``sidecar``, and renewed where there is one.
    Raises ModelFileError.
    """
    target = Path(path)
    origin = target if source is None else Path(source)
    content = origin.read_bytes()
    if contract.prologue is not None:
        digest = read_model_file(target.parent / contract.prologue.file).digest
        contract = replace(contract, prologue=replace(contract.prologue, digest=digest))
    contract = sealed(replace(contract, digest=read_model_file(origin, content).digest, seal=None))
    _replace(target, with_metadata(content, METADATA_KEY, contract.to_json(), target))
    if sidecar or sidecar_of(target).is_file():
        _replace(sidecar_of(target), (contract.to_json(indent=2) + "\n").encode())
    return contract


def seal_of(text: str, seal: str | None = None) -> str:
    """The seal that the contract ``text`` should have; ``seal`` is the one that stands in it, None where it is null.

    ``sha256:`` and 64 hexadecimal digits over the text as UTF-8, its own seal replaced by ``null``.
    """
    plain = text if seal is None else text.replace(json.dumps(seal), "null", 1)
    return f"sha256:{hashlib.sha256(plain.encode()).hexdigest()}"


def sealed(contract: Contract) -> Contract:
    """``contract``, which has no seal yet, with its own."""
    return replace(contract, seal=seal_of(contract.to_json()))


def sidecar_of(path: Path) -> Path:
    """Where a copy of the contract lies for clients that cannot read metadata: ``m.contract.json`` for ``m.onnx``."""
    return path.with_suffix(".contract.json")


def prologue_of(path: Path) -> Path:
    """Where the prologue of a file is written: ``m.prologue.onnx`` for ``m.onnx``."""
    return path.with_suffix(".prologue.onnx")


def _replace(target: Path, content: bytes) -> None:
    try:
        write_whole(target, lambda file: file.write(content))
    except OSError as error:
        raise ModelFileError("cannot write", where=str(target), why=error.strerror) from None
