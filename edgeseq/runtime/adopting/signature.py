"""What a graph says of itself: names, dtypes and shapes, as onnxruntime reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeseq.contract_reading import DTYPES
from edgeseq.errors import UsageError
from edgeseq.runtime.agreement import dtype_of

Dims = tuple[int | str | None, ...]


@dataclass(frozen=True)
class Value:
    """One input or output of a graph; a size that it leaves open is the word it has there, or None."""

    name: str
    dtype: str
    dims: Dims

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}[{', '.join('?' if size is None else str(size) for size in self.dims)}]"


@dataclass(frozen=True)
class Signature:
    """All inputs and outputs of a graph, in its order."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    def input(self, name: str) -> Value:
        """The input of this name; KeyError where there is none."""
        return {value.name: value for value in self.inputs}[name]

    def output(self, name: str) -> Value:
        """The output of this name; KeyError where there is none."""
        return {value.name: value for value in self.outputs}[name]


def signature_of(session: Any, where: str) -> Signature:
    """The signature of a session's graph; UsageError where it takes or gives what is no tensor of numbers."""
    return Signature(
        tuple(_value(value, where) for value in session.get_inputs()),
        tuple(_value(value, where) for value in session.get_outputs()),
    )


def _value(value: Any, where: str) -> Value:
    dtype = dtype_of(value.type)
    if dtype not in DTYPES:
        raise UsageError(
            "this file cannot be stepped",
            where=f"{where}, {value.name}",
            got=value.type,
            wanted=f"tensors of {', '.join(sorted(DTYPES))}",
        )
    return Value(value.name, dtype, tuple(value.shape))
