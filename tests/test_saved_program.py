"""A ``.pt2`` as MODEL: what ``torch.export.save`` wrote with a symbolic time axis streams like the module itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim

import edgeseq
from edgeseq.cli.model_source import load_model
from edgeseq.errors import CaptureError, EdgeseqError, ModelFileError, NotStreamable, UsageError
from edgeseq.exporters.capture_errors import quiet
from edgeseq.exporters.saved_program import load_program
from tests.models import BY_ID

FREE = Dim.DYNAMIC
X = torch.zeros(2, 12, 6)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Convolutions(nn.Module):
    """Strided, with a bidirectional GRU over frequency, which is not time."""

    def __init__(self) -> None:
        super().__init__()
        self.bands = nn.GRU(2, 4, batch_first=True, bidirectional=True)
        self.first = nn.Conv1d(8, 6, 3, padding=1)
        self.down = nn.Conv1d(6, 4, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        rows, frames, _ = x.shape
        h = self.bands(x.reshape(rows * frames, 3, 2))[0].mean(1).reshape(rows, frames, 8)
        return self.down(torch.relu(self.first(h.transpose(1, 2)))).transpose(1, 2)  # type: ignore[no-any-return]


class Conditioned(nn.Module):
    """Arguments by place and by name, a tuple among them, and a dict returned."""

    def forward(self, x: Tensor, *, speaker: Tensor, state: tuple[Tensor]) -> dict[str, Tensor]:
        y = torch.relu(x + speaker[:, None]) * state[0][:, None]
        return {"y": y, "last": y[:, -1]}


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.shape[1] >= 9 else x - 1


class Reversed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.flip(F.relu(x), dims=[1])  # refused here


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(6, 6, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.gru(x)[0]  # type: ignore[no-any-return]


def saved(
    path: Path, model: nn.Module, *args: Any, shapes: Any = None, train: bool = False, kwargs: Any = None
) -> Path:
    model.train(train)
    with quiet():  # torch warns about itself
        program = torch.export.export(model, args, kwargs=kwargs, dynamic_shapes=shapes)
        torch.export.save(program, path)
    return path


def test_a_transformer_streams(tmp_path: Path) -> None:
    row = BY_ID["gpt"]
    path = saved(tmp_path / "gpt.pt2", row.build(), torch.zeros(2, 12, dtype=torch.int64), shapes=({0: FREE, 1: FREE},))
    exported = edgeseq.export(load_model(str(path)), row.inputs, tmp_path / "m.onnx")
    assert exported.verification.passed
    contract = exported.contract
    assert contract.max_context == 96, "the rows of its table of positions"
    assert contract.provenance["model"] == "gpt"
    assert sorted(state.name for state in contract.states) == sorted(
        state.name for state in edgeseq.export(row.build(), row.inputs, tmp_path / "n.onnx").contract.states
    )


def test_convolutions_stream(tmp_path: Path) -> None:
    model = Convolutions()
    path = saved(tmp_path / "conv.pt2", model, X, shapes=({0: FREE, 1: FREE},))
    exported = edgeseq.export(load_program(path), {"x": "float32[batch,time,6]"}, tmp_path / "m.onnx")
    assert exported.verification.passed
    assert [state.name for state in exported.contract.states] == ["first.history", "down.history"]
    whole = edgeseq.export(model, {"x": "float32[batch,time,6]"}, tmp_path / "n.onnx").contract
    assert (exported.contract.delay, exported.contract.chunk) == (whole.delay, whole.chunk)


def test_arguments_keep_their_names(tmp_path: Path) -> None:
    kwargs = {"state": (torch.ones(2, 6),), "speaker": torch.ones(2, 6)}
    shapes = {"x": {0: FREE, 1: FREE}, "speaker": {0: FREE}, "state": ({0: FREE},)}
    path = saved(tmp_path / "m.pt2", Conditioned(), X, shapes=shapes, kwargs=kwargs)
    inputs = {"speaker": "float32[batch,6]", "x": "float32[batch,time,6]", "state": ("float32[batch,6]",)}
    exported = edgeseq.export(load_program(path), inputs, tmp_path / "m.onnx")
    names = {role: [port.name for port in exported.contract.with_role(role)] for role in ("frame", "output")}
    assert names == {"frame": ["x"], "output": ["y", "last"]}
    assert {port.name for port in exported.contract.with_role("conditioning")} == {"speaker", "state.0"}


def test_a_branch_that_was_taken_bounds_the_length(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pt2", Branching(), X, shapes=({0: FREE, 1: FREE},))
    exported = edgeseq.export(load_program(path), {"x": "float32[batch,time,6]"}, tmp_path / "m.onnx")
    assert exported.contract.min_frames == 9


def test_a_refusal_names_the_line_of_the_model(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pt2", Reversed(), X, shapes=({0: FREE, 1: FREE},))
    line = (
        Path(__file__).read_text().splitlines().index("        return torch.flip(F.relu(x), dims=[1])  # refused here")
    )
    with pytest.raises(NotStreamable, match=rf"aten\.flip at .*test_saved_program\.py:{line + 1}, axis time"):
        edgeseq.export(load_program(path), {"x": "float32[batch,time,6]"}, tmp_path / "m.onnx")


def refusal(path: Path, **inputs: Any) -> EdgeseqError:
    with pytest.raises(EdgeseqError) as caught:
        edgeseq.export(load_program(path), inputs, path.with_suffix(".onnx"))
    assert not path.with_suffix(".onnx").exists()
    return caught.value


def test_a_fixed_time_axis_shows_the_line_to_change(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pt2", Branching(), X)
    error = refusal(path, x="float32[batch,time,6]")
    assert isinstance(error, CaptureError)
    assert str(error) == (
        "the saved program takes only one size of batch, axis 0 of x (got 2, wanted any size of batch). Save it with "
        'torch.export.export(model, args, dynamic_shapes={"x": {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}}).'
    )


def test_the_line_to_change_holds_every_input(tmp_path: Path) -> None:
    kwargs = {"state": (torch.ones(2, 6),), "speaker": torch.ones(2, 6)}
    path = saved(tmp_path / "m.pt2", Conditioned(), X, kwargs=kwargs)
    error = refusal(path, x="float32[batch,time,6]", speaker="float32[batch,6]", state=("float32[batch,6]",))
    assert error.do == (
        'save it with torch.export.export(model, args, dynamic_shapes={"x": {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}, '
        '"state": ({0: Dim.DYNAMIC},), "speaker": {0: Dim.DYNAMIC}})'
    )


def test_a_recurrent_layer_along_time_is_refused_by_name(tmp_path: Path) -> None:
    """torch.export itself fixes the length there, whatever ``dynamic_shapes`` says."""
    with quiet(), pytest.raises(Exception, match="specialized"):
        torch.export.export(Recurrent().eval(), (X,), dynamic_shapes=({0: FREE, 1: FREE},))
    path = saved(tmp_path / "m.pt2", Recurrent(), X, shapes=({0: Dim.AUTO},))
    assert refusal(path, x="float32[batch,time,6]").do == (
        'save it with torch.export.export(model, args, dynamic_shapes={"x": {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}}); where '
        "torch refuses that, since it fixes the length of aten.gru, export the module itself: file.py:factory"
    )


def test_a_fixed_batch_may_stay(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pt2", Convolutions(), torch.zeros(1, 12, 6), shapes=({1: FREE},))
    exported = edgeseq.export(load_program(path), {"x": "float32[1,time,6]"}, tmp_path / "m.onnx")
    assert exported.verification.passed
    assert str(refusal(path.rename(tmp_path / "n.pt2"), x="float32[2,time,6]")) == (
        "input x has another size in the saved program (got float32[2,time,6], wanted 1)."
    )


def test_training_mode_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pt2", nn.Dropout(0.5), X, shapes=({0: FREE, 1: FREE},), train=True)
    with pytest.raises(UsageError) as caught:
        load_program(path)
    assert str(caught.value) == (
        "m.pt2 was exported in training mode: dropout behaves as in training. Call model.eval() before "
        "torch.export.export."
    )


def test_half_precision_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pt2", Convolutions().half(), X.half(), shapes=({0: FREE, 1: FREE},))
    assert str(refusal(path, x="float32[batch,time,6]")).startswith("a saved program must be in float32 on the CPU: ")


def test_files_that_are_no_program(tmp_path: Path) -> None:
    (tmp_path / "m.pt2").write_text("not a program")
    with pytest.raises(ModelFileError, match=r"^cannot read the saved program at .*m\.pt2: "):
        load_program(tmp_path / "m.pt2")
    with pytest.raises(ModelFileError, match=r"^no such model file "):
        load_program(tmp_path / "gone.pt2")


def test_nothing_is_added_to_a_saved_program(tmp_path: Path) -> None:
    path = str(saved(tmp_path / "m.pt2", Branching(), X))
    with pytest.raises(UsageError, match=r"^a saved program is whole: .* \(got --arg\)"):
        load_model(path, (("hidden", "3"),))
    with pytest.raises(UsageError, match=r"^a saved program is whole: .* \(got --weights\)"):
        load_model(path, weights=Path("w.pt"))
