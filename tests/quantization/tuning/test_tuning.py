"""Tuning a small file: what is tried, what is written, what is said; times are made up, but for one whole run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import edgeseq
from edgeseq import runtime
from edgeseq.contract import Machine
from edgeseq.errors import EdgeseqError, UsageError, VerificationError
from edgeseq.quantization import Config, Float16, Int4Weights, Int8Dynamic, Tuned, quantize, tune
from edgeseq.quantization.tuning import timing, trial, trying, tuning, writing
from edgeseq.quantization.tuning.candidates import FLOAT
from edgeseq.quantization.tuning.figures import Figures
from edgeseq.quantization.tuning.tuned import doubts
from edgeseq.runtime import threads
from edgeseq.runtime.golden import replay, trace_of
from edgeseq.runtime.loading import describe
from edgeseq.runtime.measuring.processes import Report
from edgeseq.runtime.measuring.samples import Raw, Samples
from edgeseq.runtime.measuring.settings import Settings
from tests import handmade

HERE = Machine("Cortex-A76", "aarch64", 2)
ROWS = Int8Dynamic(kernel="rows", one_frame=True)
BLOCKS = Int8Dynamic(kernel="blocks", one_frame=True)

#: Microseconds of a step, by what opens the file.
Times = Callable[[Settings], float]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, and three quantized forms."""
    monkeypatch.setattr(trying, "configs", lambda *_: iter((ROWS, BLOCKS, Float16())))
    for module in (trial, tuning, threads):
        monkeypatch.setattr(module, "this_machine", lambda: HERE)


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Callable[[Times], list[Settings]]:
    """Makes up what processes measure; returns the list of what they were told."""

    def make_up(of: Times) -> list[Settings]:
        asked: list[Settings] = []

        def run_once(settings: Settings) -> Report:
            asked.append(settings)
            step = round(of(settings) * 1000) + len(asked)
            samples: dict[str, Samples] = {
                "back_to_back": Raw(np.full(settings.steps, step)),
                "paced": Raw(np.full(settings.steps, step + 50_000)),
            }
            return Report({"peak_rss_bytes": 50_000_000 + step}, samples)

        monkeypatch.setattr(timing, "run_once", run_once)
        return asked

    return make_up


def is_form(number: int) -> Callable[[Settings], bool]:
    return lambda settings: settings.path.endswith(f"form{number}.onnx")


def verdicts(tuned: Tuned) -> dict[str, str]:
    return {
        f"{row['form']}, {row['threads']}{'' if row['spinning'] else ' idle'}": row["verdict"] for row in tuned.tried
    }


def test_the_best_quantized_file_is_written(
    gru: Path, tmp_path: Path, times: Callable[[Times], list[Settings]]
) -> None:
    asked = times(lambda settings: 50 if is_form(0)(settings) else 100 + settings.threads)
    out = tmp_path / "fast.onnx"
    tuned = tune(gru, out, runs=2)
    assert verdicts(tuned) == {
        "float, 1": "worse",
        "float, 2": "worse",
        "float, 2 idle": "worse",
        "int8-dynamic rows, 1 frame, 1": "won",
        "int8-dynamic blocks, 1 frame, 1": "not visible",
        "fp16, 1": "not visible",
    }
    assert tuned.sentence.startswith("int8-dynamic rows, 1 frame, 1 thread is best: p50 50.")
    assert tuned.doubts == (
        "2 processes of each: one of 5 files that equal the float one may seem better by chance (83%)",
    )
    contract = runtime.load(out).contract
    assert contract.quantization is not None
    assert contract.quantization["config"]["kernel"] == "rows"
    assert contract.session is not None
    assert (contract.session.threads, contract.session.machine, contract.session.minimized) == (1, HERE, "p50")
    assert len(contract.session.measured["p50_us"]) == len(contract.session.measured["float_p50_us"]) == 2
    assert replay(out).passed
    assert tuned.written == {
        "path": str(out),
        "bytes": describe(out).size,
        "digest": contract.digest,
        "session": {"threads": 1, "spinning": True},
    }
    row = next(row for row in tuned.tried if row["verdict"] == "won")
    assert row["config"]["kernel"] == "rows"
    assert 20 < row["sqnr_db"] < 60
    assert row["sqnr_db"] == min(contract.quantization["outputs"].values())
    assert row["memory_bytes"][0] > 50_000_000
    assert 2 < row["ratio"] < 2.1
    assert Tuned.from_json(tuned.to_json()).to_json() == tuned.to_json()
    rounds = [(Path(one.path).name, one.threads) for one in asked[-12:]]
    assert sorted(rounds[6:]) == sorted(rounds[:6]), "each candidate once a round"


def test_the_float_file_is_copied(gru: Path, tmp_path: Path, times: Callable[[Times], list[Settings]]) -> None:
    times(lambda settings: 100 if settings.path == str(gru) and settings.threads == 1 else 200)
    tuned = tune(gru, tmp_path / "m.onnx", runs=2)
    assert tuned.sentence == "the float file at one thread is already best"
    before, after = describe(gru), describe(tmp_path / "m.onnx")
    assert after.doubt is None
    assert after.file.digest == before.file.digest
    assert after.contract.session is not None
    assert replace(after.contract, session=None, seal=before.contract.seal) == before.contract


def test_more_threads_are_tried_for_quantized_files_where_float_gains_from_them(
    gru: Path, tmp_path: Path, times: Callable[[Times], list[Settings]]
) -> None:
    times(lambda settings: 100 / settings.threads + 5 * settings.spinning + 20 * (settings.path != str(gru)))
    tuned = tune(gru, tmp_path / "m.onnx", runs=2)
    assert verdicts(tuned) == {
        "float, 1": "worse",
        "float, 2": "better",
        "float, 2 idle": "won",
        "int8-dynamic rows, 1 frame, 1": "worse",
        "int8-dynamic blocks, 1 frame, 1": "worse",
        "fp16, 1": "worse",
        "int8-dynamic rows, 1 frame, 2 idle": "better",
        "int8-dynamic blocks, 1 frame, 2 idle": "better",
        "fp16, 2 idle": "better",
    }
    assert threads.session_settings(describe(tmp_path / "m.onnx").contract, "cpu") == (2, False)


def test_files_that_miss_a_limit_are_not_timed(
    gru: Path, tmp_path: Path, times: Callable[[Times], list[Settings]]
) -> None:
    asked = times(lambda settings: 100)
    tuned = tune(gru, tmp_path / "m.onnx", minimize="size", subject_to={"sqnr": 60}, runs=2)
    assert [(row["verdict"], len(row["p50_us"])) for row in tuned.tried] == [
        ("worse", 2),
        ("dropped", 0),
        ("dropped", 0),
        ("won", 2),
    ]
    assert "at least 60 dB wanted" in tuned.tried[1]["why"]
    assert len(asked) == 4
    assert {one.threads for one in asked} == {1}, "threads change no size"


def test_p99_gets_the_steps_that_it_needs(gru: Path, tmp_path: Path, times: Callable[[Times], list[Settings]]) -> None:
    asked = times(lambda settings: 100)
    tuned = tune(gru, tmp_path / "m.onnx", minimize="p99", period=0.01, runs=2, batch=3)
    assert {(one.steps, one.period_ns, one.batch) for one in asked} == {(1000, 10_000_000, 3)}
    assert all(value > 150 for value in tuned.tried[0]["p99_us"]), "from when a step was due"
    assert "is not visible on this machine in 2 processes" in tuned.sentence


def test_a_winner_that_breaks_a_law_gives_way(
    gru: Path, tmp_path: Path, times: Callable[[Times], list[Settings]], monkeypatch: pytest.MonkeyPatch
) -> None:
    times(lambda settings: 50 if is_form(0)(settings) else 60 if is_form(1)(settings) else 100)

    def refused(source: Path, config: Config, *more: Any, **given: Any) -> Any:
        if config == ROWS:
            raise VerificationError("the quantized file does not keep the laws")
        return quantize(source, config, *more, **given)

    monkeypatch.setattr(writing, "quantize", refused)
    tuned = tune(gru, tmp_path / "m.onnx", runs=2)
    assert tuned.winner["form"] == "int8-dynamic blocks, 1 frame"
    assert tuned.tried[3]["why"] == "the quantized file does not keep the laws."


def test_a_winner_that_is_too_large_when_finished_gives_way(
    gru: Path, tmp_path: Path, times: Callable[[Times], list[Settings]]
) -> None:
    """The report of every node goes into the file, too."""
    times(lambda settings: 50 if is_form(2)(settings) else 100)
    sizes = [row["size_bytes"] for row in tune(gru, tmp_path / "m.onnx", runs=2).tried]
    tuned = tune(gru, tmp_path / "m.onnx", runs=2, subject_to={"size": max(sizes[3:]) + 10})
    assert tuned.winner["kind"] == "int8-dynamic"
    assert tuned.tried[-1]["why"].startswith("the finished file misses a limit: size ")


def test_files_that_come_out_alike_are_timed_once(
    gru: Path, tmp_path: Path, times: Callable[[Times], list[Settings]], monkeypatch: pytest.MonkeyPatch
) -> None:
    times(lambda settings: 100)
    twin = replace(BLOCKS, batch=2)
    monkeypatch.setattr(trying, "configs", lambda *_: iter((BLOCKS, twin)))
    tuned = tune(gru, tmp_path / "m.onnx", runs=2)
    assert [row["why"] for row in tuned.tried][-1] == "the same file as int8-dynamic blocks, 1 frame"


def test_static_scales_need_data(
    gru: Path, tmp_path: Path, times: Callable[[Times], list[Settings]], monkeypatch: pytest.MonkeyPatch
) -> None:
    times(lambda settings: 100)
    frames = np.random.default_rng(0).standard_normal((1, 200, 24)).astype(np.float32)

    def samples() -> Iterator[dict[str, Any]]:
        yield {"x": frames}

    seen = []

    def configs(*asked: object) -> Iterator[Config]:
        seen.append(asked)
        return iter((ROWS,))

    monkeypatch.setattr(trying, "configs", configs)
    tune(gru, tmp_path / "m.onnx", runs=2, calibration=samples())
    tune(gru, tmp_path / "m.onnx", runs=2)
    assert seen == [(True, True, 1), (True, False, 1)]


class Spoken(nn.Module):
    """A recurrent layer whose frames are shifted by what is made of a speaker."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(16, 80), nn.Tanh(), nn.Linear(80, 24))
        self.gru = nn.GRU(24, 40, batch_first=True)

    def forward(self, x: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.gru(x + self.encode(speaker)[:, None])[0]
        return out


@pytest.fixture(scope="module", params=[False, True], ids=["weights inside", "weights beside"])
def spoken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a file with a prologue."""
    folder = tmp_path_factory.mktemp("spoken")
    torch.manual_seed(0)
    specs = {"x": "float32[batch,time,24]", "speaker": "float32[batch,16]"}
    edgeseq.export(Spoken(), specs, folder / "m.onnx", external_data=request.param)
    return folder


@pytest.mark.parametrize(
    ("winner", "elsewhere"),
    [("float", False), ("float", True), ("int8-dynamic", True)],
    ids=["the same folder", "another folder", "quantized"],
)
def test_what_belongs_to_the_float_file_comes_along(
    winner: str, elsewhere: bool, spoken: Path, tmp_path: Path, times: Callable[[Times], list[Settings]]
) -> None:
    best = "m.onnx" if winner == "float" else "form0.onnx"
    times(lambda settings: 100 if settings.path.endswith(best) and settings.threads == 1 else 200)
    source = tmp_path / "m.onnx"
    for item in spoken.iterdir():
        (tmp_path / item.name).write_bytes(item.read_bytes())
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    (tmp_path / "other").mkdir()
    out = tmp_path / "other" / "best.onnx" if elsewhere else None
    tuned = tune(source, out, runs=2)
    written = Path(tuned.written["path"])
    assert written == (out or tmp_path / "m.tuned.onnx")
    assert tuned.winner["kind"] == winner
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    if elsewhere:
        for name in before:
            (tmp_path / name).unlink()
    model = runtime.load(written)
    assert model.prologue is not None
    assert model.contract.prologue is not None
    assert model.contract.prologue.file == f"{written.stem}.prologue.onnx"
    assert trace_of(written).is_file()
    assert replay(written).passed


def test_another_files_weights_are_not_overwritten(tmp_path: Path, times: Callable[[Times], list[Settings]]) -> None:
    asked = times(lambda settings: 100)
    torch.manual_seed(0)
    edgeseq.export(
        nn.GRU(24, 40, batch_first=True), {"input": "float32[batch,time,24]"}, tmp_path / "m.onnx", external_data=True
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "m.onnx.data").write_bytes(b"somebody else's")
    with pytest.raises(
        UsageError, match=r"^the file's weights cannot be copied beside the new one at .*: another file"
    ):
        tune(tmp_path / "m.onnx", tmp_path / "other" / "best.onnx")
    assert [item.name for item in (tmp_path / "other").iterdir()] == ["m.onnx.data"]
    assert asked == []


#: What is asked for, and the beginning of what is said.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown objective": ({"minimize": "speed"}, "cannot minimize that"),
    "an unknown constraint": ({"subject_to": {"bytes": 10}}, "unknown constraint"),
    "a limit that nothing keeps": ({"subject_to": {"size": 100}}, "no candidate keeps the limits: the nearest are: "),
    "too few steps": (
        {"minimize": "p99", "steps": 999},
        "too few steps for what is asked for (got 999, wanted at least 1000).",
    ),
    "one run": ({"runs": 1}, "one process shows nothing of what differs between processes"),
    "no streams": ({"batch": 0}, "batch must be a whole number from 1"),
    "a period of zero": ({"period": 0}, "period must be a number of seconds above 0"),
    "empty data": ({"calibration": []}, "the calibration data are empty"),
    "data with NaN": (
        {"calibration": [{"x": np.full((1, 9, 24), np.nan, np.float32)}]},
        "calibration for x holds NaN",
    ),
    "another name": ({"out": "m.bin"}, "the file must end in .onnx"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_refused_and_nothing_written(
    case: str, gru: Path, tmp_path: Path, times: Callable[[Times], list[Settings]]
) -> None:
    asked = times(lambda settings: 100)
    given, message = REFUSED[case]
    out = tmp_path / given.get("out", "m.onnx")
    with pytest.raises(UsageError) as caught:
        tune(gru, **{"out": out, **{name: value for name, value in given.items() if name != "out"}})
    assert str(caught.value).startswith(message)
    assert list(tmp_path.iterdir()) == []
    assert asked == []


def test_the_float_file_is_not_overwritten(gru: Path) -> None:
    with pytest.raises(UsageError, match="would replace the float one"):
        tune(gru, gru)


def test_a_file_without_a_batch_axis_has_one_stream(tmp_path: Path) -> None:
    made = handmade.gru()
    ports = tuple(replace(port, shape=(1, *port.shape[1:])) for port in made.contract.ports)
    states = tuple(replace(state, shape=(1, 1, 8)) for state in made.contract.states)
    single = replace(made, graph=made.graph.replace("batch", "1")).with_contract(ports=ports, states=states)
    with pytest.raises(UsageError, match=r"^x has no batch axis \(got batch=2, wanted batch=1\)"):
        tune(single.save(tmp_path / "m.onnx"), batch=2)


def test_a_quantized_file_is_refused(gru: Path, tmp_path: Path) -> None:
    quantize(gru, Float16(), tmp_path / "q.onnx", measure=False)
    with pytest.raises(UsageError, match=r"^the file is quantized already"):
        tune(tmp_path / "q.onnx")
    assert not (tmp_path / "q.tuned.onnx").exists()


def test_a_file_with_nothing_to_quantize_keeps_its_float_form(
    tmp_path: Path, times: Callable[[Times], list[Settings]]
) -> None:
    times(lambda settings: 100)
    tuned = tune(handmade.gru().save(tmp_path / "m.onnx"), runs=2)
    assert {row["why"] for row in tuned.tried if row["verdict"] == "dropped"} == {
        "there is nothing to quantize: no node has weights of more than a thousand numbers."
    }
    assert tuned.winner["kind"] == "float"


def test_a_process_that_fails_drops_its_file_and_never_the_float_one(
    gru: Path, tmp_path: Path, times: Callable[[Times], list[Settings]]
) -> None:
    def failing(name: str) -> Times:
        def of(settings: Settings) -> float:
            if settings.path.endswith(name):
                raise edgeseq.errors.ProviderError("a measuring process failed")
            return 100

        return of

    times(failing("form1.onnx"))
    tuned = tune(gru, tmp_path / "m.onnx", runs=2)
    assert [row["form"] for row in tuned.tried if row["why"] == "a measuring process failed."] == [
        "int8-dynamic blocks, 1 frame"
    ]
    times(failing("gru.onnx"))
    with pytest.raises(EdgeseqError, match="a measuring process failed"):
        tune(gru, tmp_path / "n.onnx", runs=2)
    assert not (tmp_path / "n.onnx").exists()


def test_doubts_name_what_disturbed() -> None:
    steady = Figures(FLOAT, p50_us=(100.0,) * 5, p99_us=(499.0,) * 5)
    assert doubts([steady], 5) == ()
    assert doubts([replace(steady, p99_us=(4290.0,) * 5)], 5) == (
        "float, 1 thread: p99 is 43 times p50, what else runs on this machine may be what is measured",
    )
    assert doubts([replace(steady, p50_us=(100.0, 130.0))], 5) == (
        "float, 1 thread: the median of one process is 1.30 times that of another",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot read the result of tuning"),
        ('{"format": "edgeseq.latency"}', "this is not a result of tuning"),
        ('{"format": "edgeseq.tune", "version": 2}', "unknown version of a result of tuning (got 2, wanted 1)."),
        ('{"format": "edgeseq.tune", "version": 1}', "broken result of tuning: KeyError: 'file'."),
    ],
)
def test_results_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Tuned.from_json(text)
    assert str(caught.value).startswith(message)


#: A process in which PyTorch cannot be imported.
WITHOUT_TORCH = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "onnxscript"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
"""


def alone(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT_TORCH + code], capture_output=True, text=True, check=False)


def test_a_whole_run_without_torch(gru: Path, tmp_path: Path) -> None:
    """Real processes, a few steps each: what is written and told, not how fast it was."""
    out = tmp_path / "m.onnx"
    code = f"""
from edgeseq.quantization import tune
print(tune({str(gru)!r}, {str(out)!r}, minimize="size", subject_to={{"sqnr": 50}}, runs=2, steps=20).to_json())
assert "torch" not in sys.modules
"""
    done = alone(code)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["format"], document["version"]) == ("edgeseq.tune", 1)
    assert document["winner"]["kind"] == "fp16"
    assert document["file"]["digest"] == describe(gru).file.digest
    assert {(row["kind"], row["verdict"]) for row in document["tried"]} == {
        ("float", "worse"),
        ("int8-dynamic", "dropped"),
        ("int8-weights", "dropped"),
        ("int4-weights", "dropped"),
        ("fp16", "won"),
    }
    for row in document["tried"]:
        timed = 0 if row["verdict"] == "dropped" else 2
        assert [len(row[name]) for name in ("p50_us", "p99_us", "memory_bytes")] == [timed, 0, timed]
    assert runtime.load(out).contract.session is not None
    assert replay(out).passed


def test_the_proof_can_fail() -> None:
    assert "No module named 'torch'" in alone("import torch").stderr


def test_the_kinds_that_are_tried_are_all_there_are() -> None:
    from edgeseq.quantization.configs import KINDS
    from edgeseq.quantization.tuning.candidates import configs

    assert {config.kind for config in configs(one_frame=True, calibrated=True)} == set(KINDS)
    assert Int4Weights in {type(config) for config in configs(one_frame=False, calibrated=False)}
