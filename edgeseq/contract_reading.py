"""Reading a contract from JSON: strict about what it knows, silent about fields it does not."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args

from edgeseq.contract import (
    LONGEST_PERIOD,
    METADATA_KEY,
    VERSION,
    Chunk,
    Contract,
    Initial,
    Length,
    Machine,
    Port,
    Prologue,
    Role,
    Session,
    State,
    StateKind,
)
from edgeseq.contract_fields import Reader, is_bare_name, is_number, listed
from edgeseq.contract_quantization import read_quantization
from edgeseq.errors import ContractError
from edgeseq.strict_json import read_json
from edgeseq.structure import Cost, Part

DTYPES = frozenset(
    ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
)


def read_contract(text: str, where: str) -> Contract:
    """The contract that ``text`` spells; ContractError names the first field that is missing or of the wrong kind."""
    try:
        document = read_json(text)
    except ValueError as error:
        raise ContractError("cannot read the contract", where=where, why=f"it is not JSON: {error}") from None
    contract = _read_contract(document, where)
    _check(contract, where)
    return contract


def _read_contract(document: Any, where: str) -> Contract:
    reader = Reader(document, where)
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
    chunk = Reader(reader.mapping("chunk"), f"{where}.chunk")
    return Contract(
        ports=tuple(_read_port(item) for item in reader.items("ports")),
        states=tuple(_read_state(item) for item in reader.items("states")),
        prologue=_read_prologue(reader, version),
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
        quantization=read_quantization(reader),
        verification=reader.optional_mapping("verification"),
        digest=reader.optional_text("digest"),
        seal=reader.optional_text("seal"),
        rules=reader.texts("rules"),
        modules=_read_parts(reader),
        session=_read_session(reader),
        provenance=reader.mapping("provenance"),
    )


def _read_parts(reader: Reader) -> tuple[Part, ...]:
    """The modules in the order of the list, each at most one further in than the one before."""
    items = reader.items("modules") if "modules" in reader.document else []
    parts: list[Part] = []
    for item in items:
        part = _read_part(item)
        if part.depth > (parts[-1].depth + 1 if parts else 0) or (parts and part.depth == 0):
            raise item.fail("depth", "0 for the model alone, then at most one more than that of the module before")
        parts.append(part)
    return tuple(parts)


def _read_part(reader: Reader) -> Part:
    cost = Reader(reader.mapping("cost"), f"{reader.where}.cost")
    return Part(
        path=reader.text("path", empty=True),
        kind=reader.text("kind"),
        depth=reader.integer("depth", 0, 0),
        alike=reader.integer("alike", 1, 1),
        how=reader.text("how", empty=True),
        ratio=None if reader.document.get("ratio") is None else reader.ratio("ratio"),
        delay=reader.optional_integer("delay", -(2**62)),
        states=reader.names("states", 0),
        cost=Cost(
            cost.count("multiply_adds"),
            cost.count("multiply_adds_per_context"),
            cost.integer("weight_bytes", 0, 0),
            cost.integer("state_bytes", 0, 0),
            cost.count("state_bytes_per_context"),
        ),
    )


def _read_session(reader: Reader) -> Session | None:
    if reader.document.get("session") is None:
        return None
    session = Reader(reader.mapping("session"), f"{reader.where}.session")
    place = Reader(session.mapping("machine"), f"{session.where}.machine")
    machine = Machine(place.text("cpu"), place.text("architecture"), place.integer("cores", 0, 1))
    # Whoever opens the file starts so many threads: never more than the machine that it names has cores.
    if (threads := session.integer("threads", 1, 1)) > machine.cores:
        raise session.fail("threads", f"at most the {machine.cores} cores of its machine")
    return Session(
        threads=threads,
        spinning=session.flag("spinning"),
        machine=machine,
        onnxruntime=session.text("onnxruntime"),
        minimized=session.text("minimized"),
        measured=session.mapping("measured"),
    )


def _read_port(reader: Reader) -> Port:
    port = Port(
        name=reader.text("name"),
        role=reader.choice("role", get_args(Role)),
        dtype=(dtype := reader.choice("dtype", DTYPES)),
        shape=reader.shape("shape"),
        time_axis=reader.optional_integer("time_axis", 0),
        ratio=reader.ratio("ratio"),
        delay=reader.integer("delay", 0, 0),
        length=_read_length(reader),
        overlap=reader.integer("overlap", 0, 0),
        default=reader.optional_element("default", dtype),
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
    if port.length is not None and port.length.ratio != port.ratio:
        raise reader.fail("length", f"frames per period as in ratio, {port.ratio}")
    if port.role == "control" and port.control != "remaining":
        raise reader.fail("control", "'remaining'")
    return port


def _read_prologue(reader: Reader, version: int) -> Prologue | None:
    if reader.document.get("prologue") is None:
        return None
    if version < 2:
        raise reader.fail("version", "2, since there is a prologue")
    prologue = Reader(reader.mapping("prologue"), f"{reader.where}.prologue")
    if not is_bare_name(file := prologue.text("file")):
        raise prologue.fail("file", "the name of an .onnx file in the model's own folder")
    return Prologue(file, prologue.optional_text("digest"), prologue.names("inputs"), prologue.names("outputs"))


def _read_length(reader: Reader) -> Length | None:
    if reader.document.get("length") is None:
        return None
    length = Reader(reader.mapping("length"), f"{reader.where}.length")
    period = length.integer("period", 1, 1)
    if period > LONGEST_PERIOD:
        raise length.fail("period", f"at most {LONGEST_PERIOD}")
    at = length.document.get("at")
    if (
        not isinstance(at, list)
        or len(at) != period
        or not all(offset is None or (type(offset) is int and abs(offset) < 2**62) for offset in at)
    ):
        raise length.fail("at", f"a list of {period} integers or nulls")
    return Length(period=period, frames=length.integer("frames", 1, 1), at=tuple(at))


def _read_range(reader: Reader) -> tuple[float, float] | None:
    value = reader.document.get("range")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(is_number(end) for end in value):
        raise reader.fail("range", "two numbers or null")
    if value[0] > value[1]:
        raise reader.fail("range", "the smaller number first")
    return float(value[0]), float(value[1])


def _read_state(reader: Reader) -> State:
    return State(
        name=reader.text("name"),
        input=reader.text("input"),
        output=reader.text("output"),
        kind=reader.choice("kind", get_args(StateKind)),
        dtype=(dtype := reader.choice("dtype", DTYPES)),
        shape=reader.shape("shape"),
        initial=_read_initial(Reader(reader.mapping("initial"), f"{reader.where}.initial"), dtype),
        start=reader.integer("start", 0, 0),
        in_place=reader.flag("in_place"),
        ratio=reader.ratio("ratio"),
    )


def _read_initial(reader: Reader, dtype: str) -> Initial:
    kind = reader.choice("kind", ("zeros", "fill", "data", "conditioning", "prologue"))
    if kind == "fill":
        value = reader.optional_element("value", dtype)
        if value is None:
            raise reader.fail("value", "a number")
        return Initial(kind="fill", value=value)
    if kind == "data":
        shape = reader.shape("shape")
        sizes = tuple(axis for axis in shape if isinstance(axis, int))
        if len(sizes) != len(shape):
            raise reader.fail("shape", "a list of sizes")
        return Initial(kind="data", shape=sizes, base64=reader.text("base64", longest=None))
    if kind in ("conditioning", "prologue"):
        return Initial(kind=kind, port=reader.text("port"), index=reader.optional_integer("index", 0))
    return Initial()


def _check(contract: Contract, where: str) -> None:
    """Refuse a contract that contradicts itself."""
    names = [port.name for port in contract.ports]
    names += [name for state in contract.states for name in (state.input, state.output)]
    states = [state.name for state in contract.states]
    doubled = sorted({name for group in (names, states) for name, count in Counter(group).items() if count > 1})
    if doubled:
        raise ContractError("broken contract", where=where, why=f"names stand twice: {listed(doubled)}")
    if not contract.with_role("frame"):
        raise ContractError("broken contract", where=f"{where}.ports", wanted="at least one port with role 'frame'")
    if not contract.with_role("output"):
        raise ContractError("broken contract", where=f"{where}.ports", wanted="at least one port with role 'output'")
    _check_prologue(contract, where)
    sources = {
        "conditioning": {port.name for port in contract.with_role("conditioning")},
        "prologue": set(contract.prologue.outputs if contract.prologue else ()),
    }
    for state in contract.states:
        if state.start % contract.chunk.multiple:
            raise ContractError(
                "broken contract",
                where=f"{where}.states, {state.name}.start",
                got=state.start,
                wanted=f"a multiple of chunk.multiple = {contract.chunk.multiple}",
            )
        if state.initial.kind in sources and state.initial.port not in sources[state.initial.kind]:
            raise ContractError(
                "broken contract",
                where=f"{where}.states, {state.name}.initial",
                got=repr(state.initial.port),
                wanted="the name of a conditioning port"
                if state.initial.kind == "conditioning"
                else "one of the prologue's outputs",
            )
    for limit in (contract.chunk.max, contract.chunk.max_batched):
        if limit is not None and limit < contract.chunk.multiple:
            raise ContractError(
                "broken contract", where=f"{where}.chunk", got=limit, wanted=f"at least {contract.chunk.multiple}"
            )


def _check_prologue(contract: Contract, where: str) -> None:
    """Refuse a prologue whose inputs are not conditioning, or whose outputs are not the constants without a value."""
    prologue = contract.prologue
    valued = {port.name: port.default is not None for port in contract.with_role("constant")}
    computed = set(prologue.outputs if prologue else ())
    conditioning = {port.name for port in contract.with_role("conditioning")}
    for name in prologue.inputs if prologue else ():
        if name not in conditioning:
            raise ContractError(
                "broken contract",
                where=f"{where}.prologue.inputs",
                got=repr(name),
                wanted="names of conditioning ports",
            )
    for name in sorted(computed | valued.keys()):
        if valued.get(name) is not (name not in computed):
            raise ContractError(
                "broken contract",
                where=f"{where}, {name}",
                why="a constant has either a default or a prologue that computes it",
            )
