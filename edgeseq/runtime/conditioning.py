"""The inputs given once per stream: which arrays, which defaults, how large the named axes are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Contract, Port, axis_parts, resolve_shape
from edgeseq.errors import ShapeError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.foreign import as_array
from edgeseq.runtime.inputs import check_array, known_shape, show


def bind_conditioning(
    contract: Contract, given: Mapping[str, Any] | None, batch: int
) -> tuple[dict[str, Array], dict[str, int]]:
    """A copy of every conditioning and constant array, and the sizes of the named axes, ``batch`` among them.

    Constants that the prologue computes are not among them yet.
    """
    ports = contract.with_role("conditioning")
    given = _check_given(given, ports)
    sizes = {"batch": batch}
    arrays = {port.name: _take(port, given[port.name], sizes) for port in ports if port.name in given}
    computed = contract.prologue.outputs if contract.prologue else ()
    for port in (*ports, *contract.with_role("constant")):
        if port.name not in arrays and port.name not in computed:
            arrays[port.name] = _default(port, sizes)
    return arrays, sizes


def _check_given(given: object, ports: tuple[Port, ...]) -> Mapping[str, Any]:
    names = [port.name for port in ports]
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise ShapeError(
            "conditioning is not a dict", got=type(given).__name__, wanted="{name: array}, or None", do=_expects(names)
        )
    unknown = sorted(str(name) for name in given if name not in names)
    if unknown:
        raise ShapeError(f"unknown conditioning: {', '.join(unknown)}", do=_expects(names))
    missing = [port.name for port in ports if port.default is None and port.name not in given]
    if missing:
        raise ShapeError(
            f"conditioning is missing: {', '.join(missing)}",
            do=f"give it with model.stream(conditioning={{{missing[0]!r}: array}})",
        )
    return given


def _expects(names: list[str]) -> str:
    return f"this model takes {', '.join(names)}" if names else "this model takes no conditioning"


def _take(port: Port, value: object, sizes: dict[str, int]) -> Array:
    """A copy of a given array; its named axes join ``sizes``."""
    array = check_array(port.name, as_array(port.name, value), port.dtype, known_shape(port.shape, sizes))
    for axis, size in zip(port.shape, array.shape, strict=True):
        if isinstance(axis, str):
            times, name = axis_parts(axis)
            if size % times or sizes.setdefault(name, size // times) != size // times:
                raise ShapeError(
                    f"{port.name} has the wrong shape",
                    got=show(array.shape),
                    wanted=show(known_shape(port.shape, sizes)),
                )
    return np.array(array, order="C", copy=True)


def _default(port: Port, sizes: Mapping[str, int]) -> Array:
    try:
        shape = resolve_shape(port.shape, sizes)
    except KeyError as error:
        raise ShapeError(
            f"conditioning is missing: {port.name}",
            why=f"the size of its axis {error.args[0]} is not known",
            do=f"give it with model.stream(conditioning={{{port.name!r}: array}})",
        ) from None
    return np.full(shape, port.default, dtype=port.dtype)
