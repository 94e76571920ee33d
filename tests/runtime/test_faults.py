"""Whatever goes wrong in the middle of a call, a stream is at its last good state or says that it needs a reset."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import EdgeseqError, ProviderError
from edgeseq.runtime.engine import engine_errors
from tests.handmade import Handmade
from tests.runtime.test_snapshots import MADE, Array, Load, arrays, inputs, opened, same

FAIL = next(error for error in engine_errors() if error.__name__ == "Fail")
ERRORS = {"provider": FAIL, "memory": MemoryError, "interrupt": KeyboardInterrupt, "exit": SystemExit}
Call = Callable[[runtime.Stream, dict[str, Array]], object]


def part(x: dict[str, Array], begin: int, end: int) -> dict[str, Array]:
    return {name: array[:, begin:end] for name, array in x.items()}


def out_of(stream: runtime.Stream, made: Handmade, frames: int) -> Any:
    ports = [port for port in made.contract.ports if port.role == "output"]
    if len(ports) > 1:
        return None
    expected = stream.expect(frames)
    return np.empty((1, expected, ports[0].shape[2]), np.float32)


def fed_alike(model: runtime.Model, stream: runtime.Stream, x: dict[str, Array], gap: int | None) -> runtime.Stream:
    """A fresh stream that has taken what ``stream`` says that it has, the gap at frame ``gap`` included."""
    fresh = opened(model, on_missing="hold")
    for frame in range(stream.frames_in):
        if frame == gap:
            fresh.missing(1)
        else:
            fresh.step(part(x, frame, frame + 1))
    if stream.ended:
        fresh.flush()
    return fresh


def check(model: runtime.Model, stream: runtime.Stream, x: dict[str, Array], gap: int | None = None) -> bool:
    """The stream is one that has taken ``frames_in`` frames, or it is broken and starts anew; whether it is broken."""
    try:
        found = stream.snapshot()
    except ProviderError:
        with pytest.raises(ProviderError, match=r"^the stream is broken: .* Call reset\(\)"):
            stream.step(part(x, 0, 1))
        stream.reset()
        fresh = opened(model, on_missing="hold")
        for frame in range(6):
            assert same(*(arrays(each.step(part(x, frame, frame + 1))) for each in (stream, fresh)))
        return True
    fresh = fed_alike(model, stream, x, gap)
    for (group, name, got), (_, _, wanted) in zip(found.arrays(), fresh.snapshot().arrays(), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6, err_msg=f"{group} {name}")
    assert found.position == fresh.position
    if not stream.ended:
        ahead = stream.frames_in
        for frame in range(ahead, ahead + 3):
            both = [arrays(each.step(part(x, frame, frame + 1))) for each in (stream, fresh)]
            for got, wanted in zip(*both, strict=True):
                np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    return False


CALLS: dict[str, Call] = {
    "step": lambda stream, x: stream.step(part(x, 6, 7)),
    "a chunk": lambda stream, x: stream.step(part(x, 6, 9)),
    "reset": lambda stream, x: stream.reset(),
    "missing": lambda stream, x: stream.missing(1),
    "flush": lambda stream, x: stream.flush(),
    "restore": lambda stream, x: stream.restore(stream.snapshot()),
    "fork": lambda stream, x: stream.fork(),
}


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("call", ["step", "a chunk", "missing", "flush"])
@pytest.mark.parametrize("name", MADE)
def test_a_run_that_raises(
    load: Load, monkeypatch: pytest.MonkeyPatch, name: str, call: str, error: str, late: bool
) -> None:
    """``after``: the graph has run, its results are there, and then it comes."""
    model, x = load(MADE[name]), inputs(MADE[name], 16)
    stream = opened(model, on_missing="hold")
    for frame in range(6):
        stream.step(part(x, frame, frame + 1))
    run = stream._feeder.run

    def failing(handle: Any, options: Any) -> None:
        if late:
            run(handle, options)
        raise ERRORS[error]("on purpose")

    before = stream.frames_in
    with monkeypatch.context() as patch:
        patch.setattr(stream._feeder, "run", failing)
        try:
            CALLS[call](stream, x)
        except (EdgeseqError, KeyboardInterrupt, SystemExit):
            assert stream.frames_in == before
    gap = 6 if call == "missing" and stream.frames_in == 7 else None
    # Where an output stands for all frames so far, its value before the call is lost.
    assert check(model, stream, x, gap) == (name == "scaled_sum" and stream.frames_in == before and call != "flush")


class Tripwire:
    """Raises KeyboardInterrupt at the ``at``-th place where CPython might, of those inside the runtime."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: Any, event: str, argument: object) -> None:
        if "/edgeseq/runtime/" not in frame.f_code.co_filename or event not in ("c_return", "call"):
            return
        self.left -= 1
        if self.left < 0:
            sys.setprofile(None)
            raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # one inside a generator that is dropped
@pytest.mark.parametrize("call", [*CALLS, "step into out"])
@pytest.mark.parametrize("name", ["gru", "strided_conv", "attention", "left_context", "centred_conv_then_sum"])
def test_an_interrupt_at_any_place(load: Load, name: str, call: str) -> None:
    """Signals are looked at when a function begins and when a call of C returns; here one comes at each in turn."""
    model, x, at, broken = load(MADE[name]), inputs(MADE[name], 16), 0, 0
    while True:
        stream = opened(model, on_missing="hold")
        for frame in range(6):
            stream.step(part(x, frame, frame + 1))
        into = out_of(stream, MADE[name], 1)
        wire = Tripwire(at)
        sys.setprofile(wire)
        try:
            if call == "step into out":
                stream.step(part(x, 6, 7), out=into)
            else:
                CALLS[call](stream, x)
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        gap = 6 if call == "missing" and stream.frames_in == 7 else None
        broken += check(model, stream, x, gap)
        if wire.left >= 0:
            break
        at += 1
    assert at > 10
    assert broken < at


def test_the_check_can_fail(load: Load) -> None:
    model, x = load(MADE["gru"]), inputs(MADE["gru"], 16)
    stream = opened(model, on_missing="hold")
    for frame in range(6):
        stream.step(part(x, frame, frame + 1))
    stream._feeder.fed -= 1
    with pytest.raises(AssertionError):
        check(model, stream, x)
