"""The module that is exported: the user's own, or a copy of it in float32 on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from edgeseq.errors import UsageError
from edgeseq.exporters.capture_errors import first_lines
from edgeseq.exporters.saved_program import SavedProgram

_HALF = (torch.float16, torch.bfloat16)
_COPY_ERRORS = (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError, copy.Error)


@dataclass(frozen=True)
class Prepared:
    """A module in float32 on the CPU. ``weights``: what they were before, for the file's provenance; None: the same."""

    model: nn.Module
    weights: str | None = None


def prepared(model: nn.Module, inputs: Mapping[str, Any] | None = None) -> Prepared:
    """``model`` itself where it is in float32 on the CPU, else such a copy of it; ``model`` is left as it is.

    Half-precision weights are widened, which is exact. onnxruntime's recurrent and attention kernels compute in float32
    on CPUs, so a wider module is refused: UsageError, also where the copy cannot be made, and where ``inputs`` say
    float16 to a module that was widened.
    """
    tensors = dict(_tensors(model))
    _check_kinds(model, tensors)
    kinds = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    half = sorted(str(kind).removeprefix("torch.") for kind in kinds if kind in _HALF)
    elsewhere = sorted({str(tensor.device) for tensor in tensors.values()} - {"cpu"})
    if not half and not elsewhere:
        return Prepared(model)
    if isinstance(model, SavedProgram):
        raise UsageError(
            "a saved program must be in float32 on the CPU",
            why="what it makes of its own, such as zeros, keeps the type and the device of its export",
            got=", ".join([*half, *elsewhere]),
            do="call model.float().cpu() before torch.export.export",
        )
    if half:
        _check_inputs(half, inputs or {})
    mixed = " and ".join([*half, *(["float32"] if torch.float32 in kinds else [])])
    return Prepared(_widened(model), f"{mixed}, computed in float32" if half else None)


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _check_kinds(model: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_meta:
            raise UsageError(
                f"{name} has no values", why="it is on the meta device", do="load the weights before exporting"
            )
    for name, tensor in model.state_dict().items():
        if not isinstance(tensor, torch.Tensor):
            continue
        if tensor.is_floating_point() and bool(torch.isnan(tensor).any()):
            raise UsageError(f"{name} holds NaN", do="load weights of a training that went well")
        if tensor.is_floating_point() and tensor.dtype not in (torch.float32, *_HALF):
            raise UsageError(
                f"{name} is not float32",
                got=str(tensor.dtype).removeprefix("torch."),
                wanted="float32, float16 or bfloat16",
                do="export model.float()",
            )


def _check_inputs(half: list[str], inputs: Mapping[str, Any]) -> None:
    for text in map(str, tree_leaves(dict(inputs))):
        if text.strip().startswith("float16"):
            raise UsageError(
                f"an input is {text.strip()}",
                why=f"the model is in {' and '.join(half)} and is computed in float32",
                do="write float32 in the input spec",
            )


def _widened(model: nn.Module) -> nn.Module:
    """A copy in float32 on the CPU, parameters that were one still one, plain tensor attributes included."""
    try:
        made = copy.deepcopy(model)
    except _COPY_ERRORS as error:
        raise UsageError(
            f"cannot copy {type(model).__name__} to compute it in float32 on the CPU",
            why=first_lines(error),
            do="export model.float().cpu()",
        ) from error
    made._apply(_wide)  # type: ignore[no-untyped-call]
    for module in made.modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                setattr(module, name, _wide(value))
    return made


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to("cpu", torch.float32) if tensor.dtype in _HALF else tensor.to("cpu")
