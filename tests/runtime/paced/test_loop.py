"""The loop on a clock that the test moves: what is answered, and what each miss is put down to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from mmap import mmap
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeseq import runtime
from edgeseq.runtime.answers import Answers
from edgeseq.runtime.paced.arguments import Asked, prepare
from edgeseq.runtime.paced.board import Board
from edgeseq.runtime.paced.loop import Loop
from edgeseq.runtime.paced.pace import Pace, Policy
from edgeseq.runtime.paced.places import Place, State
from edgeseq.runtime.paced.queues import PacedAnswer
from edgeseq.runtime.paced.report import Xruns, report
from edgeseq.runtime.paced.running import layout_of
from edgeseq.runtime.paced.splitting import Splitting
from edgeseq.runtime.paced.wakes import Bell, Ear
from tests import handmade

Array = npt.NDArray[Any]
PERIOD, MARGIN = 1_000_000, 400_000


class Slow:
    """A stream each of whose steps takes so long on the world's clock."""

    def __init__(self, stream: runtime.Stream, world: World) -> None:
        self._stream, self._world = stream, world

    @property
    def frames_in(self) -> int:
        return self._stream.frames_in

    def step(self, frames: Mapping[str, Array]) -> Answers:
        self._world.pass_to(self._world.now + self._world.step_ns.pop(0))
        return self._stream.step(frames)

    def missing(self, frames: int) -> Answers:
        return self._stream.missing(frames)

    def flush(self) -> Answers:
        return self._stream.flush()


class World:
    """A clock, frames that arrive by it, and a loop that sleeps by it and wakes late where it is told to."""

    def __init__(self, model: runtime.Model, policy: Policy, arrivals: list[int], **asked: Any) -> None:
        given = dict.fromkeys(("chunk", "margin", "deadline", "max_context", "keep_warm", "scheduling"))
        asked = {**given, "queue": 4, "answers": 40, "batch": 1, "on_nonfinite": "raise", "where": "thread", **asked}
        settings = prepare(model, Asked(PERIOD / 1e9, policy, **asked), None, {}).settings
        layout = layout_of(model.contract, settings)
        self.ends = os.pipe()
        self.board = Board(
            model.contract, layout, mmap(-1, layout.size), settings.chunk, Ear(self.ends[0]), Bell(self.ends[1])
        )
        self.now, self.step_ns, self.late_ns = 0, [1000] * 100, [0] * 1000
        self._arrivals = list(enumerate(arrivals))
        random = np.random.default_rng(0)
        self.frames = [
            {name: random.standard_normal(piece.shape).astype(piece.dtype) for name, piece in slot.arrays.items()}
            for slot in [layout.frames[0]] * len(arrivals)
        ]
        stream = model.stream(on_missing="hold")
        pace = Pace(PERIOD, policy, MARGIN, settings.queue)
        self.loop = Loop(self.board, Slow(stream, self), pace, self, PERIOD, lambda: self.now, lambda: 0)

    def pass_to(self, time: int) -> None:
        """Move the clock; frames come when it passes their arrival."""
        while self._arrivals and self._arrivals[0][1] <= time:
            index, arrival = self._arrivals.pop(0)
            self.board.frames.put(self.frames[index], arrival)
        self.now = max(self.now, time)
        if not self._arrivals:
            self.board.head[Place.FINISH] = 1

    def until(self, due_ns: int, frame: bool) -> bool:
        first = self._arrivals[0][1] if self._arrivals else due_ns
        self.pass_to(min(first, due_ns) if frame else due_ns + self.late_ns.pop(0))
        return True

    def for_frame(self) -> bool:
        self.pass_to(self._arrivals[0][1])
        return True

    def run(self) -> list[PacedAnswer]:
        self.loop.run()
        return list(iter(self.board.replies.read, None))


Make = Callable[..., World]


@pytest.fixture
def make(load: Callable[[handmade.Handmade], runtime.Model]) -> Iterator[Make]:
    made: list[World] = []

    def world(policy: Policy, arrivals: list[int], model: handmade.Handmade | None = None, **asked: Any) -> World:
        made.append(World(load(model or handmade.causal_conv()), policy, arrivals, **asked))
        return made[-1]

    yield world
    for one in made:
        for end in one.ends:
            os.close(end)


def regular(count: int, **late_ns: int) -> list[int]:
    return sorted(index * PERIOD + late_ns.get(f"frame{index}", 0) for index in range(count))


def plain(world: World, model: handmade.Handmade | None = None) -> Array:
    """Every frame through an ordinary stream."""
    whole = (model or handmade.causal_conv()).whole
    return whole(*(np.concatenate([frame[name] for frame in world.frames], axis=1) for name in world.frames[0]))[0]


def test_frames_on_time_are_answered_in_their_slots(make: Make) -> None:
    world = make("skip", regular(5))
    answers = world.run()
    assert [answer.slot for answer in answers[:5]] == [0, 1, 2, 3, 4]
    assert [answer.begun_ns - answer.due_ns for answer in answers[:5]] == [0] * 5
    assert report(world.board).xruns.total == 0
    assert world.board.head[Place.STATE] == State.ENDED


def test_a_late_frame_is_put_down_to_the_frame(make: Make) -> None:
    world = make("skip", regular(5, frame2=500_000))
    answers = world.run()
    found = report(world.board)
    assert [answer.slot for answer in answers[:4]] == [0, 1, 3, 4]
    assert (found.xruns, found.dropped_late) == (Xruns(1, 0, 0), 1)


def test_a_long_step_is_put_down_to_the_step(make: Make) -> None:
    world = make("skip", regular(6))
    world.step_ns[1] = 2_500_000
    answers = world.run()
    found = report(world.board)
    assert [answer.slot for answer in answers[:4]] == [0, 1, 3, 4]
    # The step itself, and the frame whose slot went by in it.
    assert (found.xruns, found.dropped_stale) == (Xruns(0, 2, 0), 1)


def test_a_late_wake_is_put_down_to_the_wake(make: Make) -> None:
    world = make("skip", regular(6))
    world.late_ns[1] = 1_200_000
    world.run()
    found = report(world.board)
    assert (found.xruns, found.dropped_stale) == (Xruns(0, 0, 1), 1)


def test_catch_up_loses_nothing_and_answers_every_frame(make: Make) -> None:
    world = make("catch-up", regular(8, frame3=900_000))
    world.step_ns[1] = 2_500_000
    answers = world.run()
    assert [answer.slot for answer in answers[:8]] == list(range(8))
    assert report(world.board).most_at_once > 1
    np.testing.assert_allclose(np.concatenate([answer.answer for answer in answers], axis=1), plain(world), atol=1e-6)


@pytest.mark.parametrize("model", [handmade.centred_conv(), handmade.strided_conv()], ids=["delay", "stride"])
def test_a_step_of_several_chunks_is_cut_into_what_each_made_ready(make: Make, model: handmade.Handmade) -> None:
    calm, hurried = make("catch-up", regular(9), model, chunk=1), make("catch-up", regular(9), model, chunk=1)
    hurried.step_ns[2] = 3_500_000
    shapes = [[np.asarray(answer.answer).shape for answer in world.run()] for world in (calm, hurried)]
    assert report(hurried.board).most_at_once == 3
    assert shapes[0] == shapes[1]


def test_repeat_goes_on_over_a_late_frame(make: Make) -> None:
    world = make("repeat", regular(5, frame2=500_000))
    answers = world.run()
    assert [answer.filled for answer in answers[:5]] == [False, False, True, False, False]
    world.frames[2] = world.frames[1]
    np.testing.assert_allclose(np.concatenate([answer.answer for answer in answers], axis=1), plain(world), atol=1e-6)


def test_a_full_output_queue_loses_the_oldest_and_counts_it(make: Make) -> None:
    world = make("skip", regular(9), answers=3)
    answers = world.run()
    assert [answer.slot for answer in answers] == [7, 8, 9]  # the last one is the flush
    assert report(world.board).answers_lost == 7


def test_what_a_flush_owes_waits_for_a_reader(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the queue holds: two answers at a time, and the loop does not end before they are read."""
    world = make("skip", regular(3), answers=2)
    found = []
    monkeypatch.setattr(Splitting, "tail", lambda self, answer: [self.named(answer)] * 5)
    monkeypatch.setattr(World, "until", reading(World.until, lambda: found.append(world.board.replies.read())))
    found += world.run()
    assert [answer.slot for answer in found if answer][-5:] == [3] * 5
    assert world.board.head[Place.STATE] == State.ENDED


def reading(wait: Callable[..., bool], read: Callable[[], object]) -> Callable[..., bool]:
    def until(world: World, due_ns: int, frame: bool) -> bool:
        read()
        return wait(world, due_ns, frame)

    return until


def test_a_report_of_a_part_counts_only_that(make: Make) -> None:
    world = make("skip", regular(5, frame2=500_000))
    before = report(world.board)
    world.run()
    part = report(world.board).since(before)
    assert (part.slots, len(part.latency), part.xruns.late_frame) == (5, 4, 1)
    assert part.latency.quantile(0.5) == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize("policy", ["skip", "repeat", "catch-up"])
@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_late_every_frame_and_every_slot_is_accounted_for(make: Make, policy: Policy, seed: int) -> None:
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.choice([100_000, 900_000, 1_000_000, 1_100_000, 3_500_000], 40)).tolist()
    world = make(policy, arrivals, queue=40, answers=400)
    world.step_ns = random.choice([1_000, 200_000, 2_700_000], 400, p=[0.8, 0.1, 0.1]).tolist()
    world.late_ns = random.choice([0, 50_000, 2_200_000], 4000, p=[0.8, 0.1, 0.1]).tolist()
    answers = world.run()[:-1]  # without what the flush gave
    found = report(world.board)
    slots = [answer.slot for answer in answers]
    assert slots == sorted(set(slots))
    stepped = sum(not answer.filled for answer in answers)
    assert found.frames == 40 == stepped + found.dropped_late + found.dropped_stale
    empty = found.slots - len(answers) - found.dropped_stale
    assert empty == (found.xruns.late_frame if policy == "skip" else 0)
    assert len(found.latency) == len(answers)
    if policy == "repeat":
        assert (found.filled, found.dropped_stale) == (found.xruns.late_frame, 0)
    if policy == "catch-up":
        whole = np.concatenate([np.asarray(answer.answer) for answer in answers], axis=1)
        np.testing.assert_allclose(whole, plain(world), atol=1e-6)
