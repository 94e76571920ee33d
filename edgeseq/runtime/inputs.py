"""Checks on the arrays that a caller hands over: kind, dtype, rank, shape, range. Nothing is cast or copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Axis, Port, axis_parts
from edgeseq.errors import ShapeError, UsageError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.finite import check_finite


def numpy_name(dtype: str) -> str:
    """How a dtype is written in numpy code: ``np.float32``."""
    return "np.bool_" if dtype == "bool" else f"np.{dtype}"


def show(shape: tuple[Axis, ...]) -> str:
    """A shape with sizes and names as text: ``[1, time, 64]``."""
    return f"[{', '.join(str(axis) for axis in shape)}]"


def known_shape(shape: tuple[Axis, ...], sizes: Mapping[str, int]) -> tuple[Axis, ...]:
    """``shape`` with the axes in ``sizes`` replaced by numbers, the others left as names."""
    known: list[Axis] = []
    for axis in shape:
        times, name = axis_parts(axis) if isinstance(axis, str) else (1, "")
        known.append(times * sizes[name] if name in sizes else axis)
    return tuple(known)


def check_array(name: str, value: object, dtype: str, shape: tuple[Axis, ...]) -> Array:
    """``value`` itself; ShapeError unless it is a numpy array of this dtype whose axes fit ``shape``.

    Axes given by name may have any size from one up: onnxruntime aborts the process on an axis of size zero.
    """
    if not isinstance(value, np.ndarray):
        raise ShapeError(
            f"{name} is not a numpy array",
            got=type(value).__name__,
            wanted=f"a {dtype} array of shape {show(shape)}",
            do=f"build it with np.asarray({name}, dtype={numpy_name(dtype)})",
        )
    if value.dtype != np.dtype(dtype):
        raise ShapeError(
            f"{name} has the wrong dtype",
            got=value.dtype,
            wanted=dtype,
            do=f"convert it with {name}.astype({numpy_name(dtype)})",
        )
    if value.ndim != len(shape):
        raise ShapeError(
            f"{name} has the wrong number of axes",
            got=f"{value.ndim} in shape {show(value.shape)}",
            wanted=f"{len(shape)} in shape {show(shape)}",
            do="give every axis, also those of size 1, with reshape",
        )
    for got, wanted in zip(value.shape, shape, strict=True):
        if got == 0 or (isinstance(wanted, int) and got != wanted):
            do = "give at least one frame, and at least one row" if got == 0 else None
            raise ShapeError(f"{name} has the wrong shape", got=show(value.shape), wanted=show(shape), do=do)
    return value


def check_count(name: str, value: object) -> int:
    """``value`` as an int; UsageError unless it is a whole number of frames, 0 among them."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 0:
        return int(value)
    raise UsageError(f"{name} must be a whole number from 0", got=repr(value))


def by_name(given: Any, named: Mapping[str, Any], ports: tuple[Port, ...], how: str) -> Mapping[str, Any]:
    """What a caller gave, by the names of ``ports``: as a dict, by keyword, or the only one itself; ShapeError.

    ``how`` to give several, for the message.
    """
    if named and given is not None:
        raise ShapeError("give the inputs by name or as one argument, not both")
    if isinstance(given, Mapping):
        return given
    if named:
        return named
    if len(ports) > 1:
        names = ", ".join(port.name for port in ports)
        raise ShapeError("this model has several inputs", wanted=names, do=f"give them {how}")
    return {ports[0].name: given}


def check_names(
    given: Mapping[str, object], wanted: tuple[Port, ...], what: str, elsewhere: tuple[Port, ...] = ()
) -> None:
    """ShapeError unless ``given`` names exactly the ports in ``wanted``; says where those in ``elsewhere`` belong."""
    names = [port.name for port in wanted]
    if set(given) != set(names):
        once = next((port.name for port in elsewhere if port.name in given), None)
        raise ShapeError(
            f"{what} do not match the model's",
            got=", ".join(sorted(str(name) for name in given)) or "none",
            wanted=", ".join(names) or "none",
            do=once and f"give {once} once per stream: model.stream(conditioning={{{once!r}: array}})",
        )


def check_frames(
    given: Mapping[str, Any], ports: tuple[Port, ...], shapes: Mapping[str, tuple[Axis, ...]], finite: bool
) -> int:
    """How many base frames the arrays in ``given`` hold, the same in all; ShapeError where an array does not fit.

    ``shapes`` are the ports' shapes with everything known but the time. With ``finite``, NonFiniteInput for NaN and
    infinities.
    """
    base_frames = set()
    for port in ports:
        value = check_array(port.name, given[port.name], port.dtype, shapes[port.name])
        check_range(port, value)
        if finite:
            check_finite_frames(port, value)
        ratio = port.ratio
        whole, rest = divmod(value.shape[port.time_axis or 0] * ratio.denominator, ratio.numerator)
        base_frames.add(-1 if rest else whole)
    if len(base_frames) > 1 or -1 in base_frames:
        raise ShapeError(
            "the inputs do not hold the same stretch of time",
            got=", ".join(f"{port.name}: {given[port.name].shape[port.time_axis or 0]} frames" for port in ports),
            wanted=", ".join(f"{port.ratio} of {port.name}" for port in ports) + " per base frame",
        )
    return base_frames.pop()


def check_range(port: Port, value: Array) -> None:
    """ShapeError where an integer input leaves the port's range, both ends included: an index beside its table."""
    if port.range is None or value.dtype.kind not in "iu":
        return
    low, high = port.range
    least, most = (value.item(), value.item()) if value.size == 1 else (value.min(), value.max())
    if least < low or most > high:
        raise ShapeError(
            f"{port.name} is out of range",
            got=least if least < low else most,
            wanted=f"from {low:.0f} to {high:.0f}",
        )


#: What to do about frames that are not finite.
FINITE = "give finite frames, call missing() in place of bad ones, or open the stream with on_nonfinite='pass'"


def check_finite_frames(port: Port, value: Array, do: str = FINITE) -> None:
    """NonFiniteInput where a frame holds NaN or an infinity; ``do`` is the remedy."""
    check_finite(port.name, value, do)


def check_out(name: str, out: object, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """``out`` itself; ShapeError unless it is a C-contiguous writable array of exactly this dtype and shape."""
    checked = isinstance(out, np.ndarray) and out.dtype == dtype and out.shape == shape
    if not checked or not isinstance(out, np.ndarray):
        got = f"{out.dtype} {show(out.shape)}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ShapeError(
            f"out for {name} does not fit",
            got=got,
            wanted=f"{dtype} {show(shape)}",
            do=f"make it with np.empty({shape}, {numpy_name(str(dtype))}); stream.expect(k) counts its frames",
        )
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise ShapeError(f"out for {name} must be C-contiguous and writable", do="make it with np.empty")
    return out
