from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.peers import shared
from benchmarks.peers.cases import CASES, Case
from benchmarks.peers.stepping import EngineModule, engine_module
from benchmarks.peers.worker import Walk, compare, measure

SMALL = CASES["rnn-1x128"]
SETTINGS = {"warmup": 3, "steps": 30, "paced_steps": 4, "paced_warmup": 1, "period_ns": 1_000_000}


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    """An engine takes a process of its own and sets PyTorch up for all of it; here other tests follow."""
    threads = torch.get_num_threads()
    yield
    torch.set_grad_enabled(True)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("peers") / SMALL.slug
    shared.write(SMALL, place)
    return place


@pytest.mark.parametrize("name", ["edgeseq", "session_run", "torch_eager"])
def test_engine_gives_pytorchs_answers_and_is_timed(name: str, folder: Path) -> None:
    engine = engine_module(name)
    engine.prepare(SMALL, folder)
    found = compare(engine, SMALL, folder)
    assert found["steps"] == SMALL.checked
    assert found["furthest"] < 1e-5 < found["largest"]
    report = measure(engine, SMALL, folder, SETTINGS)
    assert [len(samples) for samples in report["series"].values()] == [30, 4, 4]
    assert all(sample > 0 for samples in report["series"].values() for sample in samples)


def test_comparison_sees_wrong_answers(folder: Path, tmp_path: Path) -> None:
    for name in ("ort.onnx", "frames.npy"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    np.save(tmp_path / "answers.npy", np.load(folder / "answers.npy") + 0.5)
    assert compare(engine_module("edgeseq"), SMALL, tmp_path)["furthest"] == pytest.approx(0.5, abs=1e-4)


class Counting:
    """A stepper that notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def step(self, frame: np.ndarray) -> np.ndarray:
        self.asked.append("step")
        return frame

    def reset(self) -> None:
        self.asked.append("reset")


def test_walk_goes_back_where_a_window_ends() -> None:
    stepper, case = Counting(), Case("GPT", 6, 384, 64)
    walk = Walk(stepper, case, np.zeros((3, 1, 1), np.int64))
    parts = []
    for part in walk.parts(30):
        parts.append(part)
        for _ in range(part):
            walk.step()
    # After going back, four untimed steps come first.
    assert parts == [16, 12, 2]
    assert stepper.asked.count("reset") == 2


def test_windows_lie_around_their_positions() -> None:
    assert [(case.start, case.window, case.capacity) for case in CASES.values() if case.position is not None] == [
        (56, 16, 72),
        (496, 32, 528),
        (3968, 256, 4224),
    ]


def test_every_engine_of_the_table_has_its_module() -> None:
    from benchmarks.peers.table import ENGINES

    for name in ENGINES:
        module: EngineModule = engine_module(name)
        assert callable(module.prepare)
        assert callable(module.import_packages)
        assert callable(module.open_step)
