"""``edgeseq inspect``: what it says about a file, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeseq.cli import main
from edgeseq.cli.summary import describe, memory
from edgeseq.contract import Contract, State
from tests import handmade
from tests.golden.contracts import ATTENTION, GOLDEN, LOOKAHEAD, RECURRENT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(handmade.centred_conv_then_sum().save(tmp_path / "m.onnx"))


def test_tells_a_file(path: Path) -> None:
    result = CliRunner().invoke(main, ["inspect", str(path)])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith(str(path))
    assert lines[0].endswith(" KiB")
    assert (
        lines[2:]
        == """\
inputs     role     dtype    shape
x          frame    float32  [batch, time, 2]
remaining  control  int64    [batch]           remaining, given by the runtime

outputs  dtype    shape
y        float32  [batch, time, 2]  1 late

states   kind       dtype    shape          initial  start  bytes per stream
history  conv       float32  [batch, 2, 2]  zeros    0      16 B
total    recurrent  float32  [batch, 1, 2]  5        1      8 B

mode             exact
delay            1 frame
receptive field  unlimited
chunk            any number of frames per call
runs for         unlimited
memory           24 B of state per stream
opset            not said
onnxruntime      >=1.22
verified         no: the file holds no verification
made by          not said""".splitlines()
    )


def told(contract: Contract, path: Path) -> dict[str, str]:
    """The lines below the tables, by label."""
    facts = describe(path, contract).rpartition("\n\n")[2].splitlines()
    return {line[:17].strip(): line[17:] for line in facts}


def test_speaks_in_seconds_where_there_is_a_frame_period(path: Path) -> None:
    facts = told(LOOKAHEAD, path)
    assert facts["frame period"] == "62.5 us"
    assert facts["delay"] == "4 frames (250 us)"
    assert facts["receptive field"] == "11 frames (688 us)"
    assert facts["chunk"] == "a multiple of 2 frames (125 us) per call"
    assert facts["shortest stream"] == "2 frames (125 us)"


def test_tells_limits_memory_and_verification(path: Path) -> None:
    facts = told(ATTENTION, path)
    assert facts["runs for"] == "1,024 frames, then ContextFull"
    assert facts["chunk"] == "a multiple of 2 frames per call, at most 512, at most 2 when batched"
    assert facts["memory"] == "392 B of state per stream, 96 B per frame of capacity (96.4 KiB at 1,024 frames)"
    assert facts["verified"] == "1 check passed: concatenation"
    assert facts["made by"] == "edgeseq 0.1.0, torch 2.13.0"


def test_a_failed_check_is_loud(path: Path) -> None:
    report = {"passed": False, "checks": [{"name": "prefix", "passed": False}, {"name": "reset", "passed": True}]}
    contract = Contract(RECURRENT.ports, RECURRENT.states, verification=report)
    assert told(contract, path)["verified"] == "FAILED: prefix"


@pytest.mark.parametrize("name", GOLDEN)
def test_fits_a_terminal(name: str, path: Path) -> None:
    lines = describe(path, GOLDEN[name]).splitlines()[1:]
    assert max(map(len, lines)) <= 100
    assert all(line == line.rstrip() for line in lines)


def test_memory_by_state() -> None:
    assert memory(RECURRENT) == {"fixed": 512, "per_frame_of_capacity": 0, "at_max_context": None}
    assert memory(ATTENTION) == {"fixed": 392, "per_frame_of_capacity": 96, "at_max_context": 392 + 96 * 1024}


def test_memory_with_a_dynamic_axis_is_not_known() -> None:
    state = State("m", "m", "m.next", "recurrent", "float32", ("batch", "source"))
    assert memory(Contract(RECURRENT.ports, (state,)))["fixed"] is None


def test_json_goes_to_standard_output_alone(path: Path) -> None:
    result = CliRunner().invoke(main, ["inspect", str(path), "--json", "-"])
    document = json.loads(result.stdout)
    assert document.pop("contract") == json.loads(handmade.centred_conv_then_sum().contract.to_json())
    assert document == {
        "format": "edgeseq.inspect",
        "version": 1,
        "path": str(path),
        "bytes": path.stat().st_size,
        "state_bytes_per_stream": {"fixed": 24, "per_frame_of_capacity": 0, "at_max_context": None},
    }


def test_json_goes_to_a_file_beside_the_text(path: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["inspect", str(path), "--json", str(tmp_path / "report.json")])
    assert result.stdout.startswith(str(path))
    assert json.loads((tmp_path / "report.json").read_text())["format"] == "edgeseq.inspect"


def test_json_into_a_folder_that_is_not_there(path: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["inspect", str(path), "--json", str(tmp_path / "nowhere" / "report.json")])
    assert result.exit_code == 2
    assert "error: cannot write at " in result.stderr
    assert "No such file or directory" in result.stderr
