"""The command line as a whole: help, exit codes, errors, durations, and the page made from its help."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import edgeseq
from edgeseq.cli import COMMANDS, main
from edgeseq.cli.document import page
from edgeseq.cli.durations import format_duration, parse_duration
from edgeseq.cli.tables import format_bytes, shorten, table
from edgeseq.errors import UsageError

DOCS = Path(__file__).parent.parent / "docs"


def test_page_is_current() -> None:
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == page(), "docs/cli.md is out of date: run `make docs`"


def test_version() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert (result.exit_code, result.output) == (0, f"edgeseq, version {edgeseq.__version__}\n")


def test_help_lists_commands_in_order() -> None:
    result = CliRunner().invoke(main, ["-h"])
    listed = [line.split()[0] for line in result.output.split("Commands:\n")[1].splitlines()]
    assert listed == [command.name for command in COMMANDS]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_and_option_is_explained(command: click.Command) -> None:
    assert command.help
    assert [param.name for param in command.params if isinstance(param, click.Option) and not param.help] == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_fits(command: click.Command) -> None:
    result = CliRunner().invoke(main, [command.name or "", "--help"], terminal_width=100)
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 100


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["inspect"],
        ["inspect", "--loud", "m.onnx"],
        ["export", "model.py:Model"],
        ["export", "model.py:Model", "--input", "float32", "-o", "m.onnx"],
        ["export", "m", "--input", "x=float32[batch,time]", "-o", "m.onnx", "--frame-period", "8"],
        [
            "export",
            "m",
            "--input",
            "x=float32[batch,time]",
            "-o",
            "m.onnx",
            "--frame-period",
            "8ms",
            "--sample-rate",
            "9",
        ],
        ["export", "m", "--input", "x=float32[batch,time]", "-o", "m.onnx", "--arg", "hidden"],
        ["run", "m.onnx", "x.npy"],
        ["run", "m.onnx", "x.npy", "-o", "y.npy", "--chunk", "0"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_exits_with_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "rror: " in result.stderr


def test_a_failure_is_one_line_and_exits_with_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["inspect", str(tmp_path / "m.onnx")])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == f"error: there is no file at {str(tmp_path / 'm.onnx')!r}. Check the path.\n"


def test_a_bad_spec_is_explained() -> None:
    result = CliRunner().invoke(main, ["export", "m", "--input", "x=float[batch,time]", "-o", "m.onnx"])
    assert "Invalid value for '--input': unknown dtype in 'float[batch,time]' (got 'float', wanted" in result.stderr


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10ms", 0.01),
        ("8us", 8e-6),
        ("0.5s", 0.5),
        (" 3 ms ", 0.003),
        ("62.5us", 62.5e-6),
        ("100ns", 1e-7),
        (".5s", 0.5),
    ],
)
def test_reads_a_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "ms", "0ms", "-1ms", "1e3s", "10 m", "1,5s", "infs"])
def test_refuses_other_durations(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_duration(text)
    assert str(caught.value) == (
        f"cannot read a duration (got {text!r}, wanted a number above zero and s, ms, us or ns). Example: 10ms."
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.024, "24 ms"), (2.05, "2.05 s"), (7.52e-6, "7.52 us"), (2e-9, "2 ns"), (5400, "5,400 s"), (5e-11, "0.05 ns")],
)
def test_writes_a_duration(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_a_wide_table_loses_the_middle_of_its_widest_cells() -> None:
    lines = table(["name", "size"], [["a" * 50 + "b" * 50, "1"], ["short", "2"]], width=40)
    assert lines == [
        "name                                size",
        "a" * 16 + "..." + "b" * 15 + "  1",
        "short" + 31 * " " + "2",
    ]


def test_small_texts_are_left_alone() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "ab...g"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 * 2**20, "3.0 MiB"), (2**42, "4,096.0 GiB")]
)
def test_writes_a_size(count: int, text: str) -> None:
    assert format_bytes(count) == text
