"""The prologue: what depends on conditioning alone is computed once per stream, by a second file."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import edgeseq
from edgeseq import runtime
from edgeseq.contract import Contract
from edgeseq.errors import ContractError, ModelFileError, NotStreamable, ProviderError, ShapeError
from edgeseq.runtime.loading import describe
from edgeseq.sealing import seal
from edgeseq.testing import check_rule
from tests.models.seq2seq import LuongSeq2Seq, TutorialSeq2Seq

INPUTS = {"src": "int64[batch,source]", "tgt": "int64[batch,time]"}
FRAMES = "float32[batch,time,4]"
CODE = "float32[batch,4]"


class Of(nn.Module):
    """A model whose forward is a function of it and two inputs."""

    def __init__(self, forward: Any, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.function = forward

    def forward(self, x: Tensor, z: Tensor) -> Any:
        return self.function(self, x, z)


def checked(forward: Any, x: str = FRAMES, z: str = CODE, **parts: nn.Module) -> Contract:
    """The contract of a model that streams in torch what it computes."""
    torch.manual_seed(0)
    return check_rule(Of(forward, **parts), {"x": x, "z": z})


# -- the cut ---------------------------------------------------------------------------------------------------------


def outputs(contract: Contract) -> tuple[str, ...]:
    """The constants that the prologue computes."""
    return contract.prologue.outputs if contract.prologue else ()


def test_what_is_computed_goes_to_the_prologue_and_an_input_itself_does_not() -> None:
    contract = checked(lambda m, x, z: x * m.fc(z)[:, None] + z[:, None], fc=nn.Linear(4, 4))
    assert outputs(contract) == ("fc.value",)
    assert contract.prologue is not None
    assert contract.prologue.inputs == ("z",)
    assert contract.port("fc.value").shape == ("batch", 1, 4)


def test_views_of_an_input_need_no_prologue() -> None:
    contract = checked(lambda _, x, z: x * z.view(-1, 4).unsqueeze(1) + z[:, None, :1])
    assert contract.prologue is None
    assert json.loads(contract.to_json())["version"] == 1


def test_what_is_not_read_is_not_computed() -> None:
    contract = checked(
        lambda m, x, z: (x + m.a(z)[:, None], m.b(z).size(0) * x)[:2], a=nn.Linear(4, 4), b=nn.Linear(4, 9)
    )
    assert outputs(contract) == ("a.value",)


def test_an_output_without_frames_comes_from_the_prologue() -> None:
    contract = checked(lambda m, x, z: (x, m.fc(z).tanh()), fc=nn.Linear(4, 3))
    assert outputs(contract) == ("fc.value",)


def test_a_value_of_a_module_that_is_called_twice_has_two_names() -> None:
    contract = checked(lambda m, x, z: x * m.fc(z)[:, None] + m.fc(z + 1)[:, None], fc=nn.Linear(4, 4))
    assert outputs(contract) == ("fc.value", "fc.value2")


def test_sizes_that_the_conditioning_does_not_show_stay_in_the_step() -> None:
    """A code for all rows: what is repeated over the batch cannot be made before the batch is known."""
    contract = checked(
        lambda m, x, z: m.gru(x, m.fc(z).tanh().view(1, 1, -1).expand(1, x.size(0), -1).contiguous())[0],
        z="float32[4]",
        fc=nn.Linear(4, 5),
        gru=nn.GRU(4, 5, batch_first=True),
    )
    assert contract.port("fc.value").shape == (1, 1, 5)


def test_a_size_that_is_no_multiple_of_an_axis_gets_a_name() -> None:
    contract = checked(
        lambda m, x, z: x + torch.softmax(x @ m.conv(z).mT.mT, -1) @ m.conv(z).mT,
        z="float32[batch,4,source]",
        conv=nn.Conv1d(4, 4, 3, stride=2, padding=1),
    )
    assert {port.shape for port in contract.with_role("constant")} >= {("batch", "source_1", 4)}


# -- initial states --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "z"),
    [
        (lambda m, z: torch.tanh(m.one(z)).unsqueeze(0).repeat(2, 1, 1), CODE),
        (lambda m, z: m.two(z).view(-1, 2, 5).transpose(0, 1).contiguous(), CODE),
        (lambda m, z: torch.stack([m.one(z), m.one(z + 1)]), CODE),
        (lambda m, z: z.flip(0), "float32[2,batch,5]"),
        (lambda m, z: z[0], "float32[1,2,batch,5]"),
        (lambda m, z: z.transpose(0, 1).contiguous(), "float32[batch,2,5]"),
        (lambda m, z: z.expand(2, -1, -1).contiguous(), "float32[1,batch,5]"),
    ],
    ids=["repeated", "viewed", "stacked", "flipped", "one-entry", "input-transposed", "input-expanded"],
)
def test_states_of_all_layers_start_at_what_conditioning_makes(start: Any, z: str) -> None:
    contract = checked(
        lambda m, x, z: m.gru(x, start(m, z))[0],
        z=z,
        one=nn.Linear(4, 5),
        two=nn.Linear(4, 10),
        gru=nn.GRU(4, 5, 2, batch_first=True),
    )
    assert [state.initial.kind for state in contract.states] == ["prologue"] * 2


def test_a_state_that_is_an_input_needs_no_prologue() -> None:
    contract = checked(
        lambda m, x, z: m.gru(x, z.unsqueeze(0))[0], z="float32[batch,5]", gru=nn.GRU(4, 5, batch_first=True)
    )
    assert contract.prologue is None
    assert [state.initial.kind for state in contract.states] == ["conditioning"]


def test_a_state_for_an_unknown_batch_is_refused() -> None:
    with pytest.raises(NotStreamable, match=r"depends on an input and on the batch, which that input does not show"):
        checked(
            lambda m, x, z: m.gru(x, m.fc(z).expand(x.size(0), -1).unsqueeze(0) * 2)[0],
            z="float32[4]",
            fc=nn.Linear(4, 5),
            gru=nn.GRU(4, 5, batch_first=True),
        )


def test_recurrent_weights_from_conditioning_are_refused() -> None:
    class Hyper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 20)

        def forward(self, x: Tensor, z: Tensor) -> Tensor:
            w, r = self.fc(z).view(5, 4), torch.eye(5)
            h = x.new_zeros(1, x.size(0), 5)
            return torch.rnn_tanh(x, h, [w, r], False, 1, 0.0, False, False, True)[0]

    with pytest.raises(NotStreamable, match=r"its weights are computed from an input. Keep the weights fixed"):
        check_rule(Hyper(), {"x": FRAMES, "z": "float32[4]"})


def test_frames_from_conditioning_stand_in_front_of_time() -> None:
    """With known ones before and behind them, behind look-ahead, into a recurrence: T frames in, T + 4 out."""
    contract = checked(
        lambda m, x, z: m.gru(
            torch.cat(
                [m.start.weight.expand(x.size(0), -1, -1), m.fc(z).unflatten(1, (2, 4)), z[:, None], m.conv(x.mT).mT], 1
            )
        )[0],
        start=nn.Embedding(1, 4),
        fc=nn.Linear(4, 8),
        conv=nn.Conv1d(4, 4, 3, padding=1),
        gru=nn.GRU(4, 5, batch_first=True),
    )
    assert {state.initial.kind for state in contract.states if state.name.startswith("cat")} >= {"prologue"}


# -- the two files ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exported translation model, only read."""
    folder = tmp_path_factory.mktemp("translation")
    torch.manual_seed(0)
    edgeseq.export(LuongSeq2Seq(), INPUTS, folder / "m.onnx")
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(exported, tmp_path / "copy")
    return tmp_path / "copy"


def answer(stream: runtime.Stream, frames: Any) -> np.ndarray[Any, Any]:
    """What a step gives for the only output."""
    return np.asarray(stream.step(frames))


def tokens(*shape: int) -> np.ndarray[Any, Any]:
    """Random words."""
    return np.random.default_rng(3).integers(1, 40, shape)


def test_two_exports_give_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    edgeseq.export(LuongSeq2Seq(), INPUTS, tmp_path / "m.onnx")
    assert sorted(path.name for path in exported.iterdir()) == ["m.golden.npz", "m.onnx", "m.prologue.onnx"]
    for path in exported.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_a_stream_runs_the_prologue_once_and_reset_does_not(exported: Path) -> None:
    model = runtime.load(exported / "m.onnx")
    assert model.prologue is not None
    runs: list[None] = []

    class Counting:
        def run(self, *given: Any) -> Any:
            runs.append(None)
            return session.run(*given)

    session, counted = model.prologue.session, replace(model.prologue, session=Counting())
    stream = replace(model, prologue=counted).stream(conditioning={"src": tokens(1, 7)})
    first = stream.step(tokens(1, 5))
    stream.reset()
    np.testing.assert_array_equal(stream.step(tokens(1, 5)), first)
    assert len(runs) == 1


def test_streams_of_other_sources_are_independent(exported: Path) -> None:
    model = runtime.load(exported / "m.onnx")
    one, other = (model.stream(conditioning={"src": tokens(1, size)}) for size in (3, 11))
    alone = answer(model.stream(conditioning={"src": tokens(1, 3)}), tokens(1, 4))
    frames = [tokens(1, 4)[:, t : t + 1] for t in range(4)]
    found = [(answer(one, frame), answer(other, frame))[0] for frame in frames]
    np.testing.assert_allclose(np.concatenate(found, 1), alone, atol=1e-6)


def test_an_empty_source_is_refused(exported: Path) -> None:
    with pytest.raises(ShapeError, match=r"^src has the wrong shape \(got \[1, 0\], wanted \[1, source\]\)"):
        runtime.load(exported / "m.onnx").stream(conditioning={"src": tokens(1, 0)})


def test_a_source_beyond_its_table_is_refused(exported: Path) -> None:
    model = runtime.load(exported / "m.onnx")
    with pytest.raises(ProviderError, match=r"^onnxruntime failed in the prologue: .*Check src"):
        model.stream(conditioning={"src": tokens(1, 3) + 40})


def test_a_missing_prologue_is_named(folder: Path) -> None:
    (folder / "m.prologue.onnx").rename(folder / "other.onnx")
    with pytest.raises(ModelFileError) as caught:
        runtime.load(folder / "m.onnx", allow_unverified=True)
    assert str(caught.value) == (
        f"the model's prologue is missing at {folder / 'm.onnx'}: what depends on the conditioning alone is computed "
        "by a second file (wanted 'm.prologue.onnx'). Copy it into the same folder under this name; to rename both, "
        "export the model again."
    )


def test_the_model_file_alone_may_be_renamed(folder: Path) -> None:
    (folder / "m.onnx").rename(folder / "n.onnx")
    stream = runtime.load(folder / "n.onnx").stream(conditioning={"src": tokens(1, 3)})
    assert answer(stream, tokens(1, 2)).shape == (1, 2, 40)


def test_another_prologue_is_refused(folder: Path, tmp_path: Path) -> None:
    """One of the same model with other weights: every shape fits."""
    torch.manual_seed(1)
    edgeseq.export(LuongSeq2Seq(), INPUTS, tmp_path / "m.onnx", golden=False)
    shutil.copy(tmp_path / "m.prologue.onnx", folder)
    with pytest.raises(
        ContractError, match=r"m.prologue.onnx, its prologue, was changed after verification or is anot"
    ):
        runtime.load(folder / "m.onnx")
    assert runtime.load(folder / "m.onnx", allow_unverified=True).prologue is not None


def test_a_prologue_with_other_ends_is_refused(folder: Path, tmp_path: Path) -> None:
    edgeseq.export(TutorialSeq2Seq(), INPUTS, tmp_path / "m.onnx", golden=False)
    shutil.copy(tmp_path / "m.prologue.onnx", folder)
    with pytest.raises(ContractError, match=r"the contract names outputs that the graph lacks: attention.value, "):
        runtime.load(folder / "m.onnx", allow_unverified=True)


def test_a_prologue_outside_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "m.prologue.onnx").rename(tmp_path / "elsewhere.onnx")
    (folder / "m.prologue.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(ModelFileError, match=r"^the model names a prologue outside its folder"):
        runtime.load(folder / "m.onnx")


def test_a_prologue_that_gives_another_shape_than_promised_is_refused(folder: Path) -> None:
    """The graph says nothing of dynamic axes: what comes out is held against what is known."""
    contract = describe(folder / "m.onnx").contract
    ports = tuple(
        replace(port, shape=("batch", "batch", 12)) if port.name == "encoder.value" else port for port in contract.ports
    )
    seal(folder / "m.onnx", replace(contract, ports=ports))
    model = runtime.load(folder / "m.onnx", allow_unverified=True)
    with pytest.raises(ContractError, match=r"^the prologue gives another encoder.value than the contract says"):
        model.stream(conditioning={"src": tokens(1, 3)})


def test_golden_trace_and_laws_hold_on_both_files(folder: Path) -> None:
    assert runtime.replay(folder / "m.onnx").passed
    torch.manual_seed(0)
    from edgeseq.exporters import verify

    assert verify(folder / "m.onnx", LuongSeq2Seq()).passed


def test_weights_of_both_files_may_lie_beside_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    edgeseq.export(TutorialSeq2Seq(), INPUTS, tmp_path / "m.onnx", external_data=True, golden=False)
    names = ["m.onnx", "m.onnx.data", "m.prologue.onnx", "m.prologue.onnx.data"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    stream = runtime.load(tmp_path / "m.onnx").stream(conditioning={"src": tokens(1, 3)})
    assert answer(stream, tokens(1, 2)).shape == (1, 2, 40)


def test_a_new_export_takes_the_old_prologue_away(tmp_path: Path) -> None:
    torch.manual_seed(0)
    edgeseq.export(TutorialSeq2Seq(), INPUTS, tmp_path / "m.onnx", external_data=True)
    edgeseq.export(nn.GRU(4, 5, batch_first=True), {"input": FRAMES}, tmp_path / "m.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.golden.npz", "m.onnx"]
