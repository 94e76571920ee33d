"""A file is what was verified, or it is refused: digests, seals, sidecars, data files beside the model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.external_data_helper
import pytest

from edgeseq import runtime
from edgeseq.contract import METADATA_KEY
from edgeseq.errors import ContractError, ModelFileError
from edgeseq.modelfile import read_model_file, with_metadata
from edgeseq.runtime.loading import describe
from edgeseq.sealing import seal, sidecar_of
from tests import handmade


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(handmade.gru().save(tmp_path / "m.onnx"))


def change_a_weight(path: Path) -> None:
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name == "w":
            values = onnx.numpy_helper.to_array(tensor).copy()
            values.flat[0] += 1
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, "w"))
    onnx.save(model, path)


def with_external_data(path: Path, location: str = "m.onnx.data") -> None:
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location=location, size_threshold=64)
    seal(path, handmade.gru().contract)


def refusal(path: Path) -> str:
    with pytest.raises((ContractError, ModelFileError)) as caught:
        runtime.load(path)
    return str(caught.value)


def test_a_changed_weight_is_noticed_before_onnxruntime_sees_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_a_weight(path)

    def opened(*_: object) -> None:
        raise AssertionError("onnxruntime was asked")

    monkeypatch.setattr("edgeseq.runtime.providers.open_session", opened)
    assert re.fullmatch(
        rf"the file is not verified at {path}: the file was changed after verification\. Verify it against its module, "
        r"edgeseq verify m\.onnx --model MODEL, or load it with allow_unverified=True "
        r"\(--allow-unverified\)\.",
        refusal(path),
    )
    with pytest.raises(AssertionError, match="onnxruntime was asked"):
        runtime.load(path, allow_unverified=True)


def test_a_changed_file_may_be_loaded_on_request(path: Path) -> None:
    x = handmade._floats(0, 1, 3, 4)
    before = runtime.load(path).stream().step(x)
    change_a_weight(path)
    after = runtime.load(path, allow_unverified=True).stream().step(x)
    assert not np.array_equal(np.asarray(before), np.asarray(after))


def test_a_file_that_was_never_verified_is_refused(path: Path) -> None:
    contract = replace(handmade.gru().contract, digest=None)
    path.write_bytes(with_metadata(path.read_bytes(), METADATA_KEY, contract.to_json(), path))
    assert ": it was never verified. Verify" in refusal(path)


def test_metadata_of_others_leaves_the_digest_alone(path: Path) -> None:
    digest = read_model_file(path).digest
    model = onnx.load(path)
    model.metadata_props.add(key="author", value="somebody")
    model.producer_name, model.doc_string = "another tool", "words"
    onnx.save(model, path)
    assert read_model_file(path).digest == digest
    runtime.load(path)


def test_a_changed_contract_is_noticed(path: Path) -> None:
    """A delay, a start, an initial value decide the answers as much as a weight does."""
    text = read_model_file(path).metadata[METADATA_KEY]
    for old, new in (('"delay": 0', '"delay": 1'), ('"kind": "zeros"', '"kind": "fill"'), ('"seal": "', '"seal": "x')):
        path.write_bytes(with_metadata(path.read_bytes(), METADATA_KEY, text.replace(old, new, 1), path))
        with pytest.raises(ContractError):
            runtime.load(path)
    path.write_bytes(with_metadata(path.read_bytes(), METADATA_KEY, text.replace('"delay": 0', '"delay": 1', 1), path))
    assert "the contract in the file was changed after verification" in refusal(path)
    path.write_bytes(with_metadata(path.read_bytes(), METADATA_KEY, text, path))
    runtime.load(path)


def test_the_seal_follows_the_recipe_on_the_page(path: Path) -> None:
    import hashlib
    import json

    text = read_model_file(path).metadata[METADATA_KEY]
    seal = json.loads(text)["seal"]
    plain = text.replace(f'"{seal}"', "null")
    assert seal == f"sha256:{hashlib.sha256(plain.encode()).hexdigest()}"


def test_a_seal_changes_metadata_and_nothing_else(path: Path) -> None:
    before = onnx.load(path)
    seal(path, replace(handmade.gru().contract, max_context=7))
    after = onnx.load(path)
    assert describe(path).contract.max_context == 7
    assert describe(path).doubt is None
    for model in (before, after):
        del model.metadata_props[:]
    assert before.SerializeToString() == after.SerializeToString()
    assert sorted(item.name for item in path.parent.iterdir()) == ["m.onnx"]


def test_the_digest_follows_the_recipe_on_the_page(path: Path) -> None:
    """docs/contract.md: number and length, eight bytes each, and the payload, of fields 7, 8 and 25."""
    import hashlib

    model = onnx.load(path)
    digest = hashlib.sha256()
    payloads = [
        (7, model.graph),
        *((8, item) for item in model.opset_import),
        *((25, item) for item in model.functions),
    ]
    for number, message in payloads:
        payload = message.SerializeToString()
        digest.update(number.to_bytes(8, "little") + len(payload).to_bytes(8, "little") + payload)
    assert read_model_file(path).digest == f"sha256:{digest.hexdigest()}"


def test_weights_beside_the_file_count(path: Path) -> None:
    with_external_data(path)
    assert read_model_file(path).external == ("m.onnx.data",)
    runtime.load(path)
    data = path.with_name("m.onnx.data")
    content = bytearray(data.read_bytes())
    content[5] ^= 1
    data.write_bytes(content)
    assert "the file was changed after verification" in refusal(path)
    data.write_bytes(content[:-4])
    assert refusal(path).startswith(f"a file with the model's weights is cut short at {data} (got ")
    data.unlink()
    assert refusal(path) == (
        f"a file with the model's weights is missing at {path} (wanted 'm.onnx.data'). Copy it into the same folder."
    )


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/hostname", "a/../../secret", "..", "C:\\secret", "sub\\..\\x", ""]
)
def test_weights_outside_the_folder_are_refused(path: Path, location: str) -> None:
    (path.parent.parent / "secret").write_bytes(bytes(10_000))
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        onnx.external_data_helper.set_external_data(tensor, location)
        tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    assert refusal(path).startswith(f"the model names data outside its folder at {path} (got {location!r}")


def test_a_link_that_leads_outside_is_refused(path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with_external_data(path)
    data, elsewhere = path.with_name("m.onnx.data"), tmp_path_factory.mktemp("elsewhere") / "data"
    os.replace(data, elsewhere)
    data.symlink_to(elsewhere)
    assert refusal(path).startswith("the model names data outside its folder")


def test_external_data_in_a_branch_is_found(tmp_path: Path) -> None:
    """A tensor in an attribute of a node of a subgraph."""
    tensor = onnx.numpy_helper.from_array(np.ones(3, np.float32), "inner")
    onnx.external_data_helper.set_external_data(tensor, "../secret")
    tensor.ClearField("raw_data")
    constant = onnx.helper.make_node("Constant", [], ["c"], value=tensor)
    branch = onnx.helper.make_graph([constant], "branch", [], [])
    choice = onnx.helper.make_node("If", ["b"], ["y"], then_branch=branch, else_branch=branch)
    model = onnx.helper.make_model(onnx.helper.make_graph([choice], "g", [], []))
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match="outside its folder"):
        read_model_file(path)


def test_a_sidecar_is_a_copy_or_refused(path: Path) -> None:
    sidecar = sidecar_of(path)
    assert sidecar.name == "m.contract.json"
    seal(path, handmade.gru().contract, sidecar=True)
    runtime.load(path)
    seal(path, replace(handmade.gru().contract, max_context=9))
    assert '"max_context": 9' in sidecar.read_text()
    runtime.load(path)
    sidecar.write_text(sidecar.read_text().replace('"max_context": 9', '"max_context": 8'))
    assert refusal(path) == (
        f"the contract beside the model differs from the one in it at {sidecar}. "
        "Remove it, or export again with it; m.onnx itself holds its contract."
    )
    sidecar.write_text("{")
    assert refusal(path).startswith(f"cannot read the contract beside the model at {sidecar}: ")


def test_a_description_needs_no_onnxruntime(path: Path) -> None:
    program = (
        "import sys; from edgeseq.runtime.loading import describe; describe(sys.argv[1]);"
        "sys.exit('onnxruntime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == 0


def test_a_seal_follows_links_and_keeps_permissions(path: Path, tmp_path: Path) -> None:
    path.chmod(0o600)
    link = tmp_path / "link.onnx"
    link.symlink_to(path)
    seal(link, replace(handmade.gru().contract, max_context=5))
    assert link.is_symlink()
    assert describe(path).contract.max_context == 5
    assert path.stat().st_mode & 0o777 == 0o600
