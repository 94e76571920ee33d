"""What the page ``docs/quantization.md`` shows is what happens, and its tables are whole."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgeseq.cli import main
from edgeseq.quantization import KINDS
from edgeseq.quantization.sites import LEAST
from edgeseq.quantization.targets import TARGETS

TEXT = (Path(__file__).parent.parent.parent / "docs" / "quantization.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```text\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
METRIC = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_the_commands(gru: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(gru, "m.onnx")
    (metric,) = METRIC
    Path("metrics.py").write_text(metric)
    drawn = np.random.default_rng(0)
    x = drawn.standard_normal((4, 50, 24)).astype(np.float32)
    np.savez("real.npz", x=x, labels=drawn.integers(0, 3, (4, 50)), lengths=np.array([50, 20, 50, 30]))
    commands = [line.removeprefix("$ edgeseq ") for block in BLOCKS for line in block.splitlines()]
    assert len(commands) == 6
    for command in commands:
        quick = ["--no-speed"] if command.startswith("quantize") else []
        result = CliRunner().invoke(main, [*shlex.split(command), *quick])
        assert result.exit_code == 0, f"{command}: {result.output}"
    assert "task             metrics.py:accuracy " in result.output


def rows(head: str) -> list[list[str]]:
    """The cells of the table whose first column is called so."""
    table = TEXT.split(f"| {head} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_every_kind_and_target_has_a_line() -> None:
    assert [row[0].strip("`") for row in rows("kind")] == list(KINDS)
    assert [row[0].strip("`") for row in rows("target")] == list(TARGETS)
    for name, *_, decides in rows("target")[:3]:
        assert str(TARGETS[name.strip("`")].largest) in decides
    assert f"fewer than {LEAST:,} numbers" in TEXT


def test_every_option_on_the_page_is_one() -> None:
    known = {name for command in main.commands.values() for param in command.params for name in param.opts}
    known |= {name for command in main.commands.values() for param in command.params for name in param.secondary_opts}
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT))
    assert len(told) > 10
    assert told <= known
