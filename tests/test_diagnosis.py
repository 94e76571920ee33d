"""``diagnose`` and ``edgeseq explain``: how each module streams, what it costs, and every reason why it does not."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn
from torch.nn import functional

from edgeseq.cli import main
from edgeseq.cli.modules import module_table
from edgeseq.errors import NotStreamable, UsageError
from edgeseq.exporters import Diagnosis, diagnose, explain, export
from edgeseq.exporters.diagnosis.nodes import detailed, listed
from edgeseq.structure import Part, total
from edgeseq.testing import check_rule
from tests.rules.row import Row, parameter

X = {"x": "float32[batch,time,8]"}


class Block(nn.Module):
    """A decoder block with a look-ahead of one frame."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.conv = nn.Conv1d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part[:, None] for part in self.qkv(x).chunk(3, -1))
        x = x + functional.scaled_dot_product_attention(q, k, v, is_causal=True)[:, 0]
        y: Tensor = x + self.conv(x.mT).mT
        return y


class Stack(nn.Module):
    """Three blocks between a strided convolution and a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv1d(8, 8, 2, stride=2)
        self.layers = nn.ModuleList(Block() for _ in range(3))
        self.gru = nn.GRU(8, 5, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x.mT).mT
        for layer in self.layers:
            x = layer(x)
        return self.gru(x)[0]  # type: ignore[no-any-return]


class Unstreamable(nn.Module):
    """Four things that do not stream, of which one only follows from another; and a branch that does."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(8, 4, bidirectional=True, batch_first=True)
        self.norms = nn.ModuleList(nn.GroupNorm(2, 8) for _ in range(2))
        self.fine = nn.GRU(8, 3, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = self.rnn(x)[0].flip(1)
        for norm in self.norms:
            y = norm(y.mT).mT
        scores = (y @ y.mT).softmax(-1) @ y
        return scores.sort(1).values, self.fine(x)[0], x.median(1).values


@pytest.fixture(scope="module")
def stack() -> Diagnosis:
    torch.manual_seed(0)
    return diagnose(Stack(), X)


@pytest.fixture(scope="module")
def refused() -> Diagnosis:
    return diagnose(Unstreamable(), X)


def part(found: Diagnosis, path: str) -> Part:
    """The module of this path."""
    return next(part for part in found.modules if part.path == path)


def test_the_contract_is_that_of_explain(stack: Diagnosis) -> None:
    torch.manual_seed(0)
    assert stack.contract == explain(Stack(), X)
    assert stack.refusals == ()


def test_alike_layers_are_one(stack: Diagnosis) -> None:
    assert [inner.path for inner in stack.modules if inner.depth == 1] == ["down", "layers.0-2", "gru"]
    layers = part(stack, "layers.0-2")
    assert (layers.alike, layers.first, layers.kind) == (3, "layers.0", "Block")
    assert layers.delay == 3


def test_delay_and_ratio_so_far(stack: Diagnosis) -> None:
    down, conv = part(stack, "down"), part(stack, "layers.0.conv")
    half = Fraction(1, 2)
    assert (down.ratio, down.delay, down.how) == (half, 0, "conv1d")
    assert (conv.ratio, conv.delay) == (half, 1)
    assert (stack.modules[0].ratio, stack.modules[0].delay) == (half, 3)


def test_states_belong_to_the_module_that_asks_for_them(stack: Diagnosis) -> None:
    assert part(stack, "gru").states == ("gru.h",)
    assert stack.modules[0].states == ("position", "position@2", "position@4")
    assert set(part(stack, "layers.0-2").states) == {
        "layers.0.keys",
        "layers.0.values",
        "layers.0.delay",
    }


def test_costs_are_those_worked_out_by_hand(stack: Diagnosis) -> None:
    gru, conv, qkv = (part(stack, path).cost for path in ("gru", "layers.0.conv", "layers.0.qkv"))
    assert gru.multiply_adds == 3 * 5 * (8 + 5)  # a step is two frames, one behind the stride
    assert gru.weight_bytes == 4 * (3 * 5 * (8 + 5) + 2 * 3 * 5)
    assert gru.state_bytes == 4 * 5
    assert conv.multiply_adds == 8 * 8 * 3
    assert (qkv.multiply_adds, qkv.weight_bytes, qkv.state_bytes) == (8 * 24, 4 * (8 * 24 + 24), 0)
    layers = part(stack, "layers.0-2").cost
    assert layers.multiply_adds == 0
    assert layers.multiply_adds_per_context == (8 + 8) / 2
    assert layers.state_bytes_per_context == 4 * (8 + 8) / 2


def test_the_cost_of_the_model_counts_alike_layers_each(stack: Diagnosis) -> None:
    layers, rest = (
        [part.cost.multiply_adds for part in stack.modules if part.path.startswith("layers") is inside]
        for inside in (True, False)
    )
    assert total(stack.modules).multiply_adds == 3 * sum(layers) + sum(rest)


def test_untouched_modules_say_so(stack: Diagnosis) -> None:
    assert part(stack, "layers.0.qkv").how == "untouched"


def test_every_reason_and_not_what_only_follows(refused: Diagnosis) -> None:
    assert [(error.what.removeprefix("cannot stream aten."), error.where) for error in refused.refusals] == [
        ("gru", f"rnn ({_line('self.rnn(x)')}, axis time)"),
        ("flip", f"the model itself ({_line('self.rnn(x)')}, axis time)"),
        ("group_norm", f"norms.0 ({_line('norm(y.mT)')}, axis time)"),
        ("group_norm", f"norms.1 ({_line('norm(y.mT)')}, axis time)"),
        ("softmax", f"the model itself ({_line('(y @ y.mT)')}, axis time)"),
        ("sort", f"the model itself ({_line('scores.sort')}, axis time)"),
        ("median", f"the model itself ({_line('scores.sort')}, axis time)"),
    ]


def _line(text: str) -> str:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return f"{Path(__file__).name}:{next(number for number, line in enumerate(lines, 1) if text in line)}"


def test_branches_that_stream_are_still_told(refused: Diagnosis) -> None:
    fine = part(refused, "fine")
    assert (fine.how, fine.delay) == ("gru", 0)
    assert part(refused, "norms.0-1").how == "group_norm: REFUSED"
    assert refused.contract is None


def test_export_says_how_many_reasons_there_are(refused: Diagnosis) -> None:
    with pytest.raises(NotStreamable, match=r"And 6 more reasons: run edgeseq explain\.$") as told:
        explain(Unstreamable(), X)
    assert (told.value.what, told.value.where) == (refused.refusals[0].what, refused.refusals[0].where)


def test_a_single_reason_is_not_counted() -> None:
    class Flipped(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flip(1)

    with pytest.raises(NotStreamable, match=r"Drop the flip\.$"):
        explain(Flipped(), X)


def told(model: str, *arguments: str) -> tuple[int, str, str]:
    source = [f"{__file__}:{model}", "--input", "x=float32[batch,time,8]"]
    result = CliRunner().invoke(main, ["explain", *source, *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_tells_modules_costs_and_contract() -> None:
    code, text, _ = told("Stack")
    assert code == 0
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    rows = {line.split("  ")[1 if line.startswith("  ") else 0].strip(): line.split() for line in lines if line}
    assert rows["layers.0-2 Block"][2:5] == ["attention,", "add", "1/2"]
    assert "one step of 2 frames: " in text
    assert "for every frame of context: 24 multiply-adds, 96 B of states read" in text
    assert "receptive field  unlimited" in text


def test_the_command_tells_every_reason() -> None:
    code, text, error = told("Unstreamable")
    assert (code, error) == (1, "error: Unstreamable does not stream: 7 reasons.\n")
    assert max(map(len, text.splitlines())) <= 100
    assert "It does not stream, for 7 reasons. Later ones assume that earlier ones are solved." in text
    assert "3. cannot stream aten.group_norm at norms.0" in text
    assert "   and at norms.1" in text
    assert "\n6. cannot stream aten.median" in text


def test_the_graph_is_a_line_per_node(stack: Diagnosis) -> None:
    lines = listed(stack)
    assert len(lines) == len(stack.seen)
    conv = next(line for line in lines if line.startswith("conv1d_1 = "))
    assert conv == (
        "conv1d_1 = aten.conv1d(transpose_2, p_layers_0_conv_weight, p_layers_0_conv_bias, [1], [1])"
        f" -> Timed(axis=2, ratio=1/2, delay=1)  [convolution]  {_line('self.conv(x.mT)')}"
    )


def test_an_unknown_node_is_named(stack: Diagnosis) -> None:
    with pytest.raises(UsageError, match="the captured graph has no node 'conv'"):
        detailed(stack, "conv")


def row_of(found: Diagnosis, node: str) -> Row:
    text = "\n".join(detailed(found, node))
    given = {"Row": Row, "parameter": parameter, "torch": torch}
    return eval(text[text.index("Row(") :], given)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "node", ["conv1d", "conv1d_1", "recurrent", "scaled_dot_product_attention", "linear", "split", "add_69"]
)
def test_the_row_of_a_node_runs(stack: Diagnosis, node: str) -> None:
    assert node in {item.node.name for item in stack.seen}
    row = row_of(stack, node)
    check_rule(row.build(), row.inputs)


@pytest.mark.parametrize("node", ["flip", "group_norm", "sort"])
def test_the_row_of_a_refused_node_is_refused(refused: Diagnosis, node: str) -> None:
    row = row_of(refused, node)
    with pytest.raises(NotStreamable, match=re.escape(str(row.refused))):
        check_rule(row.build(), row.inputs)


def test_the_command_prints_a_node() -> None:
    code, text, _ = told("Stack", "--graph", "conv1d_1")
    assert (code, "its row, as tests/rules has them:" in text) == (0, True)
    assert "  layers.0.conv.history: conv float32[batch, 8, 2], from frame 0 on" in text
    code, text, _ = told("Stack", "--graph")
    assert (code, "conv1d = aten.conv1d(" in text) == (0, True)


def test_the_command_writes_json() -> None:
    code, text, _ = told("Unstreamable", "--json", "-")
    document = json.loads(text)
    assert (code, document["format"], document["contract"]) == (1, "edgeseq.explain", None)
    assert len(document["refusals"]) == 7
    code, text, _ = told("Stack", "--json", "-")
    document = json.loads(text)
    assert [inner["alike"] for inner in document["modules"] if inner["depth"] == 1] == [1, 3, 1]
    assert document["cost"]["state_bytes_per_context"] == 96


class Both(nn.Module):
    """A bidirectional layer, which needs a mode."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(8, 4, bidirectional=True, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(x)[0]  # type: ignore[no-any-return]


class Cell(nn.Module):
    """A step of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(8, 4)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return self.cell(x, h)  # type: ignore[no-any-return]


def test_the_command_takes_a_mode() -> None:
    code, text, _ = told("Both", "--mode", "lookahead:20,chunk=10")
    assert (code, "one step of 10 frames: " in text, "  rnn GRU" in text) == (0, True, True)
    code, text, _ = told("Both", "--mode", "window:20,hop=10")
    assert (code, "mode             window: frames 20, hop 10" in text, "multiply-adds" in text) == (0, True, False)


def test_a_window_has_no_step_to_look_into(tmp_path: Path) -> None:
    for look in (["--graph"], ["--svg", str(tmp_path / "net.svg")]):
        code, _, error = told("Both", "--mode", "window:20,hop=10", *look)
        assert (code, error.startswith("error: there is no step to look into")) == (2, True)
    assert not list(tmp_path.iterdir())


def test_the_command_takes_a_step() -> None:
    source = [f"{__file__}:Cell", "--input", "x=float32[batch,8]", "--input", "h=float32[batch,4]"]
    result = CliRunner().invoke(main, ["explain", *source, "--state", "h=output"])
    assert result.exit_code == 0, result.output
    assert "  x: float32, batch x 8, one frame of each step\n  h: float32, batch x 4, a state\n" in result.stdout
    assert re.search(r"loop\.\w+ +recurrent  float32", result.stdout)


def test_an_exported_file_says_what_explain_says(tmp_path: Path) -> None:
    torch.manual_seed(0)
    exported = export(Stack(), X, tmp_path / "m.onnx", max_context=64, golden=False)
    torch.manual_seed(0)
    assert exported.contract.modules == diagnose(Stack(), X).modules
    result = CliRunner().invoke(main, ["inspect", str(exported.path)])
    table = module_table(exported.contract.modules, exported.contract)
    assert result.stdout.splitlines()[2 : 2 + len(table)] == table


def test_reading_goes_on_past_a_size_made_of_the_data() -> None:
    class Regulated(nn.Module):
        """Frames repeated by the durations of their own."""

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            repeated = x[0].repeat_interleave(x[0, :, 0].abs().long(), 0)
            return repeated * 2, x.flip(1)

    found = diagnose(Regulated(), {"x": "float32[1,time,8]"})
    assert [error.what for error in found.refusals] == [
        "cannot stream aten.repeat_interleave",
        "cannot stream aten.flip",
    ]
