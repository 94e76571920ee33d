"""The runner end to end, in a real process: its answers, its errors, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import (
    ContextFull,
    ContractError,
    EdgeseqError,
    ModelFileError,
    NonFiniteInput,
    ProviderError,
    QueueFull,
    ShapeError,
    StreamEnded,
    UsageError,
)
from edgeseq.runtime.answers import Answers
from edgeseq.runtime.devices import Array
from edgeseq.runtime.measuring.randoms import random_conditioning, random_frames
from edgeseq.runtime.paced import Dummy, Scheduling, Spin, Touch, board, wakes
from edgeseq.runtime.paced.failing import from_bytes, to_bytes
from edgeseq.runtime.paced.queues import PacedAnswer
from edgeseq.runtime.paced.warming import KeepWarm
from tests import handmade

Load = Callable[[handmade.Handmade], runtime.Model]
FRAMES = 12


def joined(answers: Iterable[Answers]) -> Array:
    return np.concatenate([np.asarray(answer) for answer in answers], axis=1)


def until_it_ends(runner: runtime.PacedRunner) -> list[PacedAnswer]:
    found = []
    try:
        while (answer := runner.get(timeout=30)) is not None:
            found.append(answer)
    except StreamEnded:
        return found
    raise AssertionError("no answer and no end within 30 seconds")


@pytest.mark.parametrize(("where", "keep_warm"), [("process", (Dummy(0.002), Spin(), Touch())), ("thread", None)])
def test_the_answers_are_those_of_a_plain_stream_bit_for_bit(load: Load, where: str, keep_warm: KeepWarm) -> None:
    model = load(handmade.centred_conv())
    x = np.random.default_rng(0).standard_normal((1, FRAMES, 2)).astype(np.float32)
    parts = [x[:, index : index + 1] for index in range(FRAMES)]
    with runtime.PacedRunner(
        model, 0.005, "catch-up", margin=0.2, queue=FRAMES, where=where, keep_warm=keep_warm
    ) as runner:
        assert all(runner.put(part) for part in parts)
        runner.finish()
        answers = until_it_ends(runner)
        report = runner.report()
    assert [answer.slot for answer in answers] == [*range(FRAMES), FRAMES]
    assert all(answer.due_ns == answers[0].due_ns + 5_000_000 * answer.slot for answer in answers[:FRAMES])
    assert report.frames == report.slots == FRAMES
    assert report.cpu_share > 0
    # What began together was one step: a busy machine may have put frames together.
    sizes = [len(list(group)) for _, group in groupby(answers[:-1], key=lambda answer: answer.begun_ns)]
    stream, ends = model.stream(), np.cumsum(sizes)[:-1]
    plain = [*(stream.step(part) for part in np.split(x, ends, axis=1)), stream.flush()]
    whole = joined(answer.answer for answer in answers)
    assert np.array_equal(whole, joined(plain))


def test_what_a_process_fails_with_reaches_the_caller_and_answers_before_it(load: Load) -> None:
    model = load(handmade.attention(max_context=8))
    x = np.zeros((1, 1, int(model.contract.with_role("frame")[0].shape[2])), np.float32)
    with runtime.PacedRunner(model, 0.001, "catch-up", queue=8, max_context=4, keep_warm=Dummy(1e-4)) as runner:
        for _ in range(6):
            runner.put(x)
        for _ in range(4):
            assert runner.get(timeout=30) is not None
        with pytest.raises(ContextFull):
            runner.get(timeout=30)
        with pytest.raises(ContextFull):
            runner.put(x)


CASES = {
    "two inputs, a summary, conditioning": handmade.scaled_sum(),
    "tokens": handmade.embedding(),
    "even calls": handmade.strided_conv(),
    "overlap": handmade.left_context(axis=2),
}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_port_comes_through(load: Load, name: str) -> None:
    model, random = load(CASES[name]), np.random.default_rng(0)
    conditioning = random_conditioning(model.contract, 2, random)
    chunks = [random_frames(model.contract, 2, 2, random) for _ in range(4)]
    stream = model.stream(2, conditioning)
    plain = [*map(stream.step, chunks), stream.flush()]
    with runtime.PacedRunner(
        model, 0.004, "catch-up", chunk=2, where="thread", batch=2, conditioning=conditioning, keep_warm=Dummy(1e-4)
    ) as runner:
        for chunk in chunks:
            runner.put(chunk)
        runner.finish()
        answers = until_it_ends(runner)
    # Summaries of frames that were stepped together are those after the last; the timed outputs are the same.
    for port in model.contract.with_role("output"):
        found, wanted = (
            [each[port.name] if isinstance(each, dict) else each for each in several]
            for several in ([answer.answer for answer in answers], plain)
        )
        if port.time_axis is None:
            np.testing.assert_allclose(found[-1], wanted[-1], rtol=1e-5)
        else:
            assert [each.shape for each in found] == [each.shape for each in wanted]
            got, plainly = (np.concatenate(several, port.time_axis) for several in (found, wanted))
            np.testing.assert_allclose(got, plainly, rtol=1e-5, atol=1e-6)


def test_where_processors_reorder_writes_a_byte_goes_with_everything(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No processor here does; what is done about it must not be in the way."""
    for module in (board, wakes):
        monkeypatch.setattr(module, "ORDERED", False)
    model, x = load(handmade.gru()), np.random.default_rng(0).standard_normal((1, FRAMES, 4)).astype(np.float32)
    with runtime.PacedRunner(model, 0.002, "catch-up", queue=FRAMES, where="thread") as runner:
        for index in range(FRAMES):
            runner.put(x[:, index : index + 1])
        runner.finish()
        found = joined(answer.answer for answer in until_it_ends(runner))
    np.testing.assert_allclose(found, np.asarray(model.run(x)), rtol=1e-5, atol=1e-6)


def test_a_killed_process_is_an_error_for_who_waits(load: Load) -> None:
    runner = runtime.PacedRunner(load(handmade.gru()), 0.01)
    assert runner.pid is not None
    os.kill(runner.pid, signal.SIGKILL)
    with pytest.raises(ProviderError, match=r"the paced loop ended on its own at .*: signal SIGKILL\."):
        runner.get(timeout=30)
    with pytest.raises(ProviderError):
        runner.put(np.zeros((1, 1, 4), np.float32))
    runner.close()
    with pytest.raises(StreamEnded, match="the runner is closed"):
        runner.get()


def test_a_file_that_is_gone_or_another_is_told(tmp_path: Path) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    model = runtime.load(path)
    handmade.attention(max_context=8).save(tmp_path / "m.onnx")
    with pytest.raises(ContractError, match="the file is not the one that was loaded"):
        runtime.PacedRunner(model, 0.01)
    os.unlink(path)
    with pytest.raises(ModelFileError, match="there is no file"):
        runtime.PacedRunner(model, 0.01)


def test_after_finish_no_frame_is_taken(load: Load) -> None:
    frame = np.zeros((1, 1, 4), np.float32)
    with runtime.PacedRunner(load(handmade.gru()), 60.0, where="thread") as runner:
        runner.put(frame)
        runner.finish()
        with pytest.raises(StreamEnded, match="takes no more frames"):
            runner.put(frame)


def test_who_waits_while_another_thread_closes_is_told_so(load: Load) -> None:
    model, told = load(handmade.gru()), []

    def wait(runner: runtime.PacedRunner) -> None:
        with pytest.raises(StreamEnded, match="the runner is closed") as caught:
            runner.get()
        told.append(caught.value)

    for _ in range(20):
        runner = runtime.PacedRunner(model, 60.0, where="thread")
        thread = threading.Thread(target=wait, args=(runner,))
        thread.start()
        time.sleep(0.002)
        runner.close()
        thread.join()
    assert len(told) == 20


@pytest.mark.parametrize("where", ["process", "thread"])
def test_a_fork_that_ends_ends_nothing_else(tmp_path: Path, where: str) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    code = f"""
import os, sys, time
import numpy as np
from edgeseq import runtime
with runtime.PacedRunner({path!r}, 0.01, "catch-up", where={where!r}) as runner:
    if (child := os.fork()) == 0:
        sys.exit()
    os.waitpid(child, 0)
    time.sleep(0.1)
    runner.put(np.zeros((1, 1, 4), np.float32))
    assert runner.get(timeout=30) is not None
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_process_that_cannot_be_started_is_an_error(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ProviderError, match="the paced process cannot be started"):
        runtime.PacedRunner(load(handmade.gru()), 0.01)


def test_bad_frames_and_a_full_queue_are_the_callers(load: Load) -> None:
    good = np.zeros((1, 1, 4), np.float32)
    with runtime.PacedRunner(load(handmade.gru()), 60.0, queue=2, where="thread") as runner:
        with pytest.raises(ShapeError):
            runner.put(good[0])
        with pytest.raises(UsageError, match="this is not one chunk"):
            runner.put(np.zeros((1, 2, 4), np.float32))
        with pytest.raises(NonFiniteInput):
            runner.put(good + np.float32("nan"))
        assert runner.put(good)
        assert runner.put(good)
        with pytest.raises(QueueFull, match=r"got 2 chunks"):
            runner.put(good)
        assert runner.get(timeout=0.01) is None
        assert runner.report().refused == 1


def test_full_queues_drop_or_wait_where_they_are_told_to(load: Load) -> None:
    good, model = np.zeros((1, 1, 4), np.float32), load(handmade.gru())
    for word in ("drop", "wait"):
        with runtime.PacedRunner(model, 60.0, queue=1, where="thread", on_full=word) as runner:
            assert runner.put(good)
            assert not runner.put(good, timeout=0.01)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"period": 0}, "period must be a number of seconds"),
        ({"on_late": "never"}, "unknown on_late"),
        ({"queue": 0}, "queue must be a whole number"),
        ({"answers": 10**12}, "answers must be a whole number from 1 to 65,536"),
        ({"on_full": "burst"}, "unknown on_full"),
        ({"where": "gpu"}, "unknown where"),
        ({"keep_warm": "spin"}, "unknown keep_warm"),
        ({"keep_warm": Dummy(0)}, "lead must be a number of seconds above 0"),
        ({"keep_warm": Spin("1ms")}, "lead must be a number of seconds above 0"),  # type: ignore[arg-type]
        ({"keep_warm": (Spin(), Spin(1.0))}, "keep_warm has one strategy twice"),
        ({"scheduling": {"fifo": 50}}, "no Scheduling .got dict"),
        ({"scheduling": Scheduling(fifo=0)}, "fifo must be a priority"),
        ({"scheduling": Scheduling(cores=1)}, "cores must name at least one core .got 1"),  # type: ignore[arg-type]
        ({"scheduling": Scheduling(timer_slack_ns=-5)}, "timer_slack_ns must be a whole number from 1"),
        ({"scheduling": Scheduling(slice_ns=1)}, "slice_ns must be from"),
        ({"model": "m.onnx", "thread": 2}, "unknown arguments"),
        ({"threads": 2}, "a loaded model is already opened"),
    ],
    ids=str,
)
def test_what_means_nothing_is_refused(load: Load, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        runtime.PacedRunner(**{"model": load(handmade.gru()), "period": 0.01, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("where", ["process", "thread"])
def test_more_memory_than_there_is_is_refused_before_it_is_taken(load: Load, where: str) -> None:
    with pytest.raises(ProviderError, match="there is no memory for the queues"):
        runtime.PacedRunner(load(handmade.gru()), 0.01, batch=10**15, where=where)


def test_errors_come_through_as_they_are() -> None:
    error = ShapeError("x is wrong", where="here", why="so", got=(1, 2), wanted=None, do="mend it")
    found = from_bytes(to_bytes(error))
    assert type(found) is ShapeError
    assert str(found) == str(error)
    assert len(to_bytes(EdgeseqError("\0" * 10**4, why="\0" * 10**4))) < 16_384


@pytest.mark.parametrize(("ends", "said"), [("SIGKILL", 0), ("SIGINT", 1)])
def test_the_process_ends_with_its_parent(tmp_path: Path, ends: str, said: int) -> None:
    """Ctrl-C reaches all processes of a terminal's group; only the program may say something of it."""
    path = handmade.gru().save(tmp_path / "m.onnx")
    code = f"""
import os, signal, time
from edgeseq import runtime
with runtime.PacedRunner({path!r}, 0.01) as runner:
    print(runner.pid, flush=True)
    os.killpg(os.getpgid(0), signal.{ends})
    time.sleep(30)
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, process_group=0)
    assert done.stderr.count("Traceback") == said
    assert done.stderr.endswith("KeyboardInterrupt\n" * said)
    pid, until = int(done.stdout), time.monotonic() + 30
    while _runs(pid):
        assert time.monotonic() < until
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # what nobody waits for is a zombie
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
