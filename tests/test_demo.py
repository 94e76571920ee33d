"""The demo: its parts one by one, and ``--train`` with too little of everything."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import edgeseq
from edgeseq.cli.demo import _draw
from edgeseq.demo import data, models, play, report, scoring, timing, training, writing
from edgeseq.demo.settings import LAST_STEP, POSITIONS, QUICK, Settings
from edgeseq.errors import EdgeseqError

ROOT = Path(__file__).parent.parent


def demo(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """``edgeseq demo`` in a process of its own, after some other code."""
    command = [sys.executable, "-c", f"{before}\nfrom edgeseq.cli import main; main()", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a quick demo has left its files, and what it printed."""
    out = tmp_path_factory.mktemp("demo")
    done = demo("--train", "--quick", "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    (out / "printed.txt").write_text(done.stdout, encoding="utf-8")
    return out


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
    return document


def test_the_demo_leaves_its_files(folder: Path) -> None:
    files = {"gru.onnx", "gru.golden.npz", "gpt.onnx", "gpt.golden.npz", "latency.png", "demo.json", "printed.txt"}
    assert {file.name for file in folder.iterdir()} == files
    assert (folder / "latency.png").read_bytes().startswith(b"\x89PNG")


def test_the_report_says_what_made_it(found: dict[str, Any]) -> None:
    assert (found["format"], found["version"]) == ("edgeseq.demo", 2)
    assert {"torch", "onnx", "onnxruntime", "edgeseq", "numpy", "python"} == set(found["versions"])
    assert found["machine"]["usable_cores"] >= 1
    assert Settings(**found["settings"]) == QUICK


def test_both_models_are_verified_and_of_one_size(found: dict[str, Any]) -> None:
    gru, gpt = found["models"].values()
    assert all(model["verification"]["passed"] for model in (gru, gpt))
    assert gru["parameters"] == pytest.approx(gpt["parameters"], rel=0.01)
    for model in (gru, gpt):
        assert model["replay"]["passed"]
        assert model["replay"]["settings"]["digest"] == model["digest"]


def test_the_streams_ran_without_torch(found: dict[str, Any]) -> None:
    assert found["absent_modules"] == ["torch", "onnx", "onnxscript"]


def test_every_model_writes_its_line_and_is_scored(found: dict[str, Any]) -> None:
    for model in found["models"].values():
        assert model["line"].startswith(QUICK.prompt)
        assert len(model["line"]) == QUICK.line
        assert model["scored_characters"] == QUICK.scored
        assert 1 < model["bits_per_character"] < 8


def test_every_position_has_its_figures(found: dict[str, Any]) -> None:
    for model in found["models"].values():
        assert list(model["at"]) == list(model["state_bytes"]) == [str(step) for step in POSITIONS]
        assert all(point["p50_ns"] > 0 for point in model["at"].values())
        assert [point["step"] for point in model["curve"]][:: len(model["curve"]) - 1] == [3, 1000]


def test_memory_grows_where_the_model_remembers_every_frame(found: dict[str, Any]) -> None:
    gru, gpt = (list(model["state_bytes"].values()) for model in found["models"].values())
    assert len(set(gru)) == 1
    assert gpt == sorted(gpt)
    assert gpt[-1] > gpt[0]


def test_what_is_printed(folder: Path, found: dict[str, Any]) -> None:
    printed = (folder / "printed.txt").read_text(encoding="utf-8")
    assert "gru.onnx verified: concatenation" in printed
    assert "gru.onnx passes its golden trace: off by " in printed
    assert "p50 of step 1,000" in printed
    assert "* timing only: beyond the 128 characters that the GPT was trained on" in printed
    assert found["conclusion"] in printed.replace("\n", " ")
    assert report.describe(found) in printed


def test_without_torch_there_is_one_line(tmp_path: Path) -> None:
    without = "import sys; sys.modules['torch'] = None"
    done = demo("--train", "--quick", "--out", str(tmp_path / "new"), before=without)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: training and exporting two models needs PyTorch and onnx: torch is not installed. "
        "Install them with: pip install 'edgeseq[export]'; without --train the demo needs neither.\n"
    )
    assert not (tmp_path / "new").exists()


def test_without_matplotlib_there_is_no_picture_and_a_word(
    found: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert _draw(found, tmp_path / "latency.png") == []
    assert capsys.readouterr().err == "for the picture: pip install 'edgeseq[bench]'\n"


def test_playing_loads_no_torch() -> None:
    code = "import sys, edgeseq.demo.run; print(sorted({'torch', 'onnx', 'click'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_playing_notices_torch() -> None:
    with pytest.raises(EdgeseqError, match=r"^the streaming process is not free of PyTorch \(got torch"):
        play.check_absent()


def test_playing_says_in_one_line_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = {"files": {"gru": str(tmp_path / "none.onnx")}, "contexts": {"gru": None}, "settings": {}}
    assert play.main([json.dumps(job), str(tmp_path / "out.json")]) == 1
    assert capsys.readouterr().err.startswith("there is no file at ")


def test_paragraphs_come_once_in_printable_characters() -> None:
    sections = {"b": "One  two\nthree.\n\n\u2013 end", "a": "First.\n \nOne two three."}
    assert list(data.paragraphs(sections)) == ["First.", "One two three.", "end"]


def test_tokens_are_characters() -> None:
    assert data.decode(data.encode(data.CHARACTERS)) == data.CHARACTERS
    assert data.decode(data.encode("a\u00e9b")) == "a b"


def test_the_corpus_is_split_without_copies() -> None:
    corpus = data.corpus()
    assert len(corpus.validation) == pytest.approx(len(corpus.train) / 9, abs=1)
    train, held_out = data.decode(corpus.train), data.decode(corpus.validation)
    assert np.mean([held_out[start : start + 50] in train for start in range(0, len(held_out) - 50, 500)]) < 0.05


@pytest.mark.parametrize(
    ("topics", "why"),
    [
        (None, "pydoc_data.topics.topics is no mapping from names to text"),
        ({"a": 1}, "pydoc_data.topics.topics is no mapping from names to text"),
        ({"a": "short"}, "pydoc_data.topics holds 5 characters only"),
    ],
    ids=["nothing", "no text", "too little"],
)
def test_a_python_with_other_topics_is_refused(topics: object, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType(data.SOURCE)
    module.topics = topics
    monkeypatch.setitem(sys.modules, data.SOURCE, module)
    with pytest.raises(EdgeseqError, match="there is no text to train on") as error:
        data.corpus()
    assert why in str(error.value)


def test_a_python_without_topics_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, data.SOURCE, None)
    with pytest.raises(EdgeseqError, match="whole standard library"):
        data.corpus()


def test_the_same_settings_train_the_same_model() -> None:
    tokens, reports = data.encode("abcdefgh" * 40), list[int]()
    settings, threads = Settings(steps=3, batch=2, context=16), torch.get_num_threads()
    one, other = (
        training.train(lambda: models.CharGRU(4, 8), tokens, settings, 1e-2, lambda step, _: reports.append(step))
        for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert reports == [1, 2, 3] * 2
    assert torch.get_num_threads() == threads
    changed = training.train(
        lambda: models.CharGRU(4, 8), tokens, replace(settings, seed=1), 1e-2, lambda step, loss: None
    )
    assert not torch.equal(next(one.parameters()), next(changed.parameters()))


def test_the_learning_rate_rises_and_falls() -> None:
    shares = [training.warm_up_and_decay(step, 100) for step in range(101)]
    assert shares[0] == pytest.approx(0.1)
    assert max(shares) == shares[10] == 1
    assert shares[100] == pytest.approx(0)


@pytest.mark.parametrize(("length", "context"), [(1, 8), (8, 8), (9, 8), (50, 8), (50, None)])
def test_windows_predict_every_character_once(length: int, context: int | None) -> None:
    predicted: list[int] = []
    for start, skip, end in scoring.windows(length, context):
        assert end - start <= (context or length)
        assert start == 0 or skip >= (context or 0) // 2
        predicted += range(start + skip, end)
    assert predicted == list(range(length))


def test_bits_of_an_even_guess() -> None:
    assert scoring.bits(np.zeros((3, 95), np.float32), np.array([0, 5, 94])) == pytest.approx(3 * math.log2(95))


@pytest.mark.parametrize(
    ("model", "context"),
    [(models.CharGRU(8, 16), None), (models.CharGPT(width=16, heads=2, layers=1), 32)],
    ids=["gru", "gpt"],
)
def test_a_stream_scores_and_writes_what_the_module_says(
    model: torch.nn.Module, context: int | None, tmp_path: Path
) -> None:
    edgeseq.export(model, {"tokens": "int64[batch,time]"}, tmp_path / "m.onnx")
    stream = edgeseq.load(tmp_path / "m.onnx").stream()
    tokens = data.corpus().validation[:101]
    expected = 0.0
    with torch.no_grad():
        for start, skip, end in scoring.windows(100, context):
            logits = model(torch.from_numpy(tokens[None, start:end]))[0, skip:]
            targets = torch.from_numpy(tokens[start + skip + 1 : end + 1])
            expected += float(F.cross_entropy(logits, targets, reduction="sum")) / math.log(2)
    assert scoring.bits_per_character(stream, tokens, context) == pytest.approx(expected / 100, rel=1e-5)
    lines = [writing.write(stream, Settings(prompt="Ab ", line=20)) for _ in range(2)]
    assert lines[0] == lines[1]
    assert (lines[0][:3], len(lines[0])) == ("Ab ", 20)


def test_a_cold_draw_takes_the_likeliest() -> None:
    logits = np.array([0.0, 3.0, 2.9], np.float32)
    assert {writing.draw(logits, 1e-3, np.random.default_rng(seed)) for seed in range(20)} == {1}
    assert {writing.draw(logits, 1.0, np.random.default_rng(seed)) for seed in range(60)} == {0, 1, 2}


def test_figures_are_those_of_the_steps_around() -> None:
    samples = np.tile(np.arange(1, 1101), (40, 1))
    assert timing.around(samples, 10) == {"step": 10, "p10_ns": 9, "p50_ns": 10, "p90_ns": 11, "samples": 120}
    assert timing.around(samples, 1000)["p50_ns"] == 1000
    assert timing.around(samples, 3)["samples"] == 120


def test_too_few_samples_give_no_quantile() -> None:
    summary = timing.summary(np.arange(99))
    assert (summary["p10_ns"], summary["p50_ns"], summary["p90_ns"]) == (None, 49, None)
    assert timing.summary(np.arange(19))["p50_ns"] is None


def test_the_quick_demo_has_samples_enough_for_its_medians() -> None:
    samples = np.ones((QUICK.passes, LAST_STEP), np.int64)
    assert all(point["p50_ns"] == 1 for point in timing.curve(samples, POSITIONS[-1]))


def test_drift_is_of_one_half_against_the_other() -> None:
    assert timing.drift(np.array([[1, 1], [1, 1], [3, 3], [3, 3]])) == 3


def test_a_line_lies_within_the_trained_context() -> None:
    assert Settings().line <= Settings().context


def test_positions_are_sines_and_cosines() -> None:
    frequencies, phases = models.waves(4)
    places = torch.arange(3)[:, None]
    angles = torch.tensor([[0.0, 0.0], [1.0, 0.01], [2.0, 0.02]])
    torch.testing.assert_close(torch.sin(places * frequencies + phases), torch.cat([angles.sin(), angles.cos()], dim=1))


def model(title: str, bits: float, before: float, after: float, size: int, drift: float = 1.0) -> Mapping[str, Any]:
    at = {str(step): {"p50_ns": value * 1e3} for step, value in ((10, before), (1000, after))}
    return {"title": title, "bits_per_character": bits, "at": at, "state_bytes": {"1000": size}, "drift": drift}


@pytest.mark.parametrize(
    ("one", "other", "sentence"),
    [
        (
            model("A", 2.5, 10, 10, 1000),
            model("B", 2.0, 20, 50, 500_000),
            "The B predicts the held-out text better (2.00 against 2.50 bits per character). From step 10 to step "
            "1,000 a step of the A stays the same and a step of the B takes 2.5 times as long: at the end "
            "the A is 5.0 times as fast as the B, and the B holds 500 times the memory per stream.",
        ),
        (
            model("A", 2.0, 20, 10, 64),
            model("B", 2.01, 10, 10, 64),
            "Both predict equally well (2.00 against 2.01 bits per character). From step 10 to step 1,000 a step of "
            "the A takes 0.5 times as long and a step of the B stays the same: at the end both are equally "
            "fast, and both hold as much memory.",
        ),
    ],
    ids=["differ", "equal"],
)
def test_the_conclusion_follows_from_the_numbers(one: Any, other: Any, sentence: str) -> None:
    assert report.conclusion({"models": {"a": one, "b": other}}) == sentence


def test_a_busy_machine_is_a_doubt() -> None:
    steady, shaken = model("A", 1, 1, 1, 1, drift=1.2), model("B", 1, 1, 1, 1, drift=1.3)
    assert report.doubts({"models": {"a": steady, "b": shaken}}) == [
        "half of the passes of the B took 1.30 times as long as the rest"
    ]
