"""CUDA graphs: what capturing and replaying may not do to a stream, over a stand-in for a GPU that captures.

The stand-in does what onnxruntime does (issue 32243): the first run of a number runs the model three times and records
it; later ones replay what was recorded, whatever they are given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import ProviderError, UsageError
from edgeseq.runtime import capture, feeder, providers
from edgeseq.runtime.capture import NONE, OPTION, Captured, Graphs
from edgeseq.runtime.devices import Device
from edgeseq.runtime.engine import bound_run, run_options
from tests import handmade

Run = Callable[[Any, Any], None]
PLAIN = run_options()


class Capturing:
    """onnxruntime with CUDA graphs, as far as a stream sees it. ``recorded`` holds what was captured, by number."""

    def __init__(self) -> None:
        self.recorded: dict[str, Any] = {}
        self.replays = self.ordinary = 0

    def bound_run(self, session: Any) -> Run:
        run = bound_run(session)

        def run_or_replay(handle: Any, options: Any) -> None:
            number = options.get_run_config_entry(OPTION)
            if number == NONE:
                self.ordinary += 1
                run(handle, PLAIN)
            elif number in self.recorded:
                self.replays += 1
                self.replay(run, self.recorded[number])
            else:
                self.recorded[number] = handle
                for _ in range(3):
                    run(handle, PLAIN)

        return run_or_replay

    def replay(self, run: Run, recorded: Any) -> None:
        run(recorded, PLAIN)


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Capturing:
    found = Capturing()
    monkeypatch.setattr(Device, "shares_memory", False)
    monkeypatch.setattr(feeder, "bound_run", found.bound_run)
    return found


def gru_in_place() -> handmade.Handmade:
    """A GRU of which the state is written where it is read."""
    made = handmade.gru()
    return made.with_contract(states=tuple(replace(state, in_place=True) for state in made.contract.states))


MADE = {
    "gru": handmade.gru(),
    "gru in place": gru_in_place(),
    "centred_conv_then_sum": handmade.centred_conv_then_sum(),
    "strided_conv": handmade.strided_conv(),
    "attention": handmade.attention(),
}


def opened(made: handmade.Handmade, tmp_path: Path, graphs: Graphs | None = None) -> runtime.Model:
    model = runtime.load(made.save(tmp_path / "m.onnx"))
    return replace(model, device=replace(model.device, graphs=graphs or Graphs()))


def frames_for(made: handmade.Handmade, count: int = 48) -> Any:
    features: Any = made.contract.ports[0].shape[-1]
    return np.random.default_rng(0).standard_normal((2, count, features)).astype(np.float32)


def whole(made: handmade.Handmade, model: runtime.Model, x: Any, sizes: list[int]) -> bool:
    """Whether a stream stepped by ``sizes``, over and over, gives what the whole sequence does."""
    multiple = made.contract.chunk.multiple
    stream, begin = model.stream(batch=2), 0
    parts: list[Any] = []
    while begin < x.shape[1]:
        size = sizes[len(parts) % len(sizes)] * multiple
        parts.append(stream.step(x[:, begin : begin + size]))
        begin += size
    parts.append(stream.flush())
    got = np.concatenate([np.asarray(part) for part in parts], axis=1)
    return bool(np.allclose(got, made.whole(x)[0], rtol=1e-4, atol=1e-4))


@pytest.mark.parametrize("name", MADE)
def test_captured_steps_keep_the_concatenation_law(tmp_path: Path, graphs: Capturing, name: str) -> None:
    made = MADE[name]
    assert whole(made, opened(made, tmp_path), frames_for(made), [1])
    assert graphs.replays > 4


@pytest.mark.parametrize("name", MADE)
def test_no_call_replays_the_graph_of_another(tmp_path: Path, graphs: Capturing, name: str) -> None:
    """Sizes that alternate, and caches that grow past their 256 frames."""
    made = MADE[name]
    assert whole(made, opened(made, tmp_path), frames_for(made, 600), [1, 2, 5])
    assert graphs.replays > 4


def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no replay be compared with an ordinary run."""
    monkeypatch.setattr(capture, "_values", lambda buffers: [])
    monkeypatch.setattr(Captured, "_spoil", lambda self, values: None)


def test_a_state_in_place_is_not_run_ahead(tmp_path: Path, graphs: Capturing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The protection does it: without it the extra runs of the capture go into the state, unless a check sees that."""
    made = MADE["gru in place"]
    monkeypatch.setattr(capture, "_put_back", lambda buffers, values: None)
    unchecked(monkeypatch)
    assert not whole(made, opened(made, tmp_path), frames_for(made), [1])


def test_one_number_for_both_sides_would_be_wrong(
    tmp_path: Path, graphs: Capturing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in tells graphs apart by their number alone, as onnxruntime does."""
    made = MADE["gru"]
    monkeypatch.setattr(capture, "_NUMBERS", iter([7] * 100))
    unchecked(monkeypatch)
    assert not whole(made, opened(made, tmp_path), frames_for(made), [1])


class Baked(Capturing):
    """A graph that goes on with the numbers of its capture: its answer is written, but to nowhere."""

    def replay(self, run: Run, recorded: Any) -> None:
        pass


@pytest.mark.parametrize("name", MADE)
def test_a_replay_that_differs_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    graphs = Baked()
    monkeypatch.setattr(Device, "shares_memory", False)
    monkeypatch.setattr(feeder, "bound_run", graphs.bound_run)
    made = MADE[name]
    assert whole(made, opened(made, tmp_path), frames_for(made), [1])


def test_a_capture_that_fails_is_left_alone(
    tmp_path: Path, graphs: Capturing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = MADE["gru in place"]

    def fails(session: Any) -> Run:
        run = graphs.bound_run(session)

        def run_or_fail(handle: Any, options: Any) -> None:
            run(handle, options)
            if options.get_run_config_entry(OPTION) != NONE:
                raise RuntimeError("operation not permitted when stream is capturing")

        return run_or_fail

    monkeypatch.setattr(feeder, "bound_run", fails)
    with caplog.at_level("INFO", "edgeseq.runtime"):
        assert whole(made, opened(made, tmp_path), frames_for(made), [1])
    assert "not captured as a CUDA graph: operation not permitted" in caplog.text
    stream = opened(made, tmp_path, Graphs(required=True)).stream(batch=2)
    x = frames_for(made)
    parts: list[Any] = [stream.step(x[:, i : i + 1]) for i in range(4)]  # two over each side of the states
    with pytest.raises(ProviderError, match="cannot be captured"):
        stream.step(x[:, 4:5])
    np.testing.assert_allclose(np.concatenate(parts, axis=1), made.whole(x)[0][:, :4], rtol=1e-4)


def test_graphs_are_not_without_end(tmp_path: Path, graphs: Capturing) -> None:
    made = MADE["gru"]
    model = opened(made, tmp_path, Graphs(most=2))
    for _ in range(3):
        assert whole(made, model, frames_for(made), [1])
    assert len(graphs.recorded) == 2


def test_another_thread_captures_for_itself(tmp_path: Path, graphs: Capturing) -> None:
    made = MADE["gru"]
    stream, x = opened(made, tmp_path).stream(batch=2), frames_for(made, 72)
    parts: list[Any] = [stream.step(x[:, i : i + 1]) for i in range(24)]
    before = dict(graphs.recorded)

    def more(begin: int) -> None:
        parts.extend(stream.step(x[:, i : i + 1]) for i in range(begin, begin + 12))

    for begin in (24, 36, 48, 60):  # the system gives them the numbers of those that are gone
        other = threading.Thread(target=more, args=(begin,))
        other.start()
        other.join()
    np.testing.assert_allclose(np.concatenate(parts, axis=1), made.whole(x)[0], rtol=1e-4, atol=1e-5)
    assert len(before) == 2
    assert len(graphs.recorded) == 10


def test_a_device_says_what_it_does(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="captured on an NVIDIA GPU"):
        runtime.load(handmade.gru().save(tmp_path / "m.onnx"), cuda_graph=True)
    assert str(Device("cuda", graphs=Graphs())) == "cuda:0, CUDA graph"


def test_what_cannot_be_captured_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_on(device: Device, path: str, threads: int, spinning: bool) -> Any:
        if ("enable_cuda_graph", "1") in device.options:
            raise ProviderError("no", why="the model has control flow nodes")
        return SimpleNamespace()

    monkeypatch.setattr(providers, "open_on", open_on)
    _, device = providers.open_captured(Device("cuda"), "m.onnx", 1, True, None)
    assert (device.graphs, device.uncaptured) == (None, "the model has control flow nodes")
    _, device = providers.open_captured(Device("cuda"), "m.onnx", 1, True, False)
    assert (device.graphs, device.uncaptured) == (None, None)
    with pytest.raises(ProviderError, match="control flow nodes"):
        providers.open_captured(Device("cuda"), "m.onnx", 1, True, True)
