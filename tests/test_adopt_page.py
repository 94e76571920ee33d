"""What the page ``docs/adopt.md`` shows is what happens."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from edgeseq.cli import main
from tests import silero, strangers

TEXT = (Path(__file__).parent.parent / "docs" / "adopt.md").read_text(encoding="utf-8")
ADOPTED, RECIPE = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    strangers.lstm(Path("lstm.onnx"))
    np.save("frames.npy", strangers.frames(20, 4))


def test_the_commands() -> None:
    (block,) = re.findall(r"^```text\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    commands = re.split(r"^\$ edgeseq ", block, flags=re.MULTILINE)[1:]
    assert len(commands) == 4
    for number, (command, _, said) in enumerate(text.partition("\n") for text in commands):
        quick = ["--runs", "1", "--steps", "20"] if command.startswith("bench") else []
        result = CliRunner().invoke(main, [*shlex.split(command), *quick])
        assert result.exit_code == (2 if number == 0 else 0), result.output
        assert " ".join(said.split()) in " ".join(result.output.split())


def test_the_python() -> None:
    names: dict[str, Any] = {}
    exec(ADOPTED, names)
    assert names["stream"].step(np.zeros((1, 5, 4), np.float32)).shape == (1, 5, 3)
    assert sorted(item.name for item in Path().iterdir()) == ["frames.npy", "lstm.onnx"]


def test_the_recipe() -> None:
    file = silero.model_file()
    if file is None:
        pytest.skip(silero.MISSING)
    shutil.copy(file, "silero_vad.onnx")
    names: dict[str, Any] = {"samples": np.zeros((1, 512), np.float32)}
    exec(f"from edgeseq import runtime\n{RECIPE}", names)
    assert names["probability"].shape == (1, 1)


def test_every_option_is_on_the_page() -> None:
    options = {name for param in main.commands["adopt"].params for name in param.opts if name.startswith("--")}
    told = {"--state", "--initial", "--constant", "--overlap", "--axes", "--chunk", "--sample-rate", "--yes"}
    assert told <= options
    assert all(name in TEXT for name in told)
