"""``edgeseq adopt``: a stranger's file, and every command on what was made of it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgeseq.cli import main
from edgeseq.cli.adopt import number, parse_chunk
from edgeseq.errors import UsageError
from tests import handmade, strangers

STATES = ["--state", "h=hn", "--state", "c=cn"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    strangers.lstm(tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def ran(*words: object, code: int = 0) -> str:
    """What a command prints, on whichever stream."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


def test_the_proposal_is_a_command(path: Path) -> None:
    said = ran("adopt", path, "--sample-rate", 100, code=2)
    assert said == (
        f"error: the file does not say how it is stepped at {path}: names, shapes and dtypes suggest the states h=hn, "
        f"c=cn. Look at it, and say what is right: edgeseq adopt {path} --sample-rate 100.0 --state h=hn "
        "--state c=cn.\n"
    )
    command = said.partition("what is right: ")[2].strip().removesuffix(".")
    assert "nothing was written" in ran(*shlex.split(command)[1:])


def test_yes_takes_the_proposal(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    text = ran("adopt", path, "--yes", "-o", out)
    assert "h       recurrent  float32  [2, batch, 8]" in text
    assert f"beside it out.golden.npz, to be replayed with: edgeseq verify {out}" in text


def test_yes_does_not_take_what_is_not_proposed(tmp_path: Path) -> None:
    strangers.lstm(tmp_path / "m.onnx", frames=5)
    assert "--axes x=batch,time,..." in ran("adopt", tmp_path / "m.onnx", "--yes", code=2)


def test_every_command_works_on_the_copy(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    document = json.loads(ran("adopt", path, *STATES, "-o", out, "--sample-rate", 100, "--json", "-"))
    assert (document["format"], document["written"], document["contract"]["mode"]) == (
        "edgeseq.adopt",
        True,
        {"name": "adopted"},
    )
    shown = ran("inspect", out)
    assert "mode             adopted" in shown
    assert "against itself, for it was made" in shown
    assert "y       passed" in ran("verify", out)
    x = strangers.frames(20, 4)
    np.save(tmp_path / "x.npy", x)
    ran("run", out, tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), strangers.lstm(path)(x[None])[0], atol=1e-6)
    assert "paced" in ran("bench", out, "--runs", 1, "--steps", 20, "--warmup", 1)
    assert "h" in ran("verify", out, "--device", "cpu")


def test_the_copy_is_held_against_its_module_where_there_is_one(path: Path, tmp_path: Path) -> None:
    """What torch makes of the sequence from zero states is what the adopted file streams."""
    out = tmp_path / "out.onnx"
    ran("adopt", path, *STATES, "-o", out)
    source = tmp_path / "module.py"
    source.write_text(
        "import torch\nfrom tests.strangers import SpeechLSTM\n"
        "class Whole(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.inner = SpeechLSTM()\n"
        "    def forward(self, x):\n"
        "        zeros = x.new_zeros(2, x.shape[0], 8)\n"
        "        return self.inner(x, zeros, zeros)[0]\n"
    )
    assert "concatenation" in ran("verify", out, "--model", f"{source}:Whole")
    assert "against itself" not in ran("inspect", out)


def test_a_doubt_is_told(tmp_path: Path) -> None:
    strangers.lstm(tmp_path / "m.onnx", frames=1)
    words = ["--state", "h=cn", "--state", "c=hn", "--axes", "x=1,time,4", "--axes", "y=1,time,3"]
    text = ran("adopt", tmp_path / "m.onnx", *words, "-o", tmp_path / "out.onnx")
    assert "warning: h=cn was declared, though names suggest h=hn\n" in text
    assert "doubtful: h=cn was declared" in " ".join(ran("inspect", tmp_path / "out.onnx").split())


def test_overlap_constants_and_chunks(tmp_path: Path) -> None:
    handmade.left_context().save_bare(tmp_path / "m.onnx")
    text = ran("adopt", tmp_path / "m.onnx", "--overlap", "x=2", "--axes", "x=batch,time,2", "--chunk", "4:4")
    assert "overlap 2" in text
    assert "4 frames per call" in text


WRONG = {
    "a state twice": (["--state", "h=hn", "--state", "h=cn"], "--state h stands twice"),
    "a constant of text": ([*STATES, "--constant", "x=one"], "cannot read a number (got 'one'"),
    "an overlap of text": ([*STATES, "--overlap", "x=two"], "cannot read a number of frames (got 'two'"),
    "a chunk of text": ([*STATES, "--chunk", "2:x"], "cannot read a number of frames (got 'x'"),
    "two rates": ([*STATES, "--sample-rate", "9", "--frame-period", "1s"], "--frame-period and --sample-rate say"),
    "no pair": (["--state", "h"], "cannot read an assignment"),
    "no such input": (["--state", "g=hn"], "states names what is not an input of this file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_call_is_said(path: Path, case: str) -> None:
    words, message = WRONG[case]
    assert message in ran("adopt", path, *words, code=2)


def test_a_check_that_fails(path: Path) -> None:
    assert "y depends on how" in ran("adopt", path, "--state", "h=cn", "--state", "c=hn", code=1)


def test_numbers_and_chunks_are_read() -> None:
    assert [number("16000"), number("0.5"), number("true"), number("False")] == [16000, 0.5, 1, 0]
    assert [parse_chunk("512"), parse_chunk("512:512"), parse_chunk("2:")] == [512, (512, 512), (2, None)]
    with pytest.raises(UsageError):
        number("")
