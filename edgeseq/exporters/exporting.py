"""``export``: the one call from a module to a verified file."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from edgeseq import __version__
from edgeseq.contract import Contract
from edgeseq.errors import UsageError, VerificationError
from edgeseq.exporters.collecting import collecting_rarely
from edgeseq.exporters.explaining import check_context, check_wishes, planned, prepare
from edgeseq.exporters.loops.stepped import States, over_sequences
from edgeseq.exporters.lowering import DEFAULT_OPSET, lower_prologue
from edgeseq.exporters.modes import EXACT, MODES, Mode, Window
from edgeseq.exporters.modes.graphs import Graph, contract_for, longest, lowered
from edgeseq.exporters.modes.reading import approximates
from edgeseq.exporters.modes.shortest_input import shortest_input
from edgeseq.exporters.preparing import Prepared
from edgeseq.exporters.quantized import Kept, check_quantization, quantized
from edgeseq.exporters.rules import Rules
from edgeseq.exporters.stepgraph import StepGraph
from edgeseq.exporters.verification import Verification
from edgeseq.exporters.verification.bisecting import bisected
from edgeseq.exporters.verification.error import measured_error
from edgeseq.exporters.verification.golden import write_trace
from edgeseq.exporters.verification.laws import check_laws
from edgeseq.exporters.verification.reference import evaluating
from edgeseq.exporters.verification.shortest import shortest
from edgeseq.exporters.verification.yardstick import Yardstick
from edgeseq.files import check_model_target
from edgeseq.quantization import Config, Report
from edgeseq.runtime.golden import trace_of
from edgeseq.runtime.loading import load
from edgeseq.sealing import prologue_of, seal, sidecar_of
from edgeseq.verification.drawing import Calibration, Draws
from edgeseq.verification.sizes import accepted
from edgeseq.verification.streams import random_chunks
from edgeseq.writing import replacing, save

_OPSETS = range(18, 26)


@dataclass(frozen=True)
class Exported:
    """What ``export`` made: the file, its contract, what verification found on it, and its golden trace.

    ``golden`` is None where none was asked for, or where even the shortest would be too large. ``report`` says what
    quantization did, None for a float file; ``verification`` is then that of the quantized file against the float one.
    """

    path: Path
    contract: Contract
    verification: Verification
    golden: Path | None = None
    report: Report | None = None

    def __repr__(self) -> str:
        checks = len(self.verification.checks)
        return f"Exported({str(self.path)!r}, {len(self.contract.states)} states, {checks} checks passed)"


def export(
    model: nn.Module,
    inputs: Mapping[str, Any],
    path: str | Path,
    mode: Mode = EXACT,
    *,
    states: States | None = None,
    outputs: Sequence[str] | None = None,
    quantize: Config | None = None,
    ops: Literal["ort", "portable"] = "ort",
    opset: int | None = None,
    max_context: int | None = None,
    calibration: Calibration | None = None,
    frame_period: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    rules: Rules | None = None,
    golden: bool = True,
    sidecar: bool = False,
    external_data: bool = False,
    target_cpu: str | None = None,
    keep_slower: bool = False,
) -> Exported:
    """Write ``model`` to ``path`` as a stateful ONNX file that streams exactly what the model computes.

    ``inputs`` maps the arguments of ``forward`` to specs such as ``"float32[batch,time,64]"``; an argument that is a
    tuple gets a tuple of specs. ``states`` is for a model that is already a step: it maps the inputs that are states to
    the outputs that are their next values (``{"h": "output.1"}``, zeros at first; ``("output.1", array)`` for other
    first values), and every other input without time is one frame. ``outputs`` names the tensors that forward returns,
    in its order. ``ops="portable"`` keeps to the ``ai.onnx`` domain. ``max_context`` bounds the frames of a stream;
    ``frame_period`` is in seconds. ``calibration`` is an iterable of ``{name: array}``, real inputs to verify on in
    place of random ones. ``atol`` and ``rtol`` are allowed on top of what the yardstick allows. ``rules`` adds
    streaming rules for ops of other packages, by name (``"mylib::scan"``); ``docs/rules.md`` says how to write one.

    Beside ``m.onnx`` lies ``m.golden.npz``, a small input and what the module makes of it, unless ``golden=False``;
    with ``sidecar`` also ``m.contract.json``; with ``external_data``, and always beyond 2 GiB, the weights are in
    ``m.onnx.data``. What depends only on inputs without time is in ``m.prologue.onnx``, which a stream runs once. The
    model is run in eval mode and put back as it was. Files appear only after every law held.

    ``quantize`` is a config such as ``Int8Dynamic()``: the float file is made and verified in a folder of its own, then
    quantized to ``path`` for ``target_cpu``, with the same ``calibration``; see :func:`edgeseq.exporters.quantize`.
    Raises NotStreamable, CaptureError, RuleError, UsageError, VerificationError, or EdgeseqError for a quantized file
    that is slower.
    """
    target = Path(path)
    _check_arguments(target, mode, ops, opset, max_context, frame_period)
    check_quantization(quantize, ops, mode, target_cpu, keep_slower)
    if quantize is not None:
        samples = None if calibration is None else list(calibration)
        float_export = partial(
            export,
            model,
            inputs,
            mode=mode,
            states=states,
            outputs=outputs,
            ops=ops,
            opset=opset,
            max_context=max_context,
            calibration=samples,
            frame_period=frame_period,
            atol=atol,
            rtol=rtol,
            rules=rules,
            golden=False,
            external_data=external_data,
        )
        kept = Kept(golden, sidecar, external_data)
        few = quantized(float_export, quantize, target, samples, kept, target_cpu, keep_slower)
        return Exported(target, few.contract, few.verification, few.golden, few.report)
    made = prepare(model, inputs, target)
    model = made.model
    if states is not None:
        model, inputs = over_sequences(model, inputs, states)
    samples = None if calibration is None else list(calibration)
    with evaluating(model), collecting_rarely():
        graph = planned(model, inputs, outputs, ops, rules, mode)
        onnx_model = lowered(graph, opset or DEFAULT_OPSET)
        contract = _with_prologue(contract_for(graph), target)
        prologue_model = (
            lower_prologue(graph, contract, opset or DEFAULT_OPSET) if isinstance(graph, StepGraph) else None
        )
        check_context(contract, max_context)
        contract = replace(
            contract,
            max_context=max_context or contract.max_context,
            frame_period=frame_period,
            opset={domain or "ai.onnx": version for domain, version in sorted(onnx_model.graph.opset_imports.items())},
            provenance=_provenance(made),
        )
        with replacing(target) as scratch:
            if prologue_model is not None:
                save(prologue_model, prologue_of(scratch), external_data)
            save(onnx_model, scratch, external_data)
            contract = seal(scratch, replace(contract, min_frames=1))
            least = _least_frames(model, graph, scratch, atol, rtol, samples)
            contract = seal(scratch, replace(contract, min_frames=least))
            check_shortest(contract)
            found = check_laws(scratch, model, atol=atol, rtol=rtol, calibration=samples, rules=rules)
            if not found.passed:
                raise _failed(model, found, _first_to_differ(model, graph, scratch, found, samples, rules))
            contract = replace(contract, verification=found.to_dict())
            if approximates(contract.mode):
                error = measured_error(scratch, model, samples, longest(graph))
                contract = replace(contract, mode={**contract.mode, "error": error})
            contract = seal(scratch, contract, sidecar or sidecar_of(target).exists())
            traced = golden and write_trace(
                scratch,
                model,
                trace_of(scratch),
                atol=atol,
                rtol=rtol,
                calibration=samples,
                amplifying=found.amplifying,
            )
    return Exported(target, contract, found, trace_of(target) if traced else None)


def _with_prologue(contract: Contract, target: Path) -> Contract:
    """The contract with its prologue in a file beside ``target``."""
    if contract.prologue is None:
        return contract
    return replace(contract, prologue=replace(contract.prologue, file=prologue_of(target).name))


def _check_arguments(
    target: Path, mode: object, ops: str, opset: int | None, max_context: int | None, frame_period: float | None
) -> None:
    check_model_target(target)
    if not isinstance(mode, tuple(MODES.values())):
        wanted = ", ".join(kind.__name__ for kind in MODES.values())
        raise UsageError("unknown mode", got=repr(mode), wanted=f"one of {wanted}, as in mode=Window(64)")
    check_wishes(ops, max_context, frame_period)
    if opset is not None and opset not in _OPSETS:
        raise UsageError("opset out of range", got=opset, wanted=f"{_OPSETS.start} to {_OPSETS.stop - 1}")


def check_shortest(contract: Contract) -> None:
    """UsageError where the longest stream is shorter than the shortest."""
    if contract.max_context is not None and contract.max_context < contract.min_frames:
        raise UsageError(
            "max_context is less than the shortest input of the model",
            got=contract.max_context,
            wanted=f"at least {contract.min_frames}",
        )


def _least_frames(
    model: nn.Module,
    graph: Graph,
    scratch: Path,
    atol: float | None,
    rtol: float | None,
    samples: Calibration | None,
) -> int:
    most = contract_for(graph).min_frames
    if isinstance(graph, StepGraph):  # where a window on a slower stream must be filled, the module alone knows
        most = max(most, shortest_input(model, graph.captured))
    if most == 1 or isinstance(graph.mode, Window):
        return most
    return shortest(scratch, model, most, Yardstick(atol or 0.0, rtol or 0.0), samples)


def _provenance(made: Prepared) -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in ("onnx", "onnxscript")}
    return {
        "edgeseq": __version__,
        "torch": str(torch.__version__),
        **versions,
        "python": platform.python_version(),
        "model": type(made.model).__name__,
        **({"weights": made.weights} if made.weights else {}),
    }


_REMEDIES = {
    "concatenation": "report this with the model; if the difference is rounding alone, allow it with atol or rtol",
    "sequences": "report this with the model; if the difference is rounding alone, allow it with atol or rtol",
    "prefix": "report this with the model; if the difference is rounding alone, allow it with atol or rtol",
    "neighbours": "where the model itself mixes the rows of a batch, fix the batch as in [1,time,64]; else report this",
    "futures": "report this with the model",
    "reset": "report this with the model",
    "long run": "report this with the model; if the difference is rounding alone, allow it with atol or rtol",
}


def _first_to_differ(
    model: nn.Module,
    graph: Graph,
    scratch: Path,
    found: Verification,
    samples: Calibration | None,
    rules: Rules | None,
) -> str | None:
    """Where the stream leaves the module, in a sentence; None where it is not seen on short inputs."""
    if not isinstance(graph, StepGraph) or graph.mode != EXACT or found.amplifying:
        return None
    loaded = load(scratch, allow_unverified=True)
    draws, frames = Draws(loaded.contract, samples), int(found.settings["frames"])
    for seed, length in enumerate(range(frames, max(0, frames - graph.plan.multiple), -1)):
        if accepted(loaded.contract, length) != length:
            continue
        inputs = draws(length, int(found.settings["batch"]), seed)
        chunks = random_chunks(length, seed)
        said = bisected(model, graph, loaded.session, inputs, chunks, loaded.contract, rules)
        if said is not None:
            return said
    return None


def _failed(model: nn.Module, found: Verification, place: str | None) -> VerificationError:
    broken = next(check for check in found.checks if not check.passed)
    return VerificationError(
        f"the exported file does not compute what {type(model).__name__} computes",
        why=f"the law of {broken.name} fails: {broken.detail}" + (f"; {place}" if place else ""),
        do=_REMEDIES[broken.name],
    )
