"""``edgeseq explain --svg``: valid XML, every line of text within its box, boxes apart, data flowing down."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from edgeseq.cli import main
from edgeseq.exporters import Diagnosis, diagnose
from edgeseq.exporters.diagnosis.picture.boxes import network
from edgeseq.exporters.diagnosis.picture.layout import layout
from edgeseq.exporters.diagnosis.picture.svg import drawn
from tests.test_diagnosis import Stack, Unstreamable, X

SVG = "{http://www.w3.org/2000/svg}"


class Net(nn.Module):
    """Two halvings and two doublings, with a branch from each level to its own."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Conv1d(8, 8, 2, stride=2) for _ in range(2))
        self.up = nn.ModuleList(nn.ConvTranspose1d(8, 8, 2, stride=2) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x, levels = x.mT, []
        for down in self.down:
            levels.append(x)
            x = down(x)
        for up in self.up:
            x = up(x)[..., : levels[-1].shape[-1]] + levels.pop()
        return x.mT


@cache
def told(model: Callable[[], nn.Module]) -> Diagnosis:
    torch.manual_seed(0)
    return diagnose(model(), X)


def boxes(text: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every box, frames around alike modules and the ground apart."""
    found = []
    for rect in ElementTree.fromstring(text).iter(f"{SVG}rect"):
        if rect.get("class") not in ("ground", "alike"):
            left, top, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
            found.append((left, top, left + width, top + height))
    return found


@pytest.mark.parametrize("model", [Stack, Unstreamable, Net], ids=lambda model: model.__name__)
def test_text_lies_within_boxes_and_boxes_lie_apart(model: Callable[[], nn.Module]) -> None:
    text = drawn(told(model))
    placed = boxes(text)
    for one in placed:
        for other in placed:
            assert one is other or one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
    for label in ElementTree.fromstring(text).iter(f"{SVG}text"):
        x, y = float(label.attrib["x"]), float(label.attrib["y"])
        inside = [box for box in placed if box[0] < x < box[2] and box[1] < y < box[3]]
        assert all(x + 7.25 * len(label.text or "") <= box[2] for box in inside)


def test_alike_modules_are_drawn_once() -> None:
    net = network(told(Stack))
    assert [box.title for box in net.boxes.values() if box.kind == "Conv1d"] == ["down", "layers.0-2.conv"]
    assert "x 3" in drawn(told(Stack))


def test_delay_ratio_states_and_reasons_are_in_it() -> None:
    text = drawn(told(Stack))
    assert "ratio 1/2, delay 1" in text
    assert "history float32[batch,8,2]" in text
    refused = drawn(told(Unstreamable))
    assert refused.count('class="refused"') >= 5
    assert "a bidirectional layer reads the" in refused


def test_data_flows_down() -> None:
    net = network(told(Net))
    at = layout(dict.fromkeys(net.boxes, 100.0), list(net.lines))
    assert all(at.row[one] < at.row[other] for one, other in net.lines)


def test_the_command_writes_it(tmp_path: Path) -> None:
    source = [f"{Path(__file__).parent / 'test_diagnosis.py'}:Stack", "--input", "x=float32[batch,time,8]"]
    result = CliRunner().invoke(main, ["explain", *source, "--svg", str(tmp_path / "m.svg")])
    assert result.exit_code == 0, result.output
    assert ElementTree.parse(tmp_path / "m.svg").getroot().tag == f"{SVG}svg"
