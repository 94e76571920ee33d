"""Going back: snapshot, restore, fork and rewind go on bit for bit as the stream did, or refuse and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeseq import runtime
from edgeseq.contract import Initial
from edgeseq.errors import ContextFull, ContractError, StreamEnded, UsageError
from edgeseq.runtime.devices import Device
from tests import handmade
from tests.handmade import Handmade

Array = npt.NDArray[Any]
Load = Callable[[Handmade], runtime.Model]

MADE = {
    "gru": handmade.gru(),
    "causal_conv": handmade.causal_conv(),
    "centred_conv": handmade.centred_conv(),
    "centred_conv_then_sum": handmade.centred_conv_then_sum(),
    "strided_conv": handmade.strided_conv(),
    "left_context": handmade.left_context(),
    "attention": handmade.attention(),
    "scaled_sum": handmade.scaled_sum(),
}


def inputs(made: Handmade, time: int, seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    features = [(port.name, int(port.shape[2])) for port in made.contract.with_role("frame")]
    return {name: random.standard_normal((1, time, width)).astype(np.float32) for name, width in features}


def opened(model: runtime.Model, **more: Any) -> runtime.Stream:
    scale = {"scale": np.full((1, 2), 0.5, np.float32)}
    given = scale if any(port.name == "scale" for port in model.contract.ports) else None
    return model.stream(**{"conditioning": given, **more})


def go_on(stream: runtime.Stream, x: dict[str, Array], sizes: list[int], flush: bool = True) -> list[Array]:
    """Every answer from here on: steps of these sizes, then what is owed."""
    found, begin = [], 0
    for size in sizes:
        found += arrays(stream.step({name: array[:, begin : begin + size] for name, array in x.items()}))
        begin += size
    return found + (arrays(stream.flush()) if flush else [])


def arrays(answer: Array | dict[str, Array]) -> list[Array]:
    return list(answer.values()) if isinstance(answer, dict) else [answer]


def same(left: list[Array], right: list[Array]) -> bool:
    return len(left) == len(right) and all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("taken", [0, 1, 2, 5, 300])
def test_what_follows_is_bit_for_bit_what_followed(load: Load, name: str, taken: int) -> None:
    """By restore into itself, into a fresh stream, through bytes, and by fork; frames that wait and delays included."""
    model, made = load(MADE[name]), MADE[name]
    stream, sizes = opened(model), [1, 3, 2, 1, 1, 1]
    if taken:
        go_on(stream, inputs(made, taken, 1), [1] * (taken % 5) + [5] * (taken // 5), flush=False)
    kept, twin = stream.snapshot(), stream.fork()
    counts = (stream.position, stream.frames_in, stream.frames_waiting, stream.frames_out)
    x = inputs(made, sum(sizes))
    wanted = go_on(stream, x, sizes)
    assert (twin.position, twin.frames_in, twin.frames_waiting, twin.frames_out) == counts
    assert same(go_on(twin, x, sizes), wanted)
    for other in (stream, opened(model)):
        other.restore(kept)
        assert (other.position, other.frames_in, other.frames_waiting, other.frames_out) == counts
        assert same(go_on(other, x, sizes), wanted)
    stream.restore(runtime.Snapshot.from_bytes(kept.to_bytes()))
    assert same(go_on(stream, x, sizes), wanted)
    assert not same(go_on(opened(model), inputs(made, sum(sizes), 7), sizes), wanted)


@pytest.mark.parametrize("name", MADE)
def test_the_bytes_are_the_same_on_every_device(load: Load, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A stand-in for a device with memory of its own."""
    model, made = load(MADE[name]), MADE[name]
    stream, x = opened(model), inputs(made, 5)
    go_on(stream, x, [2, 3], flush=False)
    bytes_here = stream.snapshot().to_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Device, "shares_memory", False)
        there = opened(model)
        go_on(there, x, [2, 3], flush=False)
        assert there.snapshot().to_bytes() == bytes_here
        moved = opened(model)
        moved.restore(runtime.Snapshot.from_bytes(bytes_here))
        twin = moved.fork()
        assert same(go_on(moved, x, [1, 4]), go_on(twin, x, [1, 4]))
    assert same(go_on(stream, x, [1, 4]), go_on(there, x, [1, 4]))


def test_twins_go_separate_ways(load: Load) -> None:
    for made in MADE.values():
        stream, x, y = opened(load(made)), inputs(made, 6), inputs(made, 6, 2)
        go_on(stream, x, [3, 3], flush=False)
        alone = stream.fork()
        twin = stream.fork()
        found: tuple[list[Array], list[Array]] = ([], [])
        for i in range(6):
            found[0].extend(go_on(stream, {n: a[:, i : i + 1] for n, a in x.items()}, [1], flush=False))
            found[1].extend(go_on(twin, {n: a[:, i : i + 1] for n, a in y.items()}, [1], flush=False))
        assert same(go_on(alone, x, [1] * 6, flush=False), found[0])
        assert not same(found[0], found[1])


def test_a_fork_shares_what_does_not_change(load: Load) -> None:
    stream = opened(load(handmade.scaled_sum()))
    twin = stream.fork()
    assert twin._opening is stream._opening
    assert twin._feeder._calls._shared["scale"] is stream._feeder._calls._shared["scale"]


def test_an_ended_stream_comes_back(load: Load) -> None:
    stream, x = load(handmade.centred_conv()).stream(), inputs(handmade.centred_conv(), 6)
    go_on(stream, x, [4], flush=False)
    kept = stream.snapshot()
    wanted = go_on(stream, x, [1, 2])
    ended = stream.snapshot()
    stream.restore(kept)
    assert not stream.ended
    assert same(go_on(stream, x, [1, 2]), wanted)
    stream.reset()
    stream.restore(runtime.Snapshot.from_bytes(ended.to_bytes()))
    assert (stream.ended, stream.frames_in, stream.frames_out) == (True, 7, 7)
    assert stream.fork().ended
    with pytest.raises(StreamEnded):
        stream.step(x["x"])


def test_what_was_missing_comes_back(load: Load) -> None:
    model, x = load(handmade.gru()), inputs(handmade.gru(), 4)["x"]
    stream = model.stream(on_missing="hold")
    stream.step(x[:, :2])
    stream.missing(1)
    kept = runtime.Snapshot.from_bytes(stream.snapshot().to_bytes())
    twin = stream.fork()
    stream.step(x[:, 2:])
    stream.restore(kept)
    assert stream.frames_missing == twin.frames_missing == 1
    np.testing.assert_array_equal(stream.missing(2), twin.missing(2))
    plain = model.stream()
    plain.restore(kept)
    plain.step(x)
    with pytest.raises(UsageError, match=r"^the snapshot does not hold the last frames: .* Open both alike\.$"):
        stream.restore(plain.snapshot())


@pytest.mark.parametrize("room", [None, 600])
def test_caches_grow_for_a_snapshot(load: Load, room: int | None) -> None:
    model, x = load(handmade.attention(2000)), inputs(handmade.attention(), 500)["x"]
    stream = model.stream(max_context=room)
    stream.step(x[:, :400])
    kept = stream.snapshot()
    assert kept.states["cache"].shape == (1, 400, 2)
    wanted = stream.step(x[:, 400:])
    other = model.stream()
    other.restore(kept)
    np.testing.assert_array_equal(other.step(x[:, 400:]), wanted)
    small = model.stream(max_context=300)
    first = small.step(x[:, :10])
    with pytest.raises(UsageError) as caught:
        small.restore(kept)
    assert str(caught.value) == (
        "the snapshot holds more frames than this stream takes (got 400, wanted at most 300). "
        "Open a stream with a larger max_context."
    )
    assert small.position == 10
    small.reset()
    np.testing.assert_array_equal(small.step(x[:, :10]), first)


def test_a_longer_cache_forgets_the_entries_of_before(load: Load) -> None:
    model, x = load(handmade.attention()), inputs(handmade.attention(), 100)["x"]
    stream = model.stream()
    stream.step(x[:, :3])
    kept = stream.snapshot()
    stream.step(x[:, 3:])
    stream.restore(kept)
    cache = stream._feeder._states._sides[stream._feeder.side]["cache"].array
    assert cache is not None
    np.testing.assert_array_equal(cache[:, 3:], 0)


def test_a_cache_that_starts_otherwise_than_at_zero(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    made = handmade.attention()
    position, cache = made.contract.states
    filled = made.with_contract(states=(position, replace(cache, initial=Initial("fill", value=7.0))))
    x = inputs(made, 600)["x"]
    stream = load(filled).stream()
    for step in (stream, stream.fork()):
        step.step(x[:, :5])
        for _ in range(2):
            step.step(x[:, 5:])
            step.reset()
            now = step._feeder._states._sides[0]["cache"].array
            assert now is not None
            np.testing.assert_array_equal(now, 7)


def test_no_state_enters_another_model(load: Load) -> None:
    here, there = load(handmade.gru()), load(handmade.gru(4, 6))
    stream = there.stream()
    with pytest.raises(ContractError) as caught:
        stream.restore(here.stream().snapshot())
    assert str(caught.value) == (
        f"the snapshot is another model's (got {here.digest}, wanted {there.digest}). "
        "Restore it into a stream of the file it was taken from."
    )


def test_other_weights_under_the_same_contract_are_another_model(load: Load, tmp_path: Path) -> None:
    """A file changed after it was verified keeps its contract, and the digest that stands there."""
    made = handmade.gru()
    path = Path(made.save(tmp_path / "m.onnx"))
    here = runtime.load(path)
    weights = made.weights["b"].tobytes()
    assert path.read_bytes().count(weights) == 1
    path.write_bytes(path.read_bytes().replace(weights, (made.weights["b"] + 1).tobytes()))
    there = runtime.load(path, allow_unverified=True)
    assert there.contract == here.contract
    with pytest.raises(ContractError, match=r"^the snapshot is another model's"):
        there.stream().restore(here.stream().snapshot())


def test_no_state_enters_another_batch_or_other_conditioning(load: Load) -> None:
    model = load(handmade.scaled_sum())
    kept = opened(model).snapshot()
    two = model.stream(2, {"scale": np.ones((2, 2), np.float32)})
    with pytest.raises(UsageError, match=r"^the snapshot has another batch \(got 1, wanted 2\)\."):
        two.restore(kept)
    other = model.stream(conditioning={"scale": np.ones((1, 2), np.float32)})
    with pytest.raises(UsageError, match=r"^the snapshot is of a stream with other conditioning \(got sha256:"):
        other.restore(kept)
    seeded = model.stream(conditioning={"scale": np.full((1, 2), 0.5, np.float32), "seed": np.ones((1, 2), np.float32)})
    with pytest.raises(UsageError, match="other conditioning"):
        seeded.restore(kept)


def test_a_closed_stream_has_no_state(load: Load) -> None:
    stream = load(handmade.gru()).stream()
    kept = stream.snapshot()
    stream.close()
    for refused in (stream.snapshot, stream.fork, lambda: stream.restore(kept), lambda: stream.rewind(0)):
        with pytest.raises(StreamEnded, match=r"^the stream is closed\."):
            refused()


def test_a_snapshot_shows_itself_and_is_not_to_be_written_to(load: Load) -> None:
    stream = load(handmade.strided_conv()).stream()
    stream.step(np.ones((1, 3, 2), np.float32))
    kept = stream.snapshot()
    assert repr(kept) == "Snapshot(batch=1, position=2, waiting=1, nbytes=16)"
    for _, _, array in kept.arrays():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


# rewind -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[1] * 8, [3, 5], [8]])
@pytest.mark.parametrize("back", [1, 3, 8])
def test_caches_go_back_by_a_count(load: Load, sizes: list[int], back: int) -> None:
    model, made = load(handmade.attention()), handmade.attention()
    stream, x, other = model.stream(), inputs(made, 8), inputs(made, 8, 5)
    go_on(stream, x, sizes, flush=False)
    stream.rewind(back)
    assert (stream.position, stream.frames_in) == (8 - back, 8 - back)
    fresh = model.stream()
    if back < 8:
        go_on(fresh, x, [8 - back], flush=False)
    np.testing.assert_array_equal(stream.step(other["x"]), fresh.step(other["x"]))
    stream.rewind(0)
    assert stream.position == 16 - back


def test_a_rewound_stream_starts_anew_as_any_other(load: Load) -> None:
    model, x = load(handmade.attention()), inputs(handmade.attention(), 40)["x"]
    stream = model.stream()
    for i in range(40):
        stream.step(x[:, i : i + 1])
    stream.rewind(39)
    stream.reset()
    cache = stream._feeder._states._sides[0]["cache"].array
    assert cache is not None
    np.testing.assert_array_equal(cache, 0)


def test_a_kept_snapshot_is_gone_back_to(load: Load) -> None:
    stream, x = load(handmade.gru()).stream(), inputs(handmade.gru(), 9)["x"]
    stream.step(x[:, :3])
    stream.snapshot(keep=True)
    wanted = stream.step(x[:, 3:6])
    stream.snapshot(keep=True)
    stream.rewind(3)
    np.testing.assert_array_equal(stream.step(x[:, 3:6]), wanted)
    with pytest.raises(UsageError) as caught:
        stream.rewind(1)
    assert str(caught.value) == (
        "this stream cannot take back 1 frames: the state h does not keep what it was. "
        "Keep a snapshot where you may go back to: stream.snapshot(keep=True)."
    )
    twin = stream.fork()
    twin.rewind(3)
    assert (twin.position, stream.position) == (3, 6)
    stream.reset()
    stream.step(x)
    with pytest.raises(UsageError):
        stream.rewind(6)


def test_what_was_kept_of_another_past_is_forgotten(load: Load) -> None:
    """After restore to 2, the snapshot at 4 is no place that this stream has been at."""
    stream, x = load(handmade.gru()).stream(), inputs(handmade.gru(), 9)["x"]
    stream.step(x[:, :2])
    early = stream.snapshot()
    stream.step(x[:, :2])
    stream.snapshot(keep=True)
    stream.restore(early)
    stream.step(x[:, 2:5])
    with pytest.raises(UsageError):
        stream.rewind(1)


def test_so_many_snapshots_are_kept(load: Load) -> None:
    stream, x = load(handmade.gru()).stream(), inputs(handmade.gru(), 1)["x"]
    for _ in range(40):
        stream.step(x)
        stream.snapshot(keep=True)
    assert len(stream._kept) == 16
    stream.rewind(15)
    with pytest.raises(UsageError):
        stream.rewind(1)


@pytest.mark.parametrize(
    ("name", "frames", "why"),
    [
        ("gru", 1, "the state h does not keep what it was"),
        ("left_context", 1, "x depends on frames that are not kept"),
        ("scaled_sum", 1, "sum depends on frames that are not kept"),
        ("strided_conv", 3, "the graph takes 2 frames at a time: it can go back to a multiple of 2 only"),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(load: Load, name: str, frames: int, why: str) -> None:
    stream, x = opened(load(MADE[name])), inputs(MADE[name], 8)
    go_on(stream, x, [4], flush=False)
    with pytest.raises(UsageError) as caught:
        stream.rewind(frames)
    assert why in str(caught.value)
    fresh = opened(load(MADE[name]))
    go_on(fresh, x, [4], flush=False)
    assert same(go_on(stream, x, [1, 2]), go_on(fresh, x, [1, 2]))


def test_waiting_frames_are_taken_back(load: Load) -> None:
    made = handmade.strided_conv()
    stream, x = load(made).stream(), inputs(made, 8)["x"]
    stream.step(x[:, :3])
    stream.rewind(1)
    fresh = load(made).stream()
    fresh.step(x[:, :2])
    np.testing.assert_array_equal(stream.step(x[:, 4:]), fresh.step(x[:, 4:]))


@pytest.mark.parametrize("policy", ["hold", "zero"])
def test_frames_that_were_missing_are_not_taken_back_unseen(load: Load, policy: str) -> None:
    stream = load(handmade.attention()).stream(on_missing=policy)
    stream.step(np.ones((1, 4, 2), np.float32))
    stream.missing(1)
    with pytest.raises(UsageError, match="which frames were missing before is not kept"):
        stream.rewind(1)


def test_no_more_is_taken_back_than_was_given(load: Load) -> None:
    stream = load(handmade.attention()).stream()
    stream.step(np.ones((1, 4, 2), np.float32))
    with pytest.raises(UsageError, match=r"^there are not so many frames to take back \(got 5, wanted at most 4\)\."):
        stream.rewind(5)
    with pytest.raises(UsageError, match="frames must be a whole number from 0"):
        stream.rewind(-1)


def test_a_full_context_has_room_again(load: Load) -> None:
    stream, x = load(handmade.attention(64)).stream(max_context=4), np.ones((1, 4, 2), np.float32)
    stream.step(x)
    with pytest.raises(ContextFull):
        stream.step(x[:, :1])
    stream.rewind(2)
    stream.step(x[:, :2])
