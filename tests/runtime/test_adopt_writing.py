"""The copy of an adopted file: written whole or not at all, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import numpy.typing as npt
import onnx
import pytest

import edgeseq
from edgeseq import runtime
from edgeseq.contract import Contract
from edgeseq.errors import ContractError, EdgeseqError, UsageError, VerificationError
from edgeseq.runtime.golden import trace_of
from tests import handmade, strangers
from tests.strangers import frames, write

Array = npt.NDArray[Any]
PAIRS = {"h": "hn", "c": "cn"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.onnx"


def refused(kind: type[EdgeseqError], path: str | Path, **said: Any) -> str:
    """What the refusal says, the path left out."""
    with pytest.raises(kind) as caught:
        runtime.adopt(path, **said)
    assert type(caught.value) is kind
    return str(caught.value).replace(f" at {path}", "")


def test_a_copy_with_a_contract(path: Path, tmp_path: Path) -> None:
    whole, x = strangers.lstm(path), frames(1, 9, 4)
    before, out = path.read_bytes(), tmp_path / "out" / "adopted.onnx"
    out.parent.mkdir()
    model = runtime.adopt(path, states=PAIRS, out=out)
    assert path.read_bytes() == before
    assert sorted(item.name for item in out.parent.iterdir()) == ["adopted.golden.npz", "adopted.onnx"]
    assert model.path == str(out)
    loaded = runtime.load(out)
    assert loaded.contract == model.contract
    np.testing.assert_allclose(np.asarray(loaded.run(x)), whole(x), atol=1e-6)
    assert runtime.replay(out).passed
    onnx.checker.check_model(str(out))
    again = out.read_bytes()
    runtime.adopt(path, states=PAIRS, out=out)
    assert out.read_bytes() == again


def test_a_trace_notices_other_weights(path: Path, tmp_path: Path) -> None:
    strangers.lstm(path)
    runtime.adopt(path, states=PAIRS, out=tmp_path / "out.onnx")
    graph = onnx.load(str(tmp_path / "out.onnx"))
    for weight in graph.graph.initializer:
        if weight.name == "head.bias":
            weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) + 0.01, weight.name))
    onnx.save(graph, str(tmp_path / "out.onnx"))
    with pytest.raises(ContractError, match="was changed after verification"):
        runtime.load(tmp_path / "out.onnx")
    assert not runtime.replay(tmp_path / "out.onnx", allow_unverified=True).passed


def test_wide_outputs_make_a_short_trace(path: Path) -> None:
    graph = "wide (float[batch,time,2] x) => (float[batch,time,9000] y) { y = MatMul(x, w) }"
    write(path, graph, w=frames(2, 9000))
    runtime.adopt(path, out=(out := path.with_name("out.onnx")))
    assert trace_of(out).stat().st_size <= 256 * 1024
    assert runtime.replay(out).passed


def test_nothing_is_written_where_a_check_fails(path: Path, tmp_path: Path) -> None:
    strangers.lstm(path)
    with pytest.raises(VerificationError):
        runtime.adopt(path, states={"h": "cn", "c": "hn"}, out=tmp_path / "out.onnx")
    assert [item.name for item in tmp_path.iterdir()] == ["m.onnx"]


OUT: dict[str, tuple[str, str]] = {
    "itself": ("m.onnx", "out is the file itself"),
    "another kind": ("out.bin", "out must end in .onnx (got out.bin)"),
    "no folder": ("none/out.onnx", "no such folder"),
}


@pytest.mark.parametrize("case", OUT)
def test_where_no_copy_goes(path: Path, case: str) -> None:
    strangers.lstm(path)
    name, message = OUT[case]
    assert refused(UsageError, path, states=PAIRS, out=path.parent / name).startswith(message)


def test_weights_beside_the_file(path: Path, tmp_path: Path) -> None:
    strangers.lstm(path)
    model = onnx.load(str(path))
    onnx.save(model, str(path), save_as_external_data=True, location="m.data", size_threshold=0)
    other = tmp_path / "other"
    other.mkdir()
    assert "its weights lie beside it, in m.data" in refused(UsageError, path, states=PAIRS, out=other / "out.onnx")
    runtime.adopt(path, states=PAIRS, out=tmp_path / "out.onnx")
    assert runtime.replay(tmp_path / "out.onnx").passed


def test_a_file_with_a_contract_is_loaded_not_adopted(path: Path) -> None:
    handmade.gru().save(path)
    assert refused(UsageError, path) == "the file has a contract already. Load it with runtime.load(path)."


def test_a_damaged_file(path: Path) -> None:
    path.write_bytes(b"\x08\x01")
    with pytest.raises(EdgeseqError, match="cannot load the model"):
        runtime.adopt(path)


def test_a_sidecar_that_is_there_is_renewed(path: Path) -> None:
    strangers.lstm(path)
    out = path.with_name("out.onnx")
    shutil.copy(path, out.with_name("out.contract.json"))
    runtime.adopt(path, states=PAIRS, out=out)
    runtime.load(out)


def test_a_sidecar_where_it_is_asked_for(path: Path) -> None:
    strangers.lstm(path)
    model = runtime.adopt(path, states=PAIRS, out=path.with_name("out.onnx"), sidecar=True)
    text = path.with_name("out.contract.json").read_text(encoding="utf-8")
    schema = json.loads(Path(edgeseq.__file__).with_name("contract.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    assert Contract.from_json(text) == model.contract
