"""Frames of earlier calls in front of every call: whole sequences from any chunks, and nothing changed by a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeseq import runtime
from edgeseq.contract import Chunk
from edgeseq.errors import ContractError, NonFiniteInput, ProviderError
from edgeseq.runtime.devices import Device
from tests import handmade
from tests.handmade import Handmade

Array = npt.NDArray[Any]
Load = Callable[[Handmade], runtime.Model]

MADE = {
    "any size": handmade.left_context(),
    "any size, time last": handmade.left_context(axis=2),
    "calls of three": handmade.left_context(3),
    "calls of one, time last": handmade.left_context(1, axis=2),
}
#: One size again and again takes the fast path; then others; then many calls' worth at once.
CHUNKS = [1, 1, 1, 4, 4, 4, 3, 3, 3, 2, 11, 1, 1]


def frames(made: Handmade, batch: int, total: int = sum(CHUNKS)) -> Array:
    shape = (batch, total, 2) if made.contract.ports[0].time_axis == 1 else (batch, 2, total)
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def pieces(x: Array, axis: int, chunks: list[int]) -> list[Array]:
    return np.split(x, np.cumsum(chunks)[:-1], axis)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", MADE)
def test_concatenation_law(load: Load, name: str, batch: int) -> None:
    made = MADE[name]
    axis, x = made.contract.ports[0].time_axis or 0, frames(made, batch)
    stream = load(made).stream(batch)
    for _ in range(2):
        parts: list[Any] = [stream.step(part) for part in pieces(x, axis, CHUNKS)]
        got = np.concatenate([*parts, stream.flush()], axis)
        np.testing.assert_allclose(got, made.whole(x)[0], atol=1e-6)
        stream.reset()


def test_the_law_can_fail(load: Load) -> None:
    """Another tenant's frames in front of the first chunk are seen."""
    made = MADE["any size"]
    x, stream = frames(made, 1), load(made).stream()
    stream.step(x[:, :1] + 1)
    assert np.abs(np.asarray(stream.step(x)) - made.whole(x)[0]).max() > 0.1


@pytest.mark.parametrize("name", ["any size", "any size, time last"])
def test_a_refused_step_changes_nothing(load: Load, name: str) -> None:
    made = MADE[name]
    axis, x = made.contract.ports[0].time_axis or 0, frames(made, 2, 9)
    stream = load(made).stream(2)
    parts: list[Any] = []
    for part in pieces(x, axis, [3, 3, 3]):
        bad = part.copy()
        bad.flat[-1] = np.nan
        with pytest.raises(NonFiniteInput):
            stream.step(bad)
        parts.append(stream.step(part))
    np.testing.assert_allclose(np.concatenate(parts, axis), made.whole(x)[0], atol=1e-6)


def test_huge_frames_are_finite(load: Load) -> None:
    """Their squares are not: neither those of new frames nor those of the history."""
    stream = load(MADE["any size"]).stream()
    for _ in range(4):
        answer = np.asarray(stream.step(np.full((1, 3, 2), 1e30, np.float32)))
        assert np.isfinite(answer).all()


@pytest.mark.parametrize("repeated", [False, True])
def test_a_run_that_fails_changes_nothing(load: Load, repeated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = MADE["any size"]
    x, stream = frames(made, 1, 8), load(made).stream()
    parts: list[Any] = [stream.step(x[:, :2]), stream.step(x[:, 2:4])]

    def failing(handle: Any, options: Any) -> None:
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(stream._feeder, "run", stream._feeder._overlaps.runner(failing))
        with pytest.raises(ProviderError, match="The stream is unchanged"):
            stream.step(x[:, :2] if repeated else x[:, :3])
    parts += [stream.step(x[:, 4:6]), stream.step(x[:, 6:8])]
    np.testing.assert_allclose(np.concatenate(parts, 1), made.whole(x)[0], atol=1e-6)


@pytest.mark.parametrize("policy", ["hold", "zero"])
def test_missing_frames_are_kept_too(load: Load, policy: str) -> None:
    made = MADE["any size"]
    x = frames(made, 1, 9)
    stream = load(made).stream(on_missing=policy)
    parts: list[Any] = [stream.step(x[:, :2]), stream.step(x[:, 2:4]), stream.missing(3), stream.step(x[:, 7:])]
    x[:, 4:7] = x[:, 3:4] if policy == "hold" else 0
    np.testing.assert_allclose(np.concatenate(parts, 1), made.whole(x)[0], atol=1e-6)


def test_into_a_buffer(load: Load) -> None:
    made = MADE["any size"]
    x, out = frames(made, 1, 9), np.empty((1, 9, 2), np.float32)
    stream = load(made).stream()
    for first in range(0, 9, 3):
        stream.step(x[:, first : first + 3], out=(part := np.empty((1, 3, 2), np.float32)))
        out[:, first : first + 3] = part
    np.testing.assert_allclose(out, made.whole(x)[0], atol=1e-6)


@pytest.mark.parametrize("name", MADE)
def test_where_frames_are_copied_to_a_device(load: Load, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: the graph's memory cannot be written from here but as a whole."""
    monkeypatch.setattr(Device, "shares_memory", False)
    made = MADE[name]
    axis, x = made.contract.ports[0].time_axis or 0, frames(made, 2)
    stream = load(made).stream(2)
    for _ in range(2):
        parts: list[Any] = [stream.step(part) for part in pieces(x, axis, CHUNKS)]
        got = np.concatenate([*parts, stream.flush()], axis)
        np.testing.assert_allclose(got, made.whole(x)[0], atol=1e-6)
        stream.reset()


def test_streams_do_not_share_their_past(load: Load) -> None:
    made = MADE["calls of three"]
    model, x = load(made), frames(made, 1, 12)
    one, other = model.stream(), model.stream()
    parts: list[Any] = []
    for first in range(0, 12, 3):
        other.step(-x[:, first : first + 3])
        parts.append(one.step(x[:, first : first + 3]))
    np.testing.assert_allclose(np.concatenate(parts, 1), made.whole(x)[0], atol=1e-6)


def test_memory_is_told(load: Load) -> None:
    stream = load(MADE["any size"]).stream(4)
    assert stream.state_bytes == 2 * (4 * 2 * 2 * 4)
    stream.close()
    assert stream.state_bytes == 0


REFUSED = {
    "an output": ("y", "exact"),
    "whole sequences": ("x", "sequence"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_overlap_where_there_is_no_previous_call(tmp_path: Path, case: str) -> None:
    name, mode = REFUSED[case]
    made = MADE["any size"]
    ports = tuple(replace(port, overlap=2 * (port.name == name)) for port in made.contract.ports)
    path = made.save(tmp_path / "m.onnx", replace(made.contract, ports=ports, mode={"name": mode}))
    with pytest.raises(ContractError) as caught:
        runtime.load(path)
    assert f"{name} overlaps a previous call, and has none (got overlap 2)" in str(caught.value)


def test_a_graph_of_another_size(tmp_path: Path) -> None:
    made = handmade.left_context(3)
    path = made.save(tmp_path / "m.onnx", replace(made.contract, chunk=Chunk(4, 4)))
    with pytest.raises(ContractError, match=r"input x has another shape \(got \[batch, 5, 2\], wanted \[batch, 6, 2\]"):
        runtime.load(path)


def test_an_overlap_that_no_file_justifies(tmp_path: Path) -> None:
    made = handmade.left_context()
    ports = (replace(made.contract.ports[0], overlap=2**30), made.contract.ports[1])
    path = made.save(tmp_path / "m.onnx", replace(made.contract, ports=ports))
    with pytest.raises(ContractError, match="asks for more than its file justifies"):
        runtime.load(path)
