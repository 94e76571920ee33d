"""Reading a contract from JSON: strict about what it knows, silent about fields it does not."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from typing import Any, get_args

from edgeseq.contract import (
    METADATA_KEY,
    PERIODS,
    VERSION,
    Axis,
    Chunk,
    Contract,
    Initial,
    Length,
    Port,
    Role,
    State,
    StateKind,
)
from edgeseq.errors import ContractError

#: ``batch``, ``time`` and ``capacity`` have a meaning; any other word is a dynamic axis of the user's own.
#: ``4*batch`` is an axis whose size is four times the batch.
_AXIS = re.compile(r"^(?:[1-9][0-9]*\*)?[A-Za-z_][A-Za-z0-9_]*$")
_DTYPES = frozenset(
    ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
)


def read_contract(text: str, where: str) -> Contract:
    """The contract that ``text`` spells; ContractError names the first field that is missing or of the wrong kind."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContractError("cannot read the contract", where=where, why=f"it is not JSON: {error}") from None
    contract = _read_contract(document, where)
    _check(contract, where)
    return contract


class _Reader:
    """Reads fields out of one JSON object and says where it stands when one is wrong."""

    def __init__(self, document: Any, where: str) -> None:
        if not isinstance(document, dict):
            raise ContractError("broken contract", where=where, got=_brief(document), wanted="an object")
        self.document = document
        self.where = where

    def fail(self, key: str, wanted: str) -> ContractError:
        return ContractError(
            "broken contract", where=f"{self.where}.{key}", got=_brief(self.document.get(key)), wanted=wanted
        )

    def text(self, key: str) -> str:
        value = self.document.get(key)
        if not isinstance(value, str) or not value:
            raise self.fail(key, "a non-empty string")
        return value

    def optional_text(self, key: str) -> str | None:
        return None if self.document.get(key) is None else self.text(key)

    def integer(self, key: str, default: int, least: int) -> int:
        value = self.document.get(key, default)
        if type(value) is not int or not least <= value < 2**62:
            raise self.fail(key, f"an integer from {least}")
        return value

    def optional_integer(self, key: str, least: int) -> int | None:
        return None if self.document.get(key) is None else self.integer(key, 0, least)

    def optional_number(self, key: str) -> float | None:
        value = self.document.get(key)
        if value is None:
            return None
        if type(value) not in (int, float):
            raise self.fail(key, "a number or null")
        return float(value)

    def optional_seconds(self, key: str) -> float | None:
        value = self.document.get(key)
        if isinstance(value, (int, float)) and not PERIODS[0] <= value <= PERIODS[1]:
            raise self.fail(key, "from {:g} to {:g} seconds, or null".format(*PERIODS))
        return self.optional_number(key)

    def flag(self, key: str) -> bool:
        value = self.document.get(key, False)
        if type(value) is not bool:
            raise self.fail(key, "true or false")
        return value

    def choice(self, key: str, choices: Any) -> Any:
        value = self.document.get(key)
        if not isinstance(value, str) or value not in choices:
            raise self.fail(key, f"one of {', '.join(sorted(choices))}")
        return value

    def ratio(self, key: str) -> Fraction:
        value = self.document.get(key, "1")
        match = re.fullmatch(r"([1-9][0-9]{0,8})(?:/([1-9][0-9]{0,8}))?", value) if isinstance(value, str) else None
        if match is None:
            raise self.fail(key, 'a positive ratio such as "1" or "3/2"')
        return Fraction(int(match[1]), int(match[2] or 1))

    def shape(self, key: str) -> tuple[Axis, ...]:
        value = self.document.get(key)
        if not isinstance(value, list) or not all(
            (type(axis) is int and 0 <= axis < 2**31) or (isinstance(axis, str) and _AXIS.match(axis)) for axis in value
        ):
            raise self.fail(key, 'a list of sizes and axis names such as ["batch", "time", 64]')
        return tuple(value)

    def mapping(self, key: str) -> dict[str, Any]:
        value = self.document.get(key)
        if not isinstance(value, dict):
            raise self.fail(key, "an object")
        return value

    def optional_mapping(self, key: str) -> dict[str, Any] | None:
        return None if self.document.get(key) is None else self.mapping(key)

    def texts(self, key: str) -> dict[str, str]:
        value = self.document.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(text, str) and text for text in value.values()):
            raise self.fail(key, "an object of non-empty strings")
        return value

    def items(self, key: str) -> list[_Reader]:
        value = self.document.get(key)
        if not isinstance(value, list):
            raise self.fail(key, "a list")
        return [_Reader(item, f"{self.where}.{key}[{index}]") for index, item in enumerate(value)]


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _read_contract(document: Any, where: str) -> Contract:
    reader = _Reader(document, where)
    if reader.document.get("format") != METADATA_KEY:
        raise reader.fail("format", repr(METADATA_KEY))
    version = reader.integer("version", 0, 1)
    if version > VERSION:
        raise ContractError(
            "contract is newer than this edgeseq",
            where=where,
            got=f"version {version}",
            wanted=f"version {VERSION} or older",
            do="update edgeseq, or export the file again with this version",
        )
    chunk = _Reader(reader.mapping("chunk"), f"{where}.chunk")
    return Contract(
        ports=tuple(_read_port(item) for item in reader.items("ports")),
        states=tuple(_read_state(item) for item in reader.items("states")),
        chunk=Chunk(
            multiple=chunk.integer("multiple", 1, 1),
            max=chunk.optional_integer("max", 1),
            max_batched=chunk.optional_integer("max_batched", 1),
        ),
        delay=reader.integer("delay", 0, 0),
        min_frames=reader.integer("min_frames", 1, 0),
        receptive_field=reader.optional_integer("receptive_field", 1),
        max_context=reader.optional_integer("max_context", 1),
        frame_period=reader.optional_seconds("frame_period"),
        mode=reader.mapping("mode"),
        opset=reader.mapping("opset"),
        onnxruntime=reader.text("onnxruntime"),
        quantization=reader.optional_mapping("quantization"),
        verification=reader.optional_mapping("verification"),
        digest=reader.optional_text("digest"),
        rules=reader.texts("rules"),
        provenance=reader.mapping("provenance"),
    )


def _read_port(reader: _Reader) -> Port:
    port = Port(
        name=reader.text("name"),
        role=reader.choice("role", get_args(Role)),
        dtype=reader.choice("dtype", _DTYPES),
        shape=reader.shape("shape"),
        time_axis=reader.optional_integer("time_axis", 0),
        ratio=reader.ratio("ratio"),
        delay=reader.integer("delay", 0, 0),
        length=_read_length(reader),
        overlap=reader.integer("overlap", 0, 0),
        default=reader.optional_number("default"),
        control=reader.optional_text("control"),
        unit=reader.optional_text("unit"),
        range=_read_range(reader),
    )
    if port.time_axis is not None and port.time_axis >= len(port.shape):
        raise reader.fail("time_axis", f"an axis of shape {list(port.shape)}")
    if port.role == "frame" and port.time_axis is None:
        raise reader.fail("time_axis", "the axis along which frames arrive")
    if port.role == "output" and (port.time_axis is None) != (port.length is None):
        raise reader.fail("length", "a length exactly where the output has a time axis")
    if port.role == "control" and port.control != "remaining":
        raise reader.fail("control", "'remaining'")
    return port


def _read_length(reader: _Reader) -> Length | None:
    if reader.document.get("length") is None:
        return None
    length = _Reader(reader.mapping("length"), f"{reader.where}.length")
    period = length.integer("period", 1, 1)
    at = length.document.get("at")
    if (
        not isinstance(at, list)
        or len(at) != period
        or not all(offset is None or (type(offset) is int and abs(offset) < 2**62) for offset in at)
    ):
        raise length.fail("at", f"a list of {period} integers or nulls")
    return Length(period=period, frames=length.integer("frames", 1, 1), at=tuple(at))


def _read_range(reader: _Reader) -> tuple[float, float] | None:
    value = reader.document.get("range")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(type(end) in (int, float) for end in value):
        raise reader.fail("range", "two numbers or null")
    return float(value[0]), float(value[1])


def _read_state(reader: _Reader) -> State:
    return State(
        name=reader.text("name"),
        input=reader.text("input"),
        output=reader.text("output"),
        kind=reader.choice("kind", get_args(StateKind)),
        dtype=reader.choice("dtype", _DTYPES),
        shape=reader.shape("shape"),
        initial=_read_initial(_Reader(reader.mapping("initial"), f"{reader.where}.initial")),
        start=reader.integer("start", 0, 0),
        in_place=reader.flag("in_place"),
        ratio=reader.ratio("ratio"),
    )


def _read_initial(reader: _Reader) -> Initial:
    kind = reader.choice("kind", ("zeros", "fill", "data", "conditioning"))
    if kind == "fill":
        value = reader.optional_number("value")
        if value is None:
            raise reader.fail("value", "a number")
        return Initial(kind="fill", value=value)
    if kind == "data":
        shape = reader.shape("shape")
        sizes = tuple(axis for axis in shape if isinstance(axis, int))
        if len(sizes) != len(shape):
            raise reader.fail("shape", "a list of sizes")
        return Initial(kind="data", shape=sizes, base64=reader.text("base64"))
    if kind == "conditioning":
        return Initial(kind="conditioning", port=reader.text("port"), index=reader.optional_integer("index", 0))
    return Initial()


def _check(contract: Contract, where: str) -> None:
    """Refuse a contract that contradicts itself."""
    names = [port.name for port in contract.ports]
    names += [name for state in contract.states for name in (state.input, state.output)]
    states = [state.name for state in contract.states]
    doubled = sorted({name for group in (names, states) for name in group if group.count(name) > 1})
    if doubled:
        raise ContractError("broken contract", where=where, why=f"names stand twice: {', '.join(doubled)}")
    if not contract.with_role("frame"):
        raise ContractError("broken contract", where=f"{where}.ports", wanted="at least one port with role 'frame'")
    if not contract.with_role("output"):
        raise ContractError("broken contract", where=f"{where}.ports", wanted="at least one port with role 'output'")
    conditioning = {port.name for port in contract.with_role("conditioning")}
    for state in contract.states:
        if state.start % contract.chunk.multiple:
            raise ContractError(
                "broken contract",
                where=f"{where}.states, {state.name}.start",
                got=state.start,
                wanted=f"a multiple of chunk.multiple = {contract.chunk.multiple}",
            )
        if state.initial.kind == "conditioning" and state.initial.port not in conditioning:
            raise ContractError(
                "broken contract",
                where=f"{where}.states, {state.name}.initial",
                got=repr(state.initial.port),
                wanted="the name of a conditioning port",
            )
    for limit in (contract.chunk.max, contract.chunk.max_batched):
        if limit is not None and limit < contract.chunk.multiple:
            raise ContractError(
                "broken contract", where=f"{where}.chunk", got=limit, wanted=f"at least {contract.chunk.multiple}"
            )
