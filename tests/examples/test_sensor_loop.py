"""The sensor loop answers every reading, and where nothing is lost as the whole recording does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeseq import runtime
from examples import motion, sensor_loop


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("motion")
    motion.main(str(made), steps=3)
    return made


def test_gaps_are_filled_and_answers_stay_in_time(folder: Path) -> None:
    model, (readings, _) = runtime.load(folder / "motion.onnx"), sensor_loop.motion(2, seed=0)
    lost = np.isin(np.arange(200), [5, 6, 7, 120, 198, 199])
    held = readings[np.maximum.accumulate(np.where(lost, 0, np.arange(200)))]
    packets = list(sensor_loop.received(readings, lost))
    packets[50:50] = packets[40:43]  # they come twice
    got = sensor_loop.followed(model.stream(on_missing="hold"), packets, 200)
    np.testing.assert_allclose(got, np.asarray(model.run(held[None]))[0], rtol=1e-4, atol=1e-5)
    whole = np.asarray(model.run(readings[None]))[0]
    np.testing.assert_allclose(got[:5], whole[:5], rtol=1e-4, atol=1e-5)
    assert np.abs(got[5:8] - whole[5:8]).max() > 1e-2


def test_the_loop_says_what_was_lost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sensor_loop.main(str(folder / "motion.onnx"), seconds=10)
    assert "1000 readings, 35 lost in 7 gaps; 1000 answers\n" in capsys.readouterr().out
