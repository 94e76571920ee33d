"""The contract: golden bytes, the schema, and the arithmetic of lengths."""

from __future__ import annotations

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
from tests.golden.contracts import ATTENTION, GOLDEN
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
    assert unset == set()


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
