"""Opening a file: the path, the session, the contract, and whether they fit."""

from __future__ import annotations

import os
from typing import Any

from edgeseq.contract import METADATA_KEY, Contract
from edgeseq.errors import ContractError, ModelFileError, UsageError
from edgeseq.runtime.agreement import check_agreement
from edgeseq.runtime.devices import Device, parse_device
from edgeseq.runtime.engine import check_version, open_session
from edgeseq.runtime.model import Model


def load(path: str | os.PathLike[str], device: str = "cpu", threads: int = 1) -> Model:
    """The model in an exported file, ready to open streams.

    ``device`` is ``cpu``, ``cuda`` or ``cuda:N``; a device that cannot be used is an error, never a silent fallback.
    ``threads`` is how many threads one step may use; more than one seldom helps a single frame.

    Raises ModelFileError (missing, empty, truncated, not ONNX), ContractError (no contract, a broken one, one that the
    graph contradicts), ProviderError (onnxruntime or the device missing) or UsageError.
    """
    where = _check_path(path)
    if type(threads) is not int or threads < 1:
        raise UsageError("threads must be a whole number from 1", got=repr(threads))
    place = parse_device(device)
    try:
        return _open(where, place, threads)
    except UnicodeDecodeError as error:
        raise ModelFileError(
            "cannot load the model", where=where, why=f"it is damaged: a name in it is not UTF-8 ({error.reason})"
        ) from None


def _open(where: str, device: Device, threads: int) -> Model:
    session = open_session(where, threads, device.providers)
    device.check_session(session)
    contract = _read_contract(session, where)
    check_version(contract.onnxruntime)
    check_agreement(contract, session, where)
    return Model(path=where, contract=contract, device=device, session=session)


def _check_path(path: object) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise UsageError("path must be a str or a Path", got=type(path).__name__)
    where = os.fsdecode(path)
    if "\0" in where or not os.path.exists(where):
        raise ModelFileError("there is no file", where=repr(where), do="check the path")
    if os.path.isdir(where):
        raise ModelFileError("cannot load a folder", where=where, do="name the .onnx file in it")
    if not os.access(where, os.R_OK):
        raise ModelFileError("the file may not be read", where=where, do="check its permissions")
    if os.path.getsize(where) == 0:
        raise ModelFileError("the file is empty", where=where, do="export the model again")
    return where


def _read_contract(session: Any, where: str) -> Contract:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ContractError(
            "the file carries no contract",
            where=where,
            why=f"its metadata has no entry {METADATA_KEY!r}",
            do="export the model with edgeseq: edgeseq export MODEL --input ... -o m.onnx",
        )
    return Contract.from_json(text, where=f"{where}, metadata {METADATA_KEY}")
