"""``adopt``: a contract for a stateful ONNX file that was made elsewhere, checked by chunking."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeseq import __version__
from edgeseq.contract import ADOPTED, METADATA_KEY, Chunk, Contract, Port
from edgeseq.errors import UsageError
from edgeseq.modelfile import ModelFile, operator_sets, read_model_file
from edgeseq.runtime.adopting.calls import check_states, look, outputs_of
from edgeseq.runtime.adopting.comparing import Tolerance
from edgeseq.runtime.adopting.declared import Declared, check_names, declare
from edgeseq.runtime.adopting.draft import Draft, draft_of
from edgeseq.runtime.adopting.laws import Laws, verification
from edgeseq.runtime.adopting.pairing import check_pairs, doubts_of
from edgeseq.runtime.adopting.probe import Probe
from edgeseq.runtime.adopting.recipes import recipe_for
from edgeseq.runtime.adopting.signature import signature_of
from edgeseq.runtime.adopting.writing import check_out, write
from edgeseq.runtime.agreement import check_agreement
from edgeseq.runtime.allowance import check_allowance
from edgeseq.runtime.devices import Device, find_device
from edgeseq.runtime.engine import onnxruntime
from edgeseq.runtime.loading import check_path, load
from edgeseq.runtime.model import Model
from edgeseq.runtime.providers import open_on
from edgeseq.sealing import sealed

#: The newest ai.onnx that the oldest onnxruntime we run on has.
_OLDEST_KNOWS = 22


def adopt(
    path: str | os.PathLike[str],
    states: Mapping[str, str] | None = None,
    constants: Mapping[str, float] | None = None,
    overlap: Mapping[str, int] | None = None,
    recipe: str | None = None,
    out: str | os.PathLike[str] | None = None,
    *,
    axes: Mapping[str, str] | None = None,
    chunk: int | tuple[int, int | None] | None = None,
    initial: Mapping[str, Any] | None = None,
    frame_period: float | None = None,
    sidecar: bool = False,
    atol: float = 0.0,
    rtol: float = 0.0,
    device: str = "cpu",
    threads: int = 1,
    provider: str | None = None,
    provider_options: Mapping[str, Any] | None = None,
    allow_cpu_nodes: bool = False,
    cuda_graph: bool | None = None,
) -> Model:
    """The model in a stateful ONNX file made elsewhere, under a contract made from the graph and from what is said.

    ``states`` maps inputs to the outputs that hold their next values, ``constants`` inputs to a number that every call
    is given, ``overlap`` inputs to the frames before a call that it is given along. ``axes`` says what the graph does
    not tell: ``{"x": "batch,time,64"}``; ``time/512`` is one frame for 512, an input without ``time`` is conditioning.
    ``chunk``: base frames of the smallest call, or it and the most, None for no limit. ``initial``: the values that
    states start from, where not zeros. ``recipe`` has all this ready for a known file: ``silero-vad``.

    Nothing is guessed: what is open raises NotDeclared, which proposes what names, shapes and dtypes suggest. The model
    is then checked by chunking, with ``atol`` and ``rtol`` allowed on top; VerificationError says what does not hold.
    A copy with the contract in it is written to ``out``, with a golden trace beside it, and the contract as JSON if
    ``sidecar``; nothing is, where ``out`` is None. Raises also what ``load`` does.
    """
    where = check_path(path)
    file = read_model_file(where)
    _check_new(file, where)
    target = None if out is None else check_out(Path(where), out, file)
    place = find_device(device, provider, provider_options, allow_cpu_nodes)
    session = open_on(place, where, threads)
    declared = declare(states, constants, overlap, axes, initial, chunk, frame_period)
    tolerance = Tolerance(atol, rtol)
    model = _checked(session, place, file, *_described(session, file, declared, recipe), tolerance)
    if target is None:
        return model
    write(model, file, target, tolerance, sidecar)
    more: dict[str, Any] = {"provider_options": provider_options, "allow_cpu_nodes": allow_cpu_nodes}
    return load(target, device, threads, provider=provider, cuda_graph=cuda_graph, **more)


def _check_new(file: ModelFile, where: str) -> None:
    if METADATA_KEY in file.metadata:
        raise UsageError("the file has a contract already", where=where, do="load it with runtime.load(path)")


def _described(session: Any, file: ModelFile, declared: Declared, recipe: str | None) -> tuple[Contract, Probe]:
    """The contract that graph, recipe and declarations make together, and what calls the graph for more checks."""
    where = str(file.path)
    graph = signature_of(session, where)
    declared = declared.over(recipe_for(recipe, graph, where))
    check_names(declared, graph, where)
    draft = draft_of(graph, declared, where)
    _check_size(draft, declared, file)
    probe = Probe(session, draft)
    calls, seen = look(probe, declared, where)
    check_states(draft.states, seen, where)
    outputs, calls = outputs_of(graph, probe, declared, calls, seen, where)
    return _contract(draft, outputs, calls, declared, file), probe


def _check_size(draft: Draft, declared: Declared, file: ModelFile) -> None:
    """ContractError where one call, or the states, would take more than the file justifies, before any is made."""
    least = (declared.chunk or (draft.size or 1, None))[0]
    ports = (*draft.frames, *draft.given)
    check_allowance(Contract(ports, draft.states, chunk=Chunk(least)), file.size, str(file.path))


def _contract(draft: Draft, outputs: tuple[Port, ...], chunk: Chunk, declared: Declared, file: ModelFile) -> Contract:
    opset = operator_sets(file.path)
    made_with = {"edgeseq": __version__, "onnxruntime": str(onnxruntime().__version__), "made": "elsewhere"}
    contract = Contract(
        ports=(*draft.frames, *draft.given, *outputs),
        states=draft.states,
        chunk=chunk,
        frame_period=declared.frame_period,
        mode={"name": ADOPTED},
        opset=opset,
        onnxruntime=_floor(opset),
        provenance={**made_with, **({"recipe": declared.recipe} if declared.recipe else {})},
    )
    # What a contract must not hold, a number that a dtype cannot for one, is said where contracts are read.
    return Contract.from_json(contract.to_json(), where=f"{file.path}, as declared")


def _floor(opset: Mapping[str, int]) -> str:
    """The oldest onnxruntime that surely runs the file: the oldest we run on, else the one that runs it here."""
    if set(opset) <= {"ai.onnx"} and opset.get("ai.onnx", 0) <= _OLDEST_KNOWS:
        return Contract.onnxruntime
    return f">={'.'.join(str(onnxruntime().__version__).split('.')[:2])}"


def _checked(
    session: Any, place: Device, file: ModelFile, contract: Contract, probe: Probe, tolerance: Tolerance
) -> Model:
    """The model under a contract that was held against the graph and the laws, sealed in memory."""
    where = str(file.path)
    check_allowance(contract, file.size, where)
    check_agreement(contract, session, where)
    model = Model(where, contract, place, session, file.digest)
    laws = Laws(model, tolerance)
    checks = [*check_pairs(probe, contract.chunk.multiple, where), *laws.check()]
    doubts = doubts_of(probe.draft, signature_of(session, where))
    found = verification(file.digest, checks, laws.frames, tolerance, doubts)
    return replace(model, contract=sealed(replace(contract, verification=found, digest=file.digest, seal=None)))
