"""When verification fails, the error names the first module whose stream differs, and both values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

import edgeseq
from edgeseq.errors import VerificationError
from edgeseq.exporters import explain, lowering
from edgeseq.exporters.explaining import planned
from edgeseq.exporters.rules import Rule, convolution, pointwise
from edgeseq.exporters.stepgraph import StepGraph
from edgeseq.exporters.verification.bisecting import first_difference
from edgeseq.verification.drawing import Draws
from tests.models import BY_ID

X = {"x": "float32[batch,time,4]"}


class Heard(nn.Module):
    """A GRU, a convolution over its past, and a second GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.GRU(4, 6, batch_first=True)
        self.conv = nn.Conv1d(6, 5, 3)
        self.second = nn.GRU(5, 3, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.functional.pad(self.first(x)[0], (0, 0, 2, 0))
        return self.second(self.conv(hidden.mT).mT)[0]  # type: ignore[no-any-return]


def late(rule: Rule) -> Rule:
    """The rule, with a fact that says the frames come one later than they do."""

    def wrong(step: Any, facts: Any, *args: Any, **kwargs: Any) -> Any:
        value, fact = rule(step, facts, *args, **kwargs)
        return value, fact.with_(delay=fact.delay + 1)

    return wrong


def refused_export(tmp_path: Path, model: nn.Module, inputs: Mapping[str, str]) -> str:
    with pytest.raises(VerificationError) as told:
        edgeseq.export(model, inputs, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()
    return str(told.value)


def test_a_convolution_one_frame_off_behind_a_gru(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    op = torch.ops.aten.conv1d.default
    monkeypatch.setitem(convolution.RULES, op, late(convolution.RULES[op]))
    torch.manual_seed(0)
    text = refused_export(tmp_path, Heard(), X)
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    line = next(number for number, line in enumerate(lines, 1) if "self.conv(hidden.mT)" in line)
    place = rf"the first to differ is aten\.conv1d at conv, test_bisecting\.py:{line}: frame 0, at \[\d, \d\],"
    assert re.search(place + r" is -?[\d.]+ in the stream, -?[\d.]+ in the whole sequence\.", text)


def test_an_elementwise_rule_that_forgets_a_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(step: Any, facts: Any, *args: Any, **kwargs: Any) -> Any:
        value, fact = pointwise.pointwise(step, facts, *args, **kwargs)
        return torch.where(step.over_rows(step.own_places(fact) == 7, fact), value + 1, value), fact

    monkeypatch.setattr(pointwise, "POINTWISE", forgetful)
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    text = refused_export(tmp_path, model, {"input": "float32[batch,time,4]"})
    assert re.search(r"the first to differ is aten\.tanh at 1, .*: frame 7, at", text)


def test_a_wrong_form_in_onnx_is_told_from_a_wrong_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights of the recurrence are changed after the step graph was planned, in the file only."""
    translate = lowering.translate

    def spoilt(graph: Any, exported: Any, opset: int) -> Any:
        model = translate(graph, exported, opset)
        name = next(name for name, value in model.graph.initializers.items() if value.shape == ir.Shape([1, 18, 6]))
        tensor = model.graph.initializers[name].const_value
        assert tensor is not None
        model.graph.initializers[name].const_value = ir.tensor(tensor.numpy() * np.float32(1.5))
        return model

    monkeypatch.setattr(lowering, "translate", spoilt)
    torch.manual_seed(0)
    text = refused_export(tmp_path, Heard(), X)
    assert "its step graph is right in torch and differs in ONNX: first.h.next of the file: its last value" in text


@pytest.mark.parametrize(
    "name", ["causal-denoiser", "same-front-end", "multi-task", "placed-words", "dual-path", "valid-residual"]
)
def test_where_all_is_well_no_value_differs(name: str) -> None:
    """Every value of the graph stands in its stream where its fact says."""
    row = BY_ID[name]
    torch.manual_seed(0)
    model = row.build().eval()
    graph, contract = planned(model, row.inputs, None, "ort", None), explain(model, row.inputs)
    assert isinstance(graph, StepGraph)
    inputs = Draws(contract)(48, 2, 0)
    assert first_difference(graph, inputs, [1, 3, 8, 2, 34]) is None
