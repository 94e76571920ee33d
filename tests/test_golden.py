"""Golden traces: written with the model, replayed without it, never mistaken for another file's."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edgeseq import runtime
from edgeseq.cli import main
from edgeseq.errors import ContractError, EdgeseqError, ModelFileError, UsageError
from edgeseq.exporters import export, verify
from edgeseq.runtime.golden import LARGEST, read_trace, trace_of, write_trace
from edgeseq.runtime.loading import describe


class Tagger(nn.Module):
    """Frames, the last state and a mean, from frames and a speaker."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 8, batch_first=True)
        self.conv = nn.Conv1d(8, 3, 3, padding=1)

    def forward(self, x: torch.Tensor, speaker: torch.Tensor) -> Any:
        y, h = self.gru(x + speaker[:, None])
        return self.conv(y.transpose(1, 2)).transpose(1, 2), h, y.mean(1)


SPECS = {"x": "float32[batch,time,4]", "speaker": "float32[batch,4]"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("golden")
    export(Tagger(), SPECS, folder / "m.onnx")
    return folder


@pytest.fixture
def path(folder: Path, tmp_path: Path) -> Path:
    for item in folder.iterdir():
        (tmp_path / item.name).write_bytes(item.read_bytes())
    return tmp_path / "m.onnx"


def change_a_weight(path: Path) -> None:
    model = onnx.load(path)
    tensor = max(model.graph.initializer, key=lambda item: len(item.raw_data))
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * 1.01, tensor.name))
    onnx.save(model, path)


def test_a_replay_passes_and_says_where_it_ran(path: Path) -> None:
    found = runtime.replay(path)
    assert found.passed
    assert set(found.outputs) == {"output.0", "output.1", "output.2"}
    assert all(output.error <= output.allowed < 1e-5 for output in found.outputs.values())
    assert found.settings["digest"] == describe(path).contract.digest
    assert found.settings["device"] == "cpu"


def test_a_trace_holds_what_the_page_says(path: Path) -> None:
    with zipfile.ZipFile(trace_of(path)) as archive:
        assert {item.compress_type for item in archive.infolist()} == {zipfile.ZIP_STORED}
    arrays = dict(np.load(trace_of(path)))
    head = json.loads(arrays.pop("trace").tobytes())
    assert head["format"], head["version"] == ("edgeseq.golden", 1)
    assert head["digest"] == describe(path).file.digest
    assert arrays["inputs/x"].shape == (1, sum(head["chunks"]), 4)
    assert arrays["inputs/speaker"].shape == (1, 4)
    assert arrays["outputs/output.0"].shape == (1, sum(head["chunks"]), 3)
    assert arrays["outputs/output.0"].dtype == np.float32
    assert arrays["allowed/output.0"].shape == (1, sum(head["chunks"]), 1)
    assert arrays["outputs/output.1"].shape == (1, 1, 8)


def test_a_replay_sees_a_wrong_frame_and_a_wrong_summary(path: Path) -> None:
    trace = read_trace(trace_of(path))
    for name, place in (("output.0", (0, 40, 1)), ("output.2", (0, 5))):
        values = trace.outputs[name].copy()
        values[place] += 1e-4
        write_trace(trace_of(path), replace(trace, outputs={**trace.outputs, name: values}))
        found = runtime.replay(path)
        assert not found.passed
        assert {name: output.place for name, output in found.outputs.items() if output.place} == {name: place}


def test_a_trace_of_another_file_is_refused(path: Path) -> None:
    trace = read_trace(trace_of(path))
    write_trace(trace_of(path), replace(trace, digest="sha256:" + "0" * 64))
    with pytest.raises(
        ContractError, match=r"^the golden trace belongs to another file at .*m\.golden\.npz \(got sha256:0"
    ):
        runtime.replay(path)
    assert runtime.replay(path, allow_unverified=True).passed


def test_a_changed_file_is_refused_or_measured(path: Path) -> None:
    change_a_weight(path)
    with pytest.raises(ContractError, match="the file was changed after verification"):
        runtime.replay(path)
    assert not runtime.replay(path, allow_unverified=True).passed


def test_a_changed_file_that_still_holds_the_laws_gets_a_new_seal_and_trace(folder: Path, path: Path) -> None:
    torch.manual_seed(0)
    model = Tagger()
    change_a_weight(path)
    before = describe(path)
    assert before.doubt == "the file was changed after verification"
    assert not verify(path, model).passed
    assert describe(path).doubt is not None
    # The same weights in another order of bytes: the graph renamed, which changes no answer.
    path.write_bytes((folder / "m.onnx").read_bytes())
    changed = onnx.load(path)
    changed.graph.name = "renamed"
    onnx.save(changed, path)
    with pytest.raises(ContractError, match="changed after verification"):
        runtime.load(path)
    found = verify(path, model)
    assert found.passed
    renewed = describe(path)
    assert renewed.doubt is None
    assert renewed.contract.verification is not None
    assert renewed.contract.verification["digest"] == renewed.file.digest == found.digest
    assert runtime.replay(path).passed


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:100],
        lambda data: b"",
        lambda data: b"no zip at all",
        lambda data: data.replace(b'"version": 1', b'"version": 2'),
        lambda data: data.replace(b"inputs/x", b"things/x"),
        lambda data: data.replace(b"outputs/output.1", b"outputs/output.9"),
    ],
)
def test_a_spoilt_trace_is_an_error_of_ours(path: Path, spoil: Any) -> None:
    trace_of(path).write_bytes(spoil(trace_of(path).read_bytes()))
    with pytest.raises(EdgeseqError):
        runtime.replay(path)


def test_a_missing_trace_says_what_to_do(path: Path) -> None:
    trace_of(path).unlink()
    with pytest.raises(ModelFileError) as caught:
        runtime.replay(path)
    assert str(caught.value) == (
        f"there is no golden trace at {trace_of(path)}. Copy it beside the model, or verify against the module, a "
        "quantized file against its float file."
    )


def test_no_trace_on_request_and_a_sidecar_on_request(tmp_path: Path) -> None:
    export(nn.GRU(2, 2, batch_first=True), {"input": "float32[batch,time,2]"}, tmp_path / "m.onnx", golden=False)
    assert [item.name for item in tmp_path.iterdir()] == ["m.onnx"]
    for _ in range(2):
        torch.manual_seed(0)
        export(nn.GRU(2, 2, batch_first=True), {"input": "float32[batch,time,2]"}, tmp_path / "m.onnx", sidecar=True)
        assert (
            json.loads((tmp_path / "m.contract.json").read_text())["digest"]
            == describe(tmp_path / "m.onnx").file.digest
        )


def test_weights_in_a_file_of_their_own(tmp_path: Path) -> None:
    exported = export(
        nn.GRU(16, 64, batch_first=True), {"input": "float32[batch,time,16]"}, tmp_path / "m.onnx", external_data=True
    )
    names = ["m.golden.npz", "m.onnx", "m.onnx.data"]
    assert sorted(item.name for item in tmp_path.iterdir()) == names
    assert (tmp_path / "m.onnx.data").stat().st_size > 4 * 64 * 3 * 64
    assert runtime.replay(exported.path).passed


class Words(nn.Module):
    """A vocabulary whose logits are far too wide for a trace."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.table = nn.Embedding(words, 4)
        self.gru = nn.GRU(4, 4, batch_first=True)
        self.head = nn.Linear(4, words)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.gru(self.table(ids))[0])
        return logits


def test_wide_outputs_are_thinned(tmp_path: Path) -> None:
    exported = export(Words(5000), {"ids": "int64[batch,time]"}, tmp_path / "m.onnx")
    trace = read_trace(trace_of(exported.path))
    assert trace.every == {"output": (2, 20)}
    assert trace.outputs["output"].shape == (1, 61, 250)
    assert trace_of(exported.path).stat().st_size <= LARGEST
    assert runtime.replay(exported.path).passed


def test_no_trace_where_even_the_shortest_is_too_large(tmp_path: Path) -> None:
    exported = export(nn.Linear(70_000, 1), {"input": "float32[batch,time,70000]"}, tmp_path / "m.onnx")
    assert exported.golden is None
    assert [item.name for item in tmp_path.iterdir()] == ["m.onnx"]


def test_a_trace_keeps_to_its_size_by_being_shorter(tmp_path: Path) -> None:
    exported = export(nn.GRU(2000, 4, batch_first=True), {"input": "float32[batch,time,2000]"}, tmp_path / "m.onnx")
    assert trace_of(exported.path).stat().st_size <= LARGEST
    assert runtime.replay(exported.path).frames == 30


def test_two_exports_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    (tmp_path / "again").mkdir()
    export(Tagger(), SPECS, tmp_path / "again" / "m.onnx")
    for name in ("m.onnx", "m.golden.npz"):
        assert (tmp_path / "again" / name).read_bytes() == path.with_name(name).read_bytes()


def test_a_replay_needs_neither_torch_nor_onnx(path: Path) -> None:
    program = (
        "import sys; from edgeseq import runtime; assert runtime.replay(sys.argv[1]).passed;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'onnx', 'click')))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == 0


def run(*words: str) -> tuple[int, str]:
    from click.testing import CliRunner

    result = CliRunner().invoke(main, words)
    return result.exit_code, result.output


def test_the_command_line_replays_without_a_module(path: Path) -> None:
    code, text = run("verify", str(path))
    assert code == 0
    assert "golden trace of 61 frames on cpu, onnxruntime " in text
    assert "output.0  passed" in text
    code, text = run("verify", str(path), "--json", "-")
    assert json.loads(text)["replay"]["outputs"]["output.0"]["place"] is None
    change_a_weight(path)
    code, text = run("verify", str(path))
    assert code == 1
    assert "the file was changed after verification" in text
    code, text = run("verify", str(path), "--allow-unverified")
    assert code == 1
    assert "FAILED" in text
    code, text = run("verify", str(path), "--atol", "1")
    assert code == 2
    assert "--atol is for a check against the module. Name the module with --model." in text
    code, text = run("inspect", str(path))
    assert code == 0
    assert "verified         unverified: the file was changed after verification" in text


def test_run_and_bench_take_a_changed_file_on_request(path: Path, tmp_path: Path) -> None:
    change_a_weight(path)
    np.save(tmp_path / "x.npy", np.zeros((5, 4), np.float32))
    np.save(tmp_path / "s.npy", np.zeros((1, 4), np.float32))
    ran = ["run", str(path), "--input", f"x={tmp_path / 'x.npy'}", "--input", f"speaker={tmp_path / 's.npy'}"]
    ran += ["-o", str(tmp_path / "y.npz")]
    benched = ["bench", str(path), "--runs", "1", "--steps", "20", "--warmup", "0", "--json", str(tmp_path / "b.json")]
    for words in (ran, benched):
        code, text = run(*words)
        assert code == 1
        assert "the file was changed after verification" in text
        code, text = run(*words, "--allow-unverified")
        assert code == 0, text
    digest = json.loads((tmp_path / "b.json").read_text())["subjects"][0]["latency"]["file"]["digest"]
    assert digest == describe(path).file.digest != describe(path).contract.digest


def test_a_provider_is_asked_for_by_name(path: Path) -> None:
    found = runtime.replay(path, provider="CPUExecutionProvider")
    assert found.passed
    assert found.settings["device"] == "cpu, CPUExecutionProvider"
    code, text = run("verify", str(path), "--provider", "NoSuchProvider")
    assert code == 1
    assert "provider 'NoSuchProvider' is not available (got " in text


def test_options_of_a_replay_are_not_for_a_check_against_the_module(path: Path) -> None:
    code, text = run("verify", str(path), "--model", "net.py:Net", "--device", "cpu")
    assert code == 2
    assert "--device is for the replay of a golden trace: against the module a file is checked on the CPU" in text


def test_what_an_earlier_export_left_beside_the_file_goes_with_it(tmp_path: Path) -> None:
    def names(**wishes: Any) -> list[str]:
        export(nn.GRU(16, 64, batch_first=True), {"input": "float32[batch,time,16]"}, tmp_path / "m.onnx", **wishes)
        return sorted(item.name for item in tmp_path.iterdir())

    (tmp_path / "mine.txt").touch()
    assert names(external_data=True) == ["m.golden.npz", "m.onnx", "m.onnx.data", "mine.txt"]
    assert names() == ["m.golden.npz", "m.onnx", "mine.txt"]
    assert names(golden=False) == ["m.onnx", "mine.txt"]


def test_a_folder_is_not_a_file_to_write(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").mkdir()
    with pytest.raises(UsageError, match="the file to write is a folder"):
        export(nn.Linear(2, 2), {"input": "float32[batch,time,2]"}, tmp_path / "m.onnx")
    assert [item.name for item in tmp_path.iterdir()] == ["m.onnx"]


def test_a_replay_names_the_file_that_ran(path: Path) -> None:
    change_a_weight(path)
    found = runtime.replay(path, allow_unverified=True)
    assert found.settings["digest"] == describe(path).file.digest != describe(path).contract.digest
