"""``export``: the one call from a module to a verified file."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import onnx_ir as ir
import torch
from torch import nn

from edgeseq import __version__
from edgeseq.contract import METADATA_KEY, Contract
from edgeseq.errors import UsageError, VerificationError
from edgeseq.exporters.capture import capture
from edgeseq.exporters.contracting import contract_of
from edgeseq.exporters.lowering import DEFAULT_OPSET, lower
from edgeseq.exporters.modes import Exact, Mode
from edgeseq.exporters.rules import FAMILIES
from edgeseq.exporters.rules.registry import Registry, Rule
from edgeseq.exporters.stepgraph import StepGraph
from edgeseq.exporters.verification import Verification, verify
from edgeseq.exporters.verification.reference import evaluating
from edgeseq.exporters.verification.shortest import shortest
from edgeseq.exporters.verification.yardstick import Yardstick
from edgeseq.exporters.writing import replacing

_OPSETS = range(18, 26)
_EXACT = Exact()


@dataclass(frozen=True)
class Exported:
    """What ``export`` made: the file, its contract, and what verification found on it."""

    path: Path
    contract: Contract
    verification: Verification

    def __repr__(self) -> str:
        checks = len(self.verification.checks)
        return f"Exported({str(self.path)!r}, {len(self.contract.states)} states, {checks} checks passed)"


def export(
    model: nn.Module,
    inputs: Mapping[str, Any],
    path: str | Path,
    mode: Mode = _EXACT,
    *,
    outputs: Sequence[str] | None = None,
    ops: Literal["ort", "portable"] = "ort",
    opset: int | None = None,
    max_context: int | None = None,
    frame_period: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    rules: Mapping[str, Rule] | None = None,
) -> Exported:
    """Write ``model`` to ``path`` as a stateful ONNX file that streams exactly what the model computes.

    ``inputs`` maps the arguments of ``forward`` to specs such as ``"float32[batch,time,64]"``; an argument that is a
    tuple gets a tuple of specs. ``outputs`` names the tensors that forward returns, in its order. ``ops="portable"``
    keeps to the ``ai.onnx`` domain. ``max_context`` bounds the frames of a stream; ``frame_period`` is in seconds.
    ``atol`` and ``rtol`` are allowed on top of what the yardstick allows. ``rules`` adds streaming rules for ops of
    other packages, by name (``"mylib::scan"``).

    The model is run in eval mode and put back as it was. The file is written only after every law held on it. Raises
    NotStreamable, CaptureError, UsageError, or VerificationError.
    """
    target = Path(path)
    _check_arguments(target, mode, ops, opset, max_context, frame_period)
    if not isinstance(model, nn.Module):
        raise UsageError("model must be a module", got=repr(model), wanted="an instance of torch.nn.Module")
    _check_floats(model)
    with evaluating(model):
        graph = StepGraph(_named(capture(model, inputs), outputs), Registry(FAMILIES, rules), ops)
        onnx_model = lower(graph, lambda: contract_of(graph), opset or DEFAULT_OPSET)
        contract = contract_of(graph)
        _check_context(contract, max_context)
        contract = replace(
            contract,
            max_context=max_context or contract.max_context,
            frame_period=frame_period,
            mode={"name": mode.name},
            opset={domain or "ai.onnx": version for domain, version in sorted(onnx_model.graph.opset_imports.items())},
            provenance=_provenance(model),
        )
        with replacing(target) as scratch:
            contract = replace(contract, min_frames=_least_frames(model, onnx_model, contract, scratch, atol, rtol))
            _save(onnx_model, contract, scratch)
            found = verify(scratch, model, atol=atol, rtol=rtol)
            if not found.passed:
                raise _failed(model, found)
            contract = replace(contract, verification=found.to_dict())
            _save(onnx_model, contract, scratch)
    return Exported(target, contract, found)


def _check_arguments(
    target: Path, mode: object, ops: str, opset: int | None, max_context: int | None, frame_period: float | None
) -> None:
    if target.suffix != ".onnx":
        raise UsageError("the file must end in .onnx", got=str(target), do=f"write to {target.with_suffix('.onnx')}")
    if not target.parent.is_dir():
        raise UsageError("the folder does not exist", got=str(target.parent), do="make it first")
    if not isinstance(mode, Exact):
        raise UsageError("unknown mode", got=repr(mode), wanted="Exact()")
    if ops not in ("ort", "portable"):
        raise UsageError("unknown op set", got=repr(ops), wanted="'ort' or 'portable'")
    if opset is not None and opset not in _OPSETS:
        raise UsageError("opset out of range", got=opset, wanted=f"{_OPSETS.start} to {_OPSETS.stop - 1}")
    if max_context is not None and (type(max_context) is not int or max_context < 1):
        raise UsageError("max_context must be a positive number of frames", got=repr(max_context))
    if frame_period is not None and not frame_period > 0:
        raise UsageError("frame_period must be positive", got=repr(frame_period), wanted="seconds")


def _check_context(contract: Contract, asked: int | None) -> None:
    if asked is not None and contract.max_context is not None and asked > contract.max_context:
        raise UsageError(
            "max_context is more than the model has room for",
            got=asked,
            wanted=f"at most {contract.max_context}",
            do="make the model's table of positions longer",
        )


def _check_floats(model: nn.Module) -> None:
    """onnxruntime's recurrent and attention kernels compute in float32 on CPUs; other widths would fail at load."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and tensor.dtype is not torch.float32:
            raise UsageError(
                f"{name} is not float32",
                got=str(tensor.dtype).removeprefix("torch."),
                wanted="float32",
                do="export model.float(); half precision belongs to quantization",
            )


def _named(captured: Any, outputs: Sequence[str] | None) -> Any:
    if outputs is None:
        return captured
    if len(set(outputs)) != len(captured.outputs):
        raise UsageError(
            "outputs must name every tensor that forward returns, each once",
            got=", ".join(outputs),
            wanted=f"{len(captured.outputs)} names",
        )
    return replace(
        captured, outputs=tuple((name, node) for name, (_, node) in zip(outputs, captured.outputs, strict=True))
    )


def _least_frames(
    model: nn.Module, made: ir.Model, contract: Contract, scratch: Path, atol: float | None, rtol: float | None
) -> int:
    if contract.min_frames == 1:
        return 1
    _save(made, replace(contract, min_frames=1), scratch)
    return shortest(scratch, model, contract.min_frames, Yardstick(atol or 0.0, rtol or 0.0))


def _save(model: ir.Model, contract: Contract, path: Path) -> None:
    model.metadata_props.clear()
    model.metadata_props[METADATA_KEY] = contract.to_json()
    ir.save(model, path)


def _provenance(model: nn.Module) -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in ("onnx", "onnxscript")}
    return {
        "edgeseq": __version__,
        "torch": str(torch.__version__),
        **versions,
        "python": platform.python_version(),
        "model": type(model).__name__,
    }


_REMEDIES = {
    "concatenation": "report this with the model; if the difference is rounding alone, allow it with atol or rtol",
    "prefix": "report this with the model; if the difference is rounding alone, allow it with atol or rtol",
    "neighbours": "where the model itself mixes the rows of a batch, fix the batch as in [1,time,64]; else report this",
    "futures": "report this with the model",
    "reset": "report this with the model",
}


def _failed(model: nn.Module, found: Verification) -> VerificationError:
    broken = next(check for check in found.checks if not check.passed)
    return VerificationError(
        f"the exported file does not compute what {type(model).__name__} computes",
        why=f"the law of {broken.name} fails: {broken.detail}",
        do=_REMEDIES[broken.name],
    )
