"""The container recipe for an ARM board: what can be checked of it where it cannot be built."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

from edgeseq.cli import main as edgeseq_command
from examples.arm import loop

ROOT = Path(__file__).parents[2]
ARM = ROOT / "examples" / "arm"
RECIPE = (ARM / "Containerfile").read_text(encoding="utf-8")
README = (ARM / "README.md").read_text(encoding="utf-8")
MODEL = ROOT / "edgeseq" / "demo" / "trained" / "gru.onnx"


def copied() -> list[str]:
    """The files that the recipe copies from the repository."""
    return [name for line in re.findall(r"^COPY (.*)$", RECIPE, re.M) for name in line.split()[:-1]]


def commands(text: str) -> list[list[str]]:
    """The calls of ``edgeseq`` in a text, each up to what ends it in a shell or in prose."""
    found = re.findall(r"\bedgeseq ((?:verify|bench|doctor|run|inspect|tune)\b[^&`\"\n]*)", text)
    return [shlex.split(call) for call in found]


def test_what_is_copied_exists() -> None:
    assert copied()[0] == "dist/edgeseq-*.whl"  # what `python -m build --wheel` makes
    assert "python -m build --wheel" in README
    assert [name for name in copied()[1:] if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("call", commands(RECIPE + README), ids=" ".join)
def test_commands_and_their_options_exist(call: list[str]) -> None:
    group: Any = edgeseq_command
    command = group.get_command(click.Context(group), call[0])
    assert command is not None
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert [word for word in call[1:] if word.startswith("--") and word not in options] == []


def test_recipe_and_page_call_the_command_line() -> None:
    assert {call[0] for call in commands(RECIPE)} == {"verify", "bench"}
    assert {call[0] for call in commands(README)} >= {"bench", "doctor"}


def test_recipe_ends_as_somebody_who_is_not_root() -> None:
    users = re.findall(r"^USER (.*)$", RECIPE, re.M)
    assert users == ["stream"]
    assert "useradd --uid 10001 --create-home stream" in RECIPE


def test_base_image_is_named_plainly() -> None:
    assert re.findall(r"^FROM (.*)$", RECIPE, re.M) == ["python:3.12-slim"]


def test_nothing_that_the_image_installs_is_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "[cpu]" in RECIPE
    needed = [*project["dependencies"], *project["optional-dependencies"]["cpu"]]
    assert {re.split(r"[<>=\[ ]", name)[0] for name in needed} == {"numpy", "click", "onnxruntime"}


def test_the_loop_steps_at_its_pace() -> None:
    found = loop.main(str(MODEL), period=0.005, seconds=0.05, core=None, fifo=None, lock=False)
    assert found["slots"] >= found["answers"] > 0
    assert 0 < found["p50_ms"] <= found["max_ms"]


def test_options_of_the_loop_exist() -> None:
    used = set(re.findall(r"python loop\.py [^\n]*", README + RECIPE))
    named = {option for call in used for option in re.findall(r"--\w+", call)}
    assert named >= {"--core", "--fifo", "--lock", "--period"}
    source = (ARM / "loop.py").read_text(encoding="utf-8")
    assert [option for option in named if f'add_argument("{option}"' not in source] == []
