"""Verification: a wrong file is caught by the law it breaks, and nothing is left of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx_ir as ir
import pytest
import torch
from torch import nn

from edgeseq.contract import METADATA_KEY
from edgeseq.errors import UsageError, VerificationError
from edgeseq.exporters import Verification, export, verify
from edgeseq.exporters.capture import capture
from edgeseq.exporters.contracting import contract_of
from edgeseq.exporters.lowering import lower
from edgeseq.exporters.rules import FAMILIES
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.stepgraph import StepGraph

SPEC = {"x": "float32[batch,time,4]"}


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 4, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:
        y, h = self.gru(torch.relu(x))
        return y, h, y.mean(1)


class Frames(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def peeks_one_frame(_step: Any, facts: Any, x: torch.Tensor) -> tuple[torch.Tensor, Any]:
    """relu of the next frame of the call, where there is one."""
    return torch.relu(torch.cat([x, x[:, -1:]], 1)[:, 1:]), facts[0]


def mixes_rows(_step: Any, facts: Any, x: torch.Tensor) -> tuple[torch.Tensor, Any]:
    return torch.relu(x - 1e-3 * x.mean(0, keepdim=True)), facts[0]


def written(path: Path, model: nn.Module, rule: Any) -> Verification:
    """A file made with a wrong rule for relu, verified against the module."""
    graph = StepGraph(capture(model.eval(), SPEC), Registry(FAMILIES, {"aten::relu": rule}))
    made = lower(graph, lambda: contract_of(graph))
    made.metadata_props[METADATA_KEY] = contract_of(graph).to_json()
    ir.save(made, path)
    return verify(path, model)


def broken(found: Verification) -> set[str]:
    return {check.name for check in found.checks if not check.passed}


def test_a_peek_into_the_future_behind_a_gru_breaks_the_law_of_futures(tmp_path: Path) -> None:
    found = written(tmp_path / "m.onnx", Tagger(), peeks_one_frame)
    assert {"futures", "concatenation", "prefix"} <= broken(found)
    assert "reset" not in broken(found)


def test_a_neighbour_in_the_batch_breaks_the_law_of_neighbours(tmp_path: Path) -> None:
    found = written(tmp_path / "m.onnx", Tagger(), mixes_rows)
    assert "neighbours" in broken(found)
    detail = next(check.detail for check in found.checks if check.name == "neighbours")
    assert "times as loud" in detail
    assert "differs by up to" in detail


def test_a_file_that_breaks_a_law_is_not_left_and_an_older_one_stays(tmp_path: Path) -> None:
    target = tmp_path / "m.onnx"
    target.write_bytes(b"older")
    with pytest.raises(
        VerificationError,
        match=r"^the exported file does not compute what Tagger computes: the law of concatenation fails: "
        r"output\.0\[\d+, \d+, \d+\], 61 frames in chunks of .*: off by \S+, allowed \S+; "
        r"the first to differ is aten\.relu at the model itself, test_verification\.py:\d+: frame 0, .*\. Report",
    ):
        export(Tagger(), SPEC, target, rules={"aten::relu": peeks_one_frame})
    assert [item.name for item in tmp_path.iterdir()] == ["m.onnx"]
    assert target.read_bytes() == b"older"


def test_a_model_that_mixes_the_rows_of_a_batch_is_not_exported(tmp_path: Path) -> None:
    class Centred(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x - x.mean(0, keepdim=True)

    with pytest.raises(VerificationError, match="the law of neighbours fails"):
        export(Centred(), SPEC, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_another_models_weights_are_told_apart(tmp_path: Path) -> None:
    exported = export(Tagger(), SPEC, tmp_path / "m.onnx")
    assert exported.verification.passed
    assert broken(verify(exported.path, Tagger())) == {"concatenation", "prefix", "long run"}
    with pytest.raises(UsageError, match=r"does not return what the file returns \(got 1 tensors, wanted 3:"):
        verify(exported.path, Frames())


def test_what_was_found_is_stored_in_the_file(tmp_path: Path) -> None:
    exported = export(Tagger(), SPEC, tmp_path / "m.onnx", atol=1e-3)
    stored = exported.contract.verification
    assert stored == exported.verification.to_dict()
    assert stored is not None
    assert stored["settings"]["atol"] == 1e-3
    assert stored["settings"]["reference"] == "float64"


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) if x.shape[1] > 10 else torch.sigmoid(x)


class Windows(nn.Module):
    def __init__(self, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 5, stride=4, padding=padding)

    def forward(self, x: torch.Tensor) -> Any:
        return torch.relu(self.conv(x.transpose(1, 2)))


@pytest.mark.parametrize(
    ("model", "frames"),
    [(Branching(), 11), (Windows(0), 5), (Windows(2), 1), (Tagger(), 1)],
    ids=["branch on the length", "window", "padded window", "no bound"],
)
def test_the_shortest_stream_is_the_shortest_input_that_the_model_takes(
    model: nn.Module, frames: int, tmp_path: Path
) -> None:
    assert export(model, SPEC, tmp_path / "m.onnx").contract.min_frames == frames
