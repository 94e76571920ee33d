"""The log: off unless switched on, and what it says then."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import ShapeError, UsageError
from edgeseq.runtime import engine
from edgeseq.runtime.logs import engine_severity
from tests import handmade
from tests.handmade import Handmade

Load = Callable[[Handmade], runtime.Model]

X = np.ones((1, 1, 2), np.float32)


@pytest.fixture
def _off_afterwards() -> Iterator[None]:
    yield
    runtime.log("off")


def a_life(model: runtime.Model) -> None:
    """Everything that is logged, in turn, and many steps."""
    with model.stream() as stream:
        for _ in range(300):
            stream.step(X)
        with pytest.raises(ShapeError):
            stream.step(X[0])
        stream.flush()
        stream.reset()


def said(text: str) -> list[str]:
    """What was said, without the times and the streams' numbers."""
    return [re.sub(r"stream [0-9]+", "stream N", line.split(" edgeseq.runtime ")[1]) for line in text.splitlines()]


OPENED = "stream N opened: Stream(x -> y, batch=1, delay=0, position=0, state_bytes={}, device='cpu')"
REFUSED = (
    "stream N refused step: x has the wrong number of axes (got 2 in shape [1, 2], wanted 3 in shape [1, time, 2])."
)


@pytest.mark.usefixtures("_off_afterwards")
def test_debug_tells_the_life_of_a_stream(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    model = load(handmade.attention())
    runtime.log("debug")
    a_life(model)
    assert said(capsys.readouterr().err) == [
        OPENED.format(2064),
        "caches grow from room for 256 base frames to 512",
        f"{REFUSED} Give every axis, also those of size 1, with reshape.",
        "stream N flushed: 300 frames in, {'y': 300} out",
        "stream N reset",
        "stream N closed: Stream(x -> y, batch=1, delay=0, position=0, state_bytes=4112, device='cpu')",
    ]


@pytest.mark.usefixtures("_off_afterwards")
def test_info_tells_when_it_began_and_ended(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    model = load(handmade.attention())
    runtime.log("info")
    a_life(model)
    assert [line.split()[2].rstrip(":") for line in said(capsys.readouterr().err)] == ["opened", "flushed", "closed"]


@pytest.mark.usefixtures("_off_afterwards")
def test_off_is_silent_and_the_default(
    load: Load, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    model = load(handmade.attention())
    a_life(model)
    runtime.log("debug")
    runtime.log("off")
    a_life(model)
    assert capsys.readouterr().err == ""
    assert caplog.records == []


def test_a_programs_own_handlers_get_it_by_the_loggers_name(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="edgeseq.runtime"):
        a_life(load(handmade.gru(2, 2)))
    assert [record.levelname for record in caplog.records] == ["INFO", "DEBUG", "INFO", "DEBUG", "INFO"]


@pytest.mark.usefixtures("_off_afterwards")
def test_a_level_set_twice_says_everything_once(
    load: Load, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """And the root's handlers do not say it again."""
    model = load(handmade.gru(2, 2))
    runtime.log("debug")
    runtime.log("info")
    model.stream()
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert caplog.records == []


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        runtime.log("loud")
    assert str(caught.value) == "unknown log level (got 'loud', wanted 'off' or 'info' or 'debug')."


@pytest.mark.usefixtures("_off_afterwards")
@pytest.mark.parametrize(("level", "severity"), [("off", 3), ("info", 2), ("debug", 1)])
def test_onnxruntime_is_given_a_level_too(
    level: str, severity: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    session = engine.onnxruntime().InferenceSession

    def seen(path: str, options: object, **more: object) -> object:
        given.append(options.log_severity_level)  # type: ignore[attr-defined]
        return session(path, **more)

    monkeypatch.setattr(engine.onnxruntime(), "InferenceSession", seen)
    runtime.log(level)
    runtime.load(handmade.gru().save(tmp_path / "m.onnx"))
    assert given == [engine_severity()] == [severity]


@pytest.mark.parametrize(
    ("value", "lines"),
    [(None, 0), ("", 0), ("off", 0), ("info", 1), (" DEBUG ", 1), ("loud", 1)],
    ids=str,
)
def test_the_environment_switches_it_on(value: str | None, lines: int, tmp_path: Path) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    environment = {name: text for name, text in os.environ.items() if name != "EDGESEQ_LOG"}
    if value is not None:
        environment["EDGESEQ_LOG"] = value
    code = f"from edgeseq import runtime; runtime.load({path!r}).stream()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    ours = [line for line in done.stderr.splitlines() if "onnxruntime:" not in line]
    assert len(ours) == lines
    if value == "loud":
        assert ours == ["EDGESEQ_LOG=loud is none of off, info, debug"]
    elif lines:
        assert " edgeseq.runtime stream 1 opened: Stream(x -> y, " in ours[0]
