"""Opening a file: the path, the bytes, the contract, the session, and whether they fit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeseq.contract import METADATA_KEY, Contract
from edgeseq.errors import ContractError, ModelFileError, UsageError
from edgeseq.modelfile import ModelFile, read_model_file
from edgeseq.runtime.agreement import check_agreement, check_prologue
from edgeseq.runtime.allowance import check_allowance
from edgeseq.runtime.devices import Device, find_device
from edgeseq.runtime.engine import check_version
from edgeseq.runtime.model import Model
from edgeseq.runtime.prologue import Prologue, find_prologue
from edgeseq.runtime.providers import open_captured, open_on
from edgeseq.runtime.threads import check_threads, session_settings
from edgeseq.sealing import seal_of, sidecar_of
from edgeseq.strict_json import read_json


@dataclass(frozen=True)
class Described:
    """A file and its contract, read without onnxruntime.

    ``doubt`` says why the file's verification does not count: it was changed afterwards, or never verified. None: it
    is what was verified. ``prologue``: the second file that the contract names.
    """

    file: ModelFile
    contract: Contract
    doubt: str | None
    prologue: ModelFile | None = None

    @property
    def size(self) -> int:
        """Bytes of the model, its prologue and the data files of both."""
        return self.file.size + (self.prologue.size if self.prologue else 0)


def load(
    path: str | os.PathLike[str],
    device: str = "cpu",
    threads: int | None = None,
    allow_unverified: bool = False,
    provider: str | None = None,
    spinning: bool | None = None,
    *,
    provider_options: Mapping[str, Any] | None = None,
    allow_cpu_nodes: bool = False,
    cuda_graph: bool | None = None,
) -> Model:
    """The model in an exported file, ready to open streams.

    ``device`` is ``cpu``, ``cuda`` or ``cuda:N``; a device that cannot be used is an error, never a silent fallback.
    ``provider`` is another onnxruntime execution provider to put in front, such as ``OpenVINOExecutionProvider``, and
    ``provider_options`` are handed to it, or to that of ``cuda``. On ``cuda`` a model of which nodes would run on the
    CPU is refused, with their names, unless ``allow_cpu_nodes``. There a repeated step is captured as a CUDA graph
    where it can be; ``cuda_graph`` True: or else it is an error, False: not at all.
    ``threads`` is how many threads one step may use; more than one seldom helps a single frame. None: as many as
    ``edgeseq tune`` found best, where the file was tuned on this machine, else one. ``spinning`` lets threads that wait
    for work keep their cores busy. None: as tuned, together with ``threads``, else as onnxruntime does. A file whose
    graph or weights are not those that were verified is refused unless ``allow_unverified``. All that can be checked
    without onnxruntime is checked before it sees the file.

    Raises ModelFileError (missing, empty, truncated, not ONNX), ContractError (no contract, a broken one, one that the
    graph contradicts, a changed file), ProviderError (onnxruntime or the device missing) or UsageError.
    """
    check_threads(threads)
    place = find_device(device, provider, provider_options, allow_cpu_nodes)
    described = describe(path)
    where = str(described.file.path)
    if described.doubt and not allow_unverified:
        raise ContractError(
            "the file is not verified",
            where=where,
            why=described.doubt,
            do=f"{_remedy(described)}, or load it with allow_unverified=True (--allow-unverified)",
        )
    check_version(described.contract.onnxruntime)
    check_allowance(described.contract, described.size, where)
    count, spin = session_settings(described.contract, str(place), threads, spinning)
    try:
        session, place = open_captured(place, where, count, spin, cuda_graph)
        check_agreement(described.contract, session, where)
        prologue = _open_prologue(described, place, count, spin)
    except UnicodeDecodeError as error:
        raise ModelFileError(
            "cannot load the model", where=where, why=f"it is damaged: a name in it is not UTF-8 ({error.reason})"
        ) from None
    return Model(where, described.contract, place, session, described.file.digest, prologue)


def _remedy(described: Described) -> str:
    """How a file gets a seal again: what a quantized one's report says is not true of a changed one."""
    if described.contract.quantization is not None:
        return "quantize the float file that it was made of again"
    return f"verify it against its module, edgeseq verify {described.file.path.name} --model MODEL"


def _open_prologue(described: Described, place: Device, threads: int, spinning: bool) -> Prologue | None:
    if described.prologue is None:
        return None
    where = str(described.prologue.path)
    # It runs once, from host to host: what of it runs on the CPU costs nothing in a step.
    session = open_on(replace(place, cpu_nodes=True, graphs=None), where, threads, spinning)
    check_prologue(described.contract, session, where)
    return Prologue(session, described.contract)


def describe(path: str | os.PathLike[str]) -> Described:
    """The file's contract, and whether its verification still counts; nothing of the graph is run or parsed.

    Raises ModelFileError, ContractError or UsageError.
    """
    where = check_path(path)
    file = read_model_file(where)
    text = file.metadata.get(METADATA_KEY)
    if text is None:
        raise ContractError(
            "the file carries no contract",
            where=where,
            why=f"its metadata has no entry {METADATA_KEY!r}",
            do="export the model with edgeseq: edgeseq export MODEL --input ... -o m.onnx; or, if its states are "
            "inputs and outputs already, give it a contract: edgeseq adopt FILE",
        )
    contract = Contract.from_json(text, where=f"{where}, metadata {METADATA_KEY}")
    _check_sidecar(Path(where), text)
    prologue = find_prologue(Path(where), contract)
    return Described(file, contract, _doubt(file, prologue, contract, text), prologue)


def _doubt(file: ModelFile, prologue: ModelFile | None, contract: Contract, text: str) -> str | None:
    if contract.digest is None or contract.seal is None:
        return "it was never verified"
    if contract.digest != file.digest:
        return "the file was changed after verification"
    if contract.seal != seal_of(text, contract.seal):
        return "the contract in the file was changed after verification"
    if prologue is not None and contract.prologue is not None and contract.prologue.digest != prologue.digest:
        return f"{prologue.path.name}, its prologue, was changed after verification or is another model's"
    return None


def _check_sidecar(path: Path, text: str) -> None:
    sidecar = sidecar_of(path)
    if not sidecar.is_file():
        return
    try:
        same = read_json(sidecar.read_bytes()) == read_json(text)
    except (OSError, ValueError) as error:
        raise ContractError("cannot read the contract beside the model", where=str(sidecar), why=str(error)) from None
    if not same:
        raise ContractError(
            "the contract beside the model differs from the one in it",
            where=str(sidecar),
            do=f"remove it, or export again with it; {path.name} itself holds its contract",
        )


def check_path(path: object) -> str:
    """The path as text; ModelFileError or UsageError where there is no file to read."""
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
