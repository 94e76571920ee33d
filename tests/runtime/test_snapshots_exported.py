"""Going back in files as they are exported: GPTs by both op sets, a window of keys, an LSTM, a translation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

import edgeseq
from benchmarks.models import Block
from edgeseq import runtime
from edgeseq.errors import ContextFull, ProviderError, UsageError
from tests.attention_models import Sliding
from tests.models.seq2seq import TutorialSeq2Seq

Array = npt.NDArray[Any]
POSITIONS = 48


class GPT(nn.Module):
    """Two layers over tokens, with a table of positions."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(7, 16), nn.Embedding(POSITIONS, 16)
        self.blocks = nn.Sequential(Block(16, 2), Block(16, 2))
        self.head = nn.Linear(16, 7)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        out: torch.Tensor = self.head(self.blocks(x))
        return out


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(16, 8, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.lstm(x)[0]
        return out


TOKENS, FRAMES = {"tokens": "int64[batch,time]"}, {"x": "float32[batch,time,16]"}
MADE: dict[str, tuple[type[nn.Module], dict[str, str], Literal["ort", "portable"]]] = {
    "gpt": (GPT, TOKENS, "ort"),
    "portable gpt": (GPT, TOKENS, "portable"),
    "window": (Sliding, FRAMES, "ort"),
    "lstm": (Recurrent, FRAMES, "ort"),
    "translation": (TutorialSeq2Seq, {"src": "int64[batch,source]", "tgt": "int64[batch,time]"}, "ort"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


def model(folder: Path, name: str) -> runtime.Model:
    path = folder / f"{name.replace(' ', '_')}.onnx"
    if not path.exists():
        torch.manual_seed(0)
        make, inputs, ops = MADE[name]
        edgeseq.export(make().eval(), inputs, path, ops=ops)
    return runtime.load(path)


def opened(model: runtime.Model, seed: int = 0, **more: Any) -> runtime.Stream:
    source = np.random.default_rng(seed).integers(0, 5, (1, 6))
    given = {"src": source} if any(port.name == "src" for port in model.contract.ports) else None
    return model.stream(conditioning=given, **more)


def frames(model: runtime.Model, time: int, seed: int = 0) -> Array:
    random, port = np.random.default_rng(seed), model.contract.with_role("frame")[0]
    if port.dtype == "int64":
        return random.integers(0, 5, (1, time))
    return random.standard_normal((1, time, 16)).astype(np.float32)


def whole(stream: runtime.Stream, x: Array) -> Array:
    return np.asarray(stream.step(x))


def single(stream: runtime.Stream, x: Array) -> Array:
    return np.concatenate([stream.step(x[:, i : i + 1]) for i in range(x.shape[1])], axis=1)


@pytest.mark.parametrize("name", MADE)
def test_what_follows_is_bit_for_bit_what_followed(folder: Path, name: str) -> None:
    loaded = model(folder, name)
    x, stream = frames(loaded, 40), opened(loaded)
    stream.step(x[:, :9])
    single(stream, x[:, 9:15])
    kept, twin, drafts = stream.snapshot(), stream.fork(), frames(loaded, 7, 9)
    wanted = single(stream, x[:, 15:])
    single(twin, drafts)
    for other in (stream, opened(loaded), twin):
        other.restore(runtime.Snapshot.from_bytes(kept.to_bytes()))
        np.testing.assert_array_equal(single(other.fork(), x[:, 15:]), wanted)
        np.testing.assert_array_equal(single(other, x[:, 15:]), wanted)


@pytest.mark.parametrize("name", ["gpt", "portable gpt"])
@pytest.mark.parametrize("back", [1, 4, 15])
def test_drafts_are_taken_back(folder: Path, name: str, back: int) -> None:
    loaded = model(folder, name)
    x, drafts = frames(loaded, 30), frames(loaded, back, 3)
    stream, plain = opened(loaded), opened(loaded)
    for each in (stream, plain):
        single(each, x[:, :15])
    single(stream, drafts)
    stream.rewind(back)
    assert stream.position == 15
    np.testing.assert_array_equal(single(stream, x[:, 15:]), single(plain, x[:, 15:]))


@pytest.mark.parametrize("name", ["window", "lstm", "translation"])
def test_others_say_what_to_do(folder: Path, name: str) -> None:
    loaded = model(folder, name)
    x, stream = frames(loaded, 20), opened(loaded)
    single(stream, x[:, :5])
    stream.snapshot(keep=True)
    wanted = single(stream, x[:, 5:10])
    with pytest.raises(UsageError, match=r"does not keep what it was\. Keep a snapshot where you may go back to"):
        stream.rewind(2)
    stream.rewind(5)
    np.testing.assert_array_equal(single(stream, x[:, 5:10]), wanted)


def test_a_state_never_meets_another_sentence(folder: Path) -> None:
    loaded = model(folder, "translation")
    with pytest.raises(UsageError, match="the snapshot is of a stream with other conditioning"):
        opened(loaded, 1).restore(opened(loaded, 0).snapshot())


@pytest.mark.parametrize("name", ["gpt", "portable gpt"])
def test_a_full_context_is_refused_before_any_damage(folder: Path, name: str) -> None:
    loaded = model(folder, name)
    x = frames(loaded, POSITIONS)
    wanted, stream = whole(opened(loaded), x), opened(loaded)
    first = stream.step(x[:, :40])
    with pytest.raises(ContextFull) as caught:
        stream.step(x[:, :9])
    assert str(caught.value) == (
        "the context is full at position 40 (got 9 more frames, wanted at most 48 in all). Call reset(), or export the "
        "model with a larger max_context or a longer table of positions: the file ends here."
    )
    found = np.concatenate([first, single(stream, x[:, 40:])], axis=1)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(ContextFull):
        stream.step(x[:, :1])
    stream.rewind(1)
    stream.step(x[:, :1])


def test_a_window_of_keys_never_fills(folder: Path) -> None:
    loaded = model(folder, "window")
    stream, x = opened(loaded), frames(loaded, 64)
    held = stream.state_bytes
    for _ in range(40):
        stream.step(x)
    assert (stream.position, stream.state_bytes) == (2560, held)


def test_the_memory_of_a_cache_is_what_it_grew_to(folder: Path) -> None:
    """Keys and values of 2 layers of 16 numbers, in place; the position twice."""
    loaded = model(folder, "portable gpt")
    sizes = {}
    for room in (10, 20, 40):
        stream = opened(loaded, max_context=room)
        sizes[room] = stream.state_bytes
        assert stream.fork().state_bytes == stream.state_bytes
    assert sizes[20] - sizes[10] == 10 * (2 * 2 * 16 * 4)
    assert sizes[40] - sizes[20] == 20 * (2 * 2 * 16 * 4)


def test_a_prompt_in_one_call_is_what_steps_are(folder: Path) -> None:
    for name in MADE:
        loaded = model(folder, name)
        x, one, many = frames(loaded, 40), opened(loaded), opened(loaded)
        np.testing.assert_allclose(whole(one, x), single(many, x), rtol=1e-4, atol=1e-5)
        tail = frames(loaded, 5, 4)
        np.testing.assert_allclose(single(one, tail), single(many, tail), rtol=1e-4, atol=1e-5)


def test_a_failure_in_a_prompt_of_several_calls_asks_for_reset(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows are fed one frame a call: half of the prompt is in the cache."""
    loaded = model(folder, "gpt")
    x = np.repeat(frames(loaded, 8), 2, axis=0)
    stream = loaded.stream(batch=2)
    run, left = stream._feeder.run, [4]

    def fail(handle: Any, options: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        run(handle, options)

    with monkeypatch.context() as patch:
        patch.setattr(stream._feeder, "run", fail)
        with pytest.raises(KeyboardInterrupt):
            stream.step(x)
    with pytest.raises(ProviderError, match=r"^the stream is broken: .* Call reset\(\) to start anew\.$"):
        stream.step(x)
    stream.reset()
    np.testing.assert_allclose(whole(stream, x)[:1], whole(loaded.stream(), x[:1]), rtol=1e-4, atol=1e-5)
