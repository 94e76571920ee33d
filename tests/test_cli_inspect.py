"""``edgeseq inspect``: what it says about a file, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from click.testing import CliRunner

from edgeseq.cli import main
from edgeseq.cli.limits import check_limits
from edgeseq.cli.summary import describe, memory, seconds
from edgeseq.contract import METADATA_KEY, Contract, State
from edgeseq.modelfile import read_model_file, with_metadata
from edgeseq.sealing import seal
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
held in memory   48 B by edgeseq's runtime: what is not updated in place has two copies
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
    assert facts["frame period"] == "62.5 us (16,000 Hz)"
    assert facts["delay"] == "4 frames (250 us)"
    assert facts["receptive field"] == "11 frames (688 us)"
    assert facts["chunk"] == "a multiple of 2 frames (125 us) per call"
    assert facts["shortest stream"] == "2 frames (125 us)"


def test_an_end_in_seconds(path: Path) -> None:
    facts = told(replace(ATTENTION, frame_period=0.002), path)
    assert facts["runs for"] == "1,024 frames (2.05 s), then ContextFull"
    assert facts["frame period"] == "2 ms (500 Hz)"
    assert told(LOOKAHEAD, path)["runs for"] == "unlimited"


def test_json_in_seconds() -> None:
    contract = replace(ATTENTION, frame_period=0.5, delay=3, receptive_field=None)
    expected = {
        "frame_period": 0.5,
        "delay": 1.5,
        "receptive_field": None,
        "shortest_stream": 0.5 * contract.min_frames,
        "runs_for": 512.0,
    }
    assert seconds(contract) == expected
    assert seconds(ATTENTION) is None


def test_tells_limits_memory_and_verification(path: Path) -> None:
    facts = told(ATTENTION, path)
    assert facts["runs for"] == "1,024 frames, then ContextFull"
    assert facts["chunk"] == "a multiple of 2 frames per call, at most 512, at most 2 when batched"
    assert facts["memory"] == "392 B of state per stream, 96 B per frame of capacity (96.4 KiB at 1,024 frames)"
    assert facts["verified"] == "1 check passed: concatenation"
    assert facts["made by"] == "edgeseq 0.1.0, torch 2.13.0"


def test_tells_what_a_file_was_tuned_to(tmp_path: Path) -> None:
    made = handmade.gru().with_contract(session=GOLDEN["attention"].session)
    result = CliRunner().invoke(main, ["inspect", made.save(tmp_path / "m.onnx")])
    assert "session          2 threads, which do not spin, on Cortex-A76 (aarch64, 4 cores): least p99" in result.output


def test_a_failed_check_is_loud(path: Path) -> None:
    report = {"passed": False, "checks": [{"name": "prefix", "passed": False}, {"name": "reset", "passed": True}]}
    contract = Contract(RECURRENT.ports, RECURRENT.states, verification=report)
    assert told(contract, path)["verified"] == "FAILED: prefix"


def test_tells_of_quantization(path: Path) -> None:
    facts = told(ATTENTION, path)
    assert facts["mode"] == "exact; quantized"
    assert facts["quantization"] == "int8-dynamic, for x86-vnni, of the float file sha256:111111111111"
    assert facts["size"] == "20.5 KiB; in float 68.4 KiB"
    assert facts["error"] == "signal to noise on random inputs: logits 38.5 dB"
    assert facts["over steps"] == "the error stays what it is: 38.5 dB up to 10, 38.2 dB up to 100 steps"
    assert facts["speed"].startswith("2 times as fast: 6.38 us a step, in float 12.8 us (median of 2 processes each,")
    assert facts["task"] == "metrics:accuracy 0.74, in float 0.75: 1.33 % lost"
    text = describe(path, ATTENTION)
    assert "blocks.0.attention.in  linear  int8 (blocks, groups of 128)  12.0 KiB  3.1 KiB  41.2 dB\n" in text
    assert "conv           Conv  4.0 KiB  it is slower in integers\n" in text


#: What a report may hold that nobody made: each of the kind that it must be.
HOSTILE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "empty lists": {"nodes": [], "left": [], "outputs": {}},
    "long names": {"nodes": [{"name": "0a" * 500, "kind": "k" * 1024, "scheme": "s" * 1024}] * 3},
    "numbers": {"nodes": [{"name": "9" * 1000, "kind": "0", "scheme": "1", "snr_db": 2**999, "alone_snr_db": -1e308}]},
    "sizes": {"file_bytes_before": 2**62 - 1, "file_bytes_after": 0, "outputs": {"y": 1e308, "z": None, "": 0}},
    "a run of nothing": {"long_run": {"verdict": "unheard of", "windows": []}},
    "a run": {"long_run": {"steps": 0, "verdict": "steady", "windows": [[2**61, 0, None], [0, 2**61, 2**999]]}},
    "speed": {"speed": {"float_us": [2**999, 0], "quantized_us": [1e308, 1e308], "ratio": 2**999, "verdict": "faster"}},
    "no speed": {"speed": {"float_us": [0], "quantized_us": [0], "ratio": 0, "verdict": "x"}, "speed_note": "n"},
    "task": {"task": {"metric": "m", "float": 2**999, "quantized": -1e308, "lost": 1e308}},
}


@pytest.mark.parametrize("report", HOSTILE.values(), ids=HOSTILE)
def test_tells_of_quantization_that_nobody_made(report: dict[str, Any], path: Path) -> None:
    contract = Contract.from_json(replace(RECURRENT, quantization=report).to_json())
    assert contract.quantization == report
    assert "\nquantization     of no kind that it says\n" in describe(path, contract)


@pytest.mark.parametrize("name", GOLDEN)
def test_fits_a_terminal(name: str, path: Path) -> None:
    lines = describe(path, GOLDEN[name]).splitlines()[1:]
    assert max(map(len, lines)) <= 100
    assert all(line == line.rstrip() for line in lines)


def test_memory_by_state() -> None:
    assert memory(RECURRENT) == {"fixed": 512, "per_frame_of_capacity": 0, "at_max_context": None, "held": 1024}
    held = memory(ATTENTION).pop("held")
    assert held is not None
    assert held > 392 + 96 * 1024
    full = {"fixed": 392, "per_frame_of_capacity": 96, "at_max_context": 392 + 96 * 1024}
    assert memory(ATTENTION) == {**full, "held": held}


def test_memory_with_a_dynamic_axis_is_not_known() -> None:
    state = State("m", "m", "m.next", "recurrent", "float32", ("batch", "source"))
    found = memory(Contract(RECURRENT.ports, (state,)))
    assert (found["fixed"], found["held"]) == (None, None)


def test_json_goes_to_standard_output_alone(path: Path) -> None:
    result = CliRunner().invoke(main, ["inspect", str(path), "--json", "-"])
    document = json.loads(result.stdout)
    file = read_model_file(path)
    assert document.pop("contract") == (told := json.loads(file.metadata[METADATA_KEY]))
    assert told["digest"] == file.digest
    assert document == {
        "format": "edgeseq.inspect",
        "version": 1,
        "path": str(path),
        "bytes": path.stat().st_size,
        "state_bytes_per_stream": {"fixed": 24, "per_frame_of_capacity": 0, "at_max_context": None, "held": 48},
        "seconds": None,
        "unverified": None,
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


def limits(path: Path | str, *options: str) -> tuple[int, list[str], list[str]]:
    """The exit code of ``inspect``, the lines for limits that were met, those for limits that were missed."""
    result = CliRunner().invoke(main, ["inspect", str(path), *options])
    met = [line for line in result.stdout.splitlines() if line.startswith("met: ")]
    return result.exit_code, met, result.stderr.splitlines()


def test_limits_that_are_met(path: Path) -> None:
    size = path.stat().st_size
    assert limits(path, f"--max-size={size}", "--max-state=48B") == (
        0,
        [
            f"met: file {size:,} bytes, at most {size:,} wanted",
            "met: state 48 bytes, at most 48 wanted",
        ],
        [],
    )


def test_limits_that_are_missed(path: Path) -> None:
    size = path.stat().st_size
    assert limits(path, f"--max-size={size - 1}B", "--max-state=47") == (
        1,
        [],
        [
            f"missed: file {size:,} bytes, at most {size - 1:,} wanted",
            "missed: state 48 bytes, at most 47 wanted",
        ],
    )


def test_one_missed_limit_is_enough(path: Path) -> None:
    code, met, missed = limits(path, "--max-size=2MB", "--max-state=1B")
    assert (code, len(met), len(missed)) == (1, 1, 1)


def test_data_beside_the_model_counts(tmp_path: Path) -> None:
    path, contract = tmp_path / "m.onnx", handmade.gru().contract
    model = onnx.load(handmade.gru().save(path))
    onnx.save(model, str(path), save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    seal(path, contract)
    whole = path.stat().st_size + (tmp_path / "m.onnx.data").stat().st_size
    assert (tmp_path / "m.onnx.data").stat().st_size > 0
    assert limits(path, f"--max-size={whole - 1}")[2] == [f"missed: file {whole:,} bytes, at most {whole - 1:,} wanted"]
    assert limits(path, f"--max-size={whole}")[0] == 0


def test_a_growing_state_is_taken_at_its_longest(tmp_path: Path) -> None:
    path = handmade.attention(64).save(tmp_path / "m.onnx")
    # The cache: 64 frames of two float32; the position, int64, has two copies.
    assert limits(path, "--max-state=528B") == (0, ["met: state 528 bytes at 64 frames, at most 528 wanted"], [])
    assert limits(path, "--max-state=0.5KiB") == (
        1,
        [],
        ["missed: state 528 bytes at 64 frames, at most 512 wanted"],
    )
    assert limits(path, "--max-state=0.5KiB", "--at-frames=10")[:2] == (
        0,
        ["met: state 96 bytes at 10 frames, at most 512 wanted"],
    )


def test_a_state_that_grows_without_end_needs_a_length(tmp_path: Path) -> None:
    path = handmade.attention(None).save(tmp_path / "m.onnx")
    assert limits(path, "--max-state=1GiB") == (
        1,
        [],
        [
            "missed: state size unknown, at most 1,073,741,824 wanted: it grows by 8 B per frame without end; give "
            "--at-frames"
        ],
    )
    assert limits(path, "--max-state=1GiB", "--at-frames=1000") == (
        0,
        ["met: state 8,016 bytes at 1,000 frames, at most 1,073,741,824 wanted"],
        [],
    )


def test_a_state_whose_size_depends_on_the_conditioning_is_not_known() -> None:
    state = State("m", "m", "m.next", "recurrent", "float32", ("batch", "source"))
    (limit,) = check_limits(Contract(RECURRENT.ports, (state,)), 0, None, 10**9, None)
    assert not limit.met
    assert str(limit) == "state size unknown, at most 1,000,000,000 wanted: a state has a dynamic axis of its own"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--at-frames=5"], "--at-frames says where the state is measured (wanted --max-state beside it)."),
        (
            ["--at-frames=65", "--max-state=1KB"],
            "--at-frames lies beyond the model's context (got 65, wanted at most 64).",
        ),
        (["--max-size=2 MByte"], "cannot read a size (got '2 MByte'"),
    ],
    ids=str,
)
def test_limits_that_mean_nothing(options: list[str], message: str, tmp_path: Path) -> None:
    path = handmade.attention(64).save(tmp_path / "m.onnx")
    code, _, errors = limits(path, *options)
    assert code == 2
    assert message in " ".join(errors)


def test_limits_as_json(path: Path) -> None:
    options = ["--max-size=2MB", "--max-state=40B", "--json", "-"]
    result = CliRunner().invoke(main, ["inspect", str(path), *options])
    expected: list[dict[str, Any]] = [
        {"name": "file", "size_bytes": path.stat().st_size, "limit_bytes": 2_000_000, "frames": None},
        {"name": "state", "size_bytes": 48, "limit_bytes": 40, "frames": None},
    ]
    assert json.loads(result.stdout)["limits"] == [
        {**expected[0], "why": None, "met": True},
        {**expected[1], "why": None, "met": False},
    ]
    assert result.exit_code == 1
    assert result.stderr == "missed: state 48 bytes, at most 40 wanted\n"


def test_a_file_that_was_changed_is_still_told(path: Path) -> None:
    other = handmade.gru().save(path.with_name("other.onnx"))
    contract = replace(handmade.gru().contract, digest="sha256:0", seal="sha256:0")
    path.write_bytes(with_metadata(Path(other).read_bytes(), METADATA_KEY, contract.to_json(), path))
    result = CliRunner().invoke(main, ["inspect", str(path)])
    assert result.exit_code == 0
    assert "verified         unverified: the file was changed after verification" in result.stdout
