"""Whether a file's contract and its graph speak of the same model, checked in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from edgeseq.contract import Axis, Contract, Port, axis_parts
from edgeseq.contract_fields import listed
from edgeseq.errors import ContractError
from edgeseq.runtime.inputs import show
from edgeseq.runtime.schedule import frames_in_call
from edgeseq.runtime.states import check_initial

_GIVEN_ONCE = ("conditioning", "constant")
_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}


def check_agreement(contract: Contract, session: Any, where: str) -> None:
    """ContractError where graph and contract disagree, or where the contract asks for what this runtime cannot do."""
    inputs = {value.name: value for value in session.get_inputs()}
    outputs = {value.name: value for value in session.get_outputs()}
    elsewhere = {state.initial.port for state in contract.states}
    elsewhere |= set(contract.prologue.inputs) if contract.prologue else set()
    ports_in = [port for port in contract.ports if port.role != "output" and not _only(port, elsewhere, inputs)]
    ports_out = list(contract.with_role("output"))
    promised_in = [(port.name, port.dtype, _called(contract, port)) for port in ports_in]
    promised_in += [(state.input, state.dtype, state.shape) for state in contract.states]
    promised_out = [(port.name, port.dtype, _called(contract, port)) for port in ports_out]
    promised_out += [(state.output, state.dtype, state.shape) for state in contract.states]
    _check_side("input", promised_in, inputs, where)
    _check_side("output", promised_out, outputs, where)
    for port in contract.ports:
        _check_port(contract, port, where)
    _check_axes(contract, where)
    sources = {port.name: (port.dtype, port.shape) for port in contract.ports if port.role in _GIVEN_ONCE}
    for state in contract.states:
        check_initial(state, sources)


def check_prologue(contract: Contract, session: Any, where: str) -> None:
    """ContractError where the graph of the prologue takes or gives other arrays than the contract says."""
    assert contract.prologue is not None
    ports = {port.name: (port.name, port.dtype, port.shape) for port in contract.ports}
    inputs = {value.name: value for value in session.get_inputs()}
    outputs = {value.name: value for value in session.get_outputs()}
    _check_side("input", [ports[name] for name in contract.prologue.inputs], inputs, where)
    _check_side("output", [ports[name] for name in contract.prologue.outputs], outputs, where)


def _called(contract: Contract, port: Port) -> tuple[Axis, ...]:
    """The shape of a port in a call; its frames too are a number where all calls are of one size."""
    size = contract.chunk.multiple if contract.chunk.max == contract.chunk.multiple else None
    if size is None or port.time_axis is None:
        return port.shape
    frames = frames_in_call(port, size)
    return tuple(frames if axis == port.time_axis else name for axis, name in enumerate(port.shape))


def _only(port: Port, elsewhere: Set[str | None], inputs: Mapping[str, Any]) -> bool:
    """Whether a port need not be in the graph, since it only starts a state or goes to the prologue."""
    return port.role in _GIVEN_ONCE and port.name in elsewhere and port.name not in inputs


def _check_side(
    side: str, promised: Iterable[tuple[str, str, tuple[Axis, ...]]], actual: Mapping[str, Any], where: str
) -> None:
    promised = list(promised)
    names = {name for name, _, _ in promised}
    missing, left_over = sorted(names - set(actual)), sorted(set(actual) - names)
    if missing:
        raise _disagree(where, f"the contract names {side}s that the graph lacks: {listed(missing)}")
    if left_over:
        raise _disagree(where, f"the graph has {side}s that the contract does not name: {listed(left_over)}")
    for name, dtype, shape in promised:
        got = dtype_of(actual[name].type)
        if got != dtype:
            raise _disagree(where, f"{side} {name} has another dtype", got=got, wanted=dtype)
        _check_shape(side, name, shape, actual[name].shape, where)


def _check_shape(side: str, name: str, shape: tuple[Axis, ...], actual: list[int | str | None], where: str) -> None:
    if not actual and shape:
        # onnxruntime says [] both for a scalar and for an unknown rank: the first run tells.
        if side == "output":
            return
        raise _disagree(where, f"input {name} has another rank", got=0, wanted=len(shape))
    if len(actual) != len(shape):
        raise _disagree(where, f"{side} {name} has another rank", got=len(actual), wanted=len(shape))
    for got, wanted in zip(actual, shape, strict=True):
        if isinstance(got, int) and got != wanted:
            raise _disagree(where, f"{side} {name} has another shape", got=_graph_shape(actual), wanted=show(shape))


def _check_axes(contract: Contract, where: str) -> None:
    """Every named axis must be one whose size will be known."""
    known = {"batch"}
    for port in contract.ports:
        if port.role == "conditioning" or (port.role == "constant" and port.default is None):
            known |= {axis_parts(axis)[1] for axis in port.shape if isinstance(axis, str)}
    if known & {"time", "capacity"}:
        raise _disagree(where, "a conditioning input or a constant has an axis called time or capacity")
    shapes: list[tuple[str, tuple[Axis, ...], set[str]]] = []
    for state in contract.states:
        shapes.append((f"state {state.name}", state.shape, known | {"capacity"}))
    for port in contract.ports:
        rest = port.shape if port.time_axis is None else _without(port.shape, port.time_axis)
        shapes.append((port.name, rest, known))
    for name, shape, allowed in shapes:
        entries = [axis for axis in shape if isinstance(axis, str) and axis_parts(axis)[1] == "capacity"]
        if entries not in ([], ["capacity"]):
            raise _disagree(where, f"{name} has more than one entry for a frame", got=show(shape))
        for axis in shape:
            if axis == 0:
                raise _disagree(where, f"{name} has an axis of size 0", got=show(shape))
            if isinstance(axis, str) and axis_parts(axis)[1] not in allowed:
                raise _disagree(where, f"{name} has an axis of unknown size: {axis}", got=show(shape))


def _check_port(contract: Contract, port: Port, where: str) -> None:
    if port.time_axis is not None and port.shape[port.time_axis] != "time":
        raise _disagree(where, f"the time axis of {port.name} is not called time", got=show(port.shape))
    if (port.ratio * contract.chunk.multiple).denominator != 1:
        raise _disagree(where, f"{port.name} has no whole number of frames in a chunk", got=f"ratio {port.ratio}")
    if port.overlap and (port.role != "frame" or contract.whole_sequences):
        raise _disagree(where, f"{port.name} overlaps a previous call, and has none", got=f"overlap {port.overlap}")
    if port.role == "control" and (port.dtype != "int64" or port.shape not in (("batch",), (1,))):
        raise _disagree(where, f"{port.name} must be int64 [batch] or [1]", got=f"{port.dtype} {show(port.shape)}")


def dtype_of(text: str) -> str:
    """onnxruntime's ``tensor(float)`` as ``float32``."""
    return _DTYPES.get(text, text.removeprefix("tensor(").removesuffix(")"))


def _without(shape: tuple[Axis, ...], axis: int) -> tuple[Axis, ...]:
    return shape[:axis] + shape[axis + 1 :]


def _graph_shape(shape: list[int | str | None]) -> str:
    return f"[{', '.join('?' if axis is None else str(axis) for axis in shape)}]"


def _disagree(where: str, why: str, got: object = None, wanted: object = None) -> ContractError:
    return ContractError(
        "contract and graph disagree",
        where=where,
        why=why,
        got=got,
        wanted=wanted,
        do="export the model again; do not edit one without the other",
    )
