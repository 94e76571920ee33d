"""The module itself as the reference: whole sequences in float32 and float64, and inputs to run it on."""

from __future__ import annotations

import contextlib
import copy
import inspect
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from edgeseq.contract import Contract
from edgeseq.errors import UsageError
from edgeseq.exporters.modes.definition import Definition, definition_of
from edgeseq.exporters.nesting import nested
from edgeseq.verification.arrays import Arrays


class Reference:
    """A module run on whole sequences, outputs by port name.

    ``noise`` is what the module's own float32 run is away from its float64 run: the yardstick's unit. Of a file that
    approximates its module, the reference is what its mode makes of the module; ``definition`` replaces that.
    """

    def __init__(self, model: nn.Module, contract: Contract, definition: Definition | None = None) -> None:
        self.contract = contract
        self._definition = definition or definition_of(contract)
        self.model = model
        self._double = _doubled(model)

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
        """The module's outputs in float32."""
        return self._outputs(self.model, inputs, torch.float32)

    def exact(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
        """The module's outputs in float64; in float32 where it cannot be run in float64."""
        if self._double is None:
            return self.run(inputs)
        try:
            return self._outputs(self._double, inputs, torch.float64)
        except (RuntimeError, ValueError, TypeError):
            self._double = None
            return self.run(inputs)

    @property
    def precision(self) -> str:
        """The dtype of the reference: float64, or float32 where the module mixes types of its own."""
        return "float32" if self._double is None else "float64"

    def _outputs(self, model: nn.Module, inputs: Mapping[str, np.ndarray[Any, Any]], dtype: torch.dtype) -> Arrays:
        known = inspect.signature(model.forward).parameters
        unknown = [name for name in nested(inputs) if name not in known]
        if unknown:
            raise UsageError(
                f"forward of {type(model).__name__} takes no argument named {unknown[0]!r}, which the file has",
                got=", ".join(known),
                wanted=", ".join(nested(inputs)),
                do="verify with the model that was exported",
            )
        device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
        tensors = {}
        for name, array in inputs.items():
            tensor = torch.from_numpy(np.ascontiguousarray(array)).to(device)
            tensors[name] = tensor.to(dtype) if tensor.is_floating_point() else tensor
        wide = WideFloats() if dtype is torch.float64 else contextlib.nullcontext()
        with evaluating(model), torch.no_grad(), wide, one_thread(), unwarned():
            result = self._definition(model, tensors)
        leaves = [leaf for leaf in torch.utils._pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        ports = self.contract.with_role("output")
        if len(leaves) != len(ports):
            raise UsageError(
                "the model does not return what the file returns",
                got=f"{len(leaves)} tensors",
                wanted=f"{len(ports)}: {', '.join(port.name for port in ports)}",
                do="verify with the model that was exported",
            )
        return {port.name: leaf.detach().cpu().numpy() for port, leaf in zip(ports, leaves, strict=True)}


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread: sequences this short lose more to handing work out than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def unwarned() -> Iterator[None]:
    """No warnings: the lengths are ours, and torch warns of the deviation of a single frame."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class WideFloats(TorchFunctionMode):
    """While active, what a model asks for in float32 it gets in float64: ``.float()``, ``dtype=torch.float32``."""

    def __enter__(self) -> WideFloats:
        self._default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        torch.set_default_dtype(self._default)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call ``func`` with float32 replaced by float64 among its arguments, complex64 by complex128."""
        if func is torch.Tensor.float:
            return args[0].double()
        given = {key: _wide(item) for key, item in (kwargs or {}).items()}
        return func(*map(_wide, args), **given)


def _wide(item: Any) -> Any:
    if item is torch.float32:
        return torch.float64
    return torch.complex128 if item is torch.complex64 else item


def _doubled(model: nn.Module) -> nn.Module | None:
    try:
        return doubled(model)
    except (RuntimeError, TypeError):
        return None


def doubled(model: nn.Module) -> nn.Module:
    """A copy of the model in float64; complex parameters, which ``double`` leaves alone, in complex128."""
    wide = copy.deepcopy(model).double()
    for tensor in (*wide.parameters(), *wide.buffers()):
        if tensor.is_complex():
            tensor.data = tensor.data.to(torch.complex128)
    return wide


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in eval mode, put back as it was afterwards, module by module."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
