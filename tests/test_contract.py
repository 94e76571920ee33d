"""The contract: golden bytes, the schema, and what is said about broken ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeseq
from edgeseq.contract import Contract, Length
from edgeseq.errors import ContractError
from tests.golden.contracts import ATTENTION, GOLDEN, LOOKAHEAD
from tests.golden.make import FOLDER, golden_bytes

SCHEMA = json.loads((Path(edgeseq.__file__).parent / "contract.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

GOLDEN_NAMES = pytest.mark.parametrize("name", GOLDEN)


def golden_file(name: str) -> Path:
    return FOLDER / f"{name}.contract.json"


@GOLDEN_NAMES
def test_bytes_are_golden(name: str) -> None:
    assert golden_file(name).read_bytes() == golden_bytes(GOLDEN[name])


@GOLDEN_NAMES
def test_golden_file_reads_back(name: str) -> None:
    contract = Contract.from_json(golden_file(name).read_text(encoding="utf-8"))
    assert contract == GOLDEN[name]
    assert contract.to_json() == GOLDEN[name].to_json()


@GOLDEN_NAMES
def test_schema_accepts_golden_file(name: str) -> None:
    VALIDATOR.validate(json.loads(golden_file(name).read_text(encoding="utf-8")))


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {golden_file(name).name for name in GOLDEN}


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_golden_files_use_every_field() -> None:
    """A field that no golden contract sets would change unseen."""
    unset: set[str] = set()
    for kind in ("ports", "states"):
        documents = [item for contract in GOLDEN.values() for item in json.loads(contract.to_json())[kind]]
        for field in documents[0]:
            if len({json.dumps(item[field]) for item in documents}) < 2:
                unset.add(f"{kind}.{field}")
    assert unset == {"ports.overlap"}


@GOLDEN_NAMES
def test_unknown_fields_are_ignored(name: str) -> None:
    document = json.loads(GOLDEN[name].to_json())
    document["later"] = {"any": "thing"}
    document["ports"][0]["later"] = 1
    VALIDATOR.validate(document)
    assert Contract.from_json(json.dumps(document)) == GOLDEN[name]


def test_ports_are_found_by_name_and_role() -> None:
    assert ATTENTION.port("logits").role == "output"
    assert [port.name for port in ATTENTION.with_role("conditioning")] == ["speaker", "h0"]
    with pytest.raises(KeyError):
        ATTENTION.port("nothing")


@pytest.mark.parametrize(
    ("length", "base_frames", "frames"),
    [
        (Length(), 7, 7),
        (Length(2, 1, (0, 1)), 7, 4),
        (Length(2, 2, (0, None)), 6, 6),
        (Length(2, 2, (0, None)), 7, None),
        (Length(1, 1, (-3,)), 2, 0),
        (Length(3, 6, (1, 3, 5)), 10**12, 2 * 10**12 + 1),
    ],
)
def test_length(length: Length, base_frames: int, frames: int | None) -> None:
    assert length(base_frames) == frames


DROP = object()

#: Where in a golden contract, what is put there (DROP: nothing), what the reader says after "broken contract at ".
BROKEN: list[tuple[Contract, str, Any, str]] = [
    (ATTENTION, "format", "onnx", "contract.format (got 'onnx', wanted 'edgeseq.contract')."),
    (ATTENTION, "version", 0, "contract.version (got 0, wanted an integer from 1)."),
    (ATTENTION, "ports", {}, "contract.ports (got {}, wanted a list)."),
    (ATTENTION, "ports.0", 3, "contract.ports[0] (got 3, wanted an object)."),
    (ATTENTION, "ports.0.name", "", "contract.ports[0].name (got '', wanted a non-empty string)."),
    (
        ATTENTION,
        "ports.0.role",
        "input",
        "contract.ports[0].role (got 'input', wanted one of conditioning, constant, control, frame, output).",
    ),
    (
        ATTENTION,
        "ports.0.dtype",
        "float",
        "contract.ports[0].dtype (got 'float', wanted one of bool, float16, float32, float64, int16, int32, int64, "
        "int8, uint16, uint32, uint64, uint8).",
    ),
    (
        ATTENTION,
        "ports.0.shape",
        ["batch", -1],
        "contract.ports[0].shape (got ['batch', -1], wanted a list of sizes and axis names such as "
        '["batch", "time", 64]).',
    ),
    (
        ATTENTION,
        "ports.0.shape",
        DROP,
        'contract.ports[0].shape (got None, wanted a list of sizes and axis names such as ["batch", "time", 64]).',
    ),
    (
        ATTENTION,
        "ports.0.time_axis",
        None,
        "contract.ports[0].time_axis (got None, wanted the axis along which frames arrive).",
    ),
    (
        ATTENTION,
        "ports.0.ratio",
        "0",
        'contract.ports[0].ratio (got \'0\', wanted a positive ratio such as "1" or "3/2").',
    ),
    (ATTENTION, "ports.0.delay", True, "contract.ports[0].delay (got True, wanted an integer from 0)."),
    (ATTENTION, "ports.0.range", [0], "contract.ports[0].range (got [0], wanted two numbers or null)."),
    (
        ATTENTION,
        "ports.4.length",
        None,
        "contract.ports[4].length (got None, wanted a length exactly where the output has a time axis).",
    ),
    (
        LOOKAHEAD,
        "ports.3.length.at",
        [0, "1"],
        "contract.ports[3].length.at (got [0, '1'], wanted a list of 2 integers or nulls).",
    ),
    (LOOKAHEAD, "ports.1.control", "clock", "contract.ports[1].control (got 'clock', wanted 'remaining')."),
    (
        ATTENTION,
        "states.0.kind",
        "cache",
        "contract.states[0].kind (got 'cache', wanted one of conv, delay, kv, position, recurrent, summary).",
    ),
    (ATTENTION, "states.0.start", -1, "contract.states[0].start (got -1, wanted an integer from 0)."),
    (ATTENTION, "states.0.in_place", 1, "contract.states[0].in_place (got 1, wanted true or false)."),
    (
        ATTENTION,
        "states.0.initial.kind",
        "random",
        "contract.states[0].initial.kind (got 'random', wanted one of conditioning, data, fill, zeros).",
    ),
    (ATTENTION, "states.4.initial.index", -1, "contract.states[4].initial.index (got -1, wanted an integer from 0)."),
    (LOOKAHEAD, "states.3.initial.value", None, "contract.states[3].initial.value (got None, wanted a number)."),
    (
        LOOKAHEAD,
        "states.1.initial.shape",
        ["batch"],
        "contract.states[1].initial.shape (got ['batch'], wanted a list of sizes).",
    ),
    (ATTENTION, "chunk", DROP, "contract.chunk (got None, wanted an object)."),
    (ATTENTION, "chunk.multiple", 0, "contract.chunk.multiple (got 0, wanted an integer from 1)."),
    (ATTENTION, "max_context", 0, "contract.max_context (got 0, wanted an integer from 1)."),
    (ATTENTION, "frame_period", "8ms", "contract.frame_period (got '8ms', wanted a number or null)."),
    (ATTENTION, "mode", "exact", "contract.mode (got 'exact', wanted an object)."),
    (ATTENTION, "onnxruntime", DROP, "contract.onnxruntime (got None, wanted a non-empty string)."),
]

#: Contradictions between fields, which the schema cannot see.
CONTRADICTORY: list[tuple[Contract, str, Any, str]] = [
    (
        ATTENTION,
        "ports.0.time_axis",
        2,
        "contract.ports[0].time_axis (got 2, wanted an axis of shape ['batch', 'time']).",
    ),
    (
        LOOKAHEAD,
        "ports.3.length.at",
        [0],
        "contract.ports[3].length.at (got [0], wanted a list of 2 integers or nulls).",
    ),
    (ATTENTION, "ports.1.name", "token", "contract: names stand twice: token."),
    (ATTENTION, "states.1.name", "position", "contract: names stand twice: position."),
    (
        LOOKAHEAD,
        "states.1.start",
        3,
        "contract.states, up.history.start (got 3, wanted a multiple of chunk.multiple = 2).",
    ),
    (
        ATTENTION,
        "states.3.initial.port",
        "token",
        "contract.states, rnn.0.h.initial (got 'token', wanted the name of a conditioning port).",
    ),
    (ATTENTION, "chunk.max_batched", 1, "contract.chunk (got 1, wanted at least 2)."),
]


def broken(contract: Contract, where: str, value: Any) -> dict[str, Any]:
    """The contract's document with one place changed."""
    document: dict[str, Any] = copy.deepcopy(json.loads(contract.to_json()))
    *path, last = [int(word) if word.isdigit() else word for word in where.split(".")]
    place: Any = document
    for word in path:
        place = place[word]
    if value is DROP:
        del place[last]
    else:
        place[last] = value
    return document


def identify(case: Any) -> str:
    return "DROP" if case is DROP else str(case) if isinstance(case, str) and len(case) < 30 else ""


@pytest.mark.parametrize(("contract", "where", "value", "message"), [*BROKEN, *CONTRADICTORY], ids=identify)
def test_reader_refuses(contract: Contract, where: str, value: Any, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        Contract.from_json(json.dumps(broken(contract, where, value)))
    assert str(caught.value) == f"broken contract at {message}"


@pytest.mark.parametrize(("contract", "where", "value"), [case[:3] for case in BROKEN], ids=identify)
def test_schema_refuses_too(contract: Contract, where: str, value: Any) -> None:
    assert not VALIDATOR.is_valid(broken(contract, where, value))


def places(document: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [(*where, key) for key, _ in inner] + [path for key, item in inner for path in places(item, (*where, key))]


JSON_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**62, -(2**62), 0.5, "", "x", "1/2", "0", "zeros", "fill", "output", "control", "float32"]),
    st.lists(st.integers(-1, 3), max_size=2),
    st.just({}),
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_schema_accepts_what_the_reader_accepts(data: st.DataObject) -> None:
    """A schema stricter than the reader would refuse good files; the other way round is prose on the page."""
    document = json.loads(GOLDEN[data.draw(st.sampled_from(sorted(GOLDEN)))].to_json())
    *path, last = data.draw(st.sampled_from(places(document)))
    place: Any = document
    for key in path:
        place = place[key]
    place[last] = data.draw(JSON_VALUES)
    try:
        Contract.from_json(json.dumps(document))
    except ContractError:
        return
    assert VALIDATOR.is_valid(document)


@pytest.mark.parametrize("role", ["frame", "output"])
def test_both_ends_are_needed(role: str) -> None:
    document = json.loads(ATTENTION.to_json())
    document["ports"] = [port for port in document["ports"] if port["role"] != role]
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(ContractError, match=f"wanted at least one port with role '{role}'"):
        Contract.from_json(json.dumps(document))


def test_a_newer_version_is_refused_with_the_remedy() -> None:
    document = broken(ATTENTION, "version", 2)
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(ContractError) as caught:
        Contract.from_json(json.dumps(document), where="m.onnx")
    assert str(caught.value) == (
        "contract is newer than this edgeseq at m.onnx (got version 2, wanted version 1 or older). "
        "Update edgeseq, or export the file again with this version."
    )


@pytest.mark.parametrize("text", ["", "{", "nul", "[" * 100_000])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match=r"^cannot read the contract at m[.]onnx: it is not JSON: "):
        Contract.from_json(text, where="m.onnx")


@pytest.mark.parametrize("text", ["null", "3", "[]", '"edgeseq.contract"'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match=r"^broken contract at contract \(got .*wanted an object\)"):
        Contract.from_json(text)
