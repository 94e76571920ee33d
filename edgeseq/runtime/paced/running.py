"""The far side of a paced runner: load, open, warm up, loop. In a process of its own, or in a thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from mmap import mmap
from typing import Any

import numpy as np

from edgeseq.contract import Contract, Port
from edgeseq.errors import ContractError, EdgeseqError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.loading import load
from edgeseq.runtime.model import Model
from edgeseq.runtime.paced.board import Board
from edgeseq.runtime.paced.layout import Layout
from edgeseq.runtime.paced.loop import Clock, Loop
from edgeseq.runtime.paced.pace import Pace
from edgeseq.runtime.paced.places import State
from edgeseq.runtime.paced.scheduling import settle
from edgeseq.runtime.paced.settings import Settings
from edgeseq.runtime.paced.waits import Waiting
from edgeseq.runtime.paced.wakes import Silent
from edgeseq.runtime.paced.warming import Scene, from_plain, warming
from edgeseq.runtime.stream import Stream

#: Steps before the first frame: what is slow only once is over then.
FIRST_STEPS = 3
#: Steps after which a scratch stream begins anew, so that its caches stay small.
SCRATCH_STEPS = 64


def layout_of(contract: Contract, settings: Settings) -> Layout:
    """Where everything lies, as both sides compute it."""
    return Layout(contract, settings.sizes, settings.chunk, settings.queue, settings.answers)


def run(board: Board, settings: Settings, model: Model, cpu: Clock) -> None:
    """Open the stream and go on until there is nothing left to do; an EdgeseqError is left on the board."""
    clock = time.monotonic_ns
    try:
        with opened(board, settings, model) as stream:
            pace = Pace(settings.period_ns, settings.on_late, settings.margin_ns, settings.queue)
            warm = warming(from_plain(settings.warming), _scene(board, settings, model))
            loop = Loop(board, stream, pace, Waiting(board, warm, clock), settings.deadline_ns, clock, cpu)
            if settings.alone:
                settle(settings.scheduling["garbage"])
            board.become(State.RUNNING)
            loop.run()
    except EdgeseqError as error:
        board.fail(error)


def _scene(board: Board, settings: Settings, model: Model) -> Scene:
    rehearse = rehearsal(board, settings, model) if any(each["kind"] == "Dummy" for each in settings.warming) else int
    return Scene(board, rehearse, model.path, settings.period_ns, time.monotonic_ns)


def rehearsal(board: Board, settings: Settings, model: Model) -> Callable[[], object]:
    """A whole turn of the loop, on a board, a stream and a pace of its own, which nobody sees."""
    layout = layout_of(model.contract, replace(settings, queue=1, answers=1))
    scratch = Board(model.contract, layout, mmap(-1, layout.size), settings.chunk, board.ear, Silent())
    stream, pace, clock = opened(board, settings, model), Pace(10**9, settings.on_late, 0, 1), time.monotonic_ns
    loop = Loop(scratch, stream, pace, Waiting(scratch, None, clock), 10**9, clock, clock)
    frames = quiet_frames(model.contract, layout)
    most = settings.max_context or model.contract.max_context or SCRATCH_STEPS * settings.chunk

    def turn() -> None:
        if stream.frames_in + settings.chunk > min(most, SCRATCH_STEPS * settings.chunk):
            stream.reset()
        pace.start = None  # the frame is due when it comes
        scratch.frames.put(frames, clock())
        loop.turn()

    return turn


def loaded(settings: Settings) -> Model:
    """The file as the caller has it loaded. ContractError where it was changed since."""
    model = load(settings.path, **settings.opened)
    if settings.digest not in (None, model.digest):
        raise ContractError(
            "the file is not the one that was loaded",
            where=settings.path,
            got=model.digest,
            wanted=settings.digest,
            do="load it again",
        )
    return model


def opened(board: Board, settings: Settings, model: Model) -> Stream:
    """The stream, after a few steps that are forgotten."""
    conditioning = {name: board.layout.conditioning[name].of(board.bytes) for name in settings.given}
    policy = "hold" if settings.on_late == "repeat" else "raise"
    stream = model.stream(settings.batch, conditioning, settings.max_context, settings.on_nonfinite, policy)
    frames = quiet_frames(model.contract, board.layout)
    limit = settings.max_context or model.contract.max_context
    for _ in range(FIRST_STEPS if limit is None else min(FIRST_STEPS, limit // settings.chunk)):
        stream.step(frames)
    stream.reset()
    return stream


def quiet_frames(contract: Contract, layout: Layout) -> Mapping[str, Array]:
    """One chunk of zeros, or of the least values that are allowed."""
    return {port.name: _quiet(port, layout) for port in contract.with_role("frame")}


def _quiet(port: Port, layout: Layout) -> Array:
    piece = layout.frames[0].arrays[port.name]
    low, high = port.range or (0.0, 0.0)
    integers = np.dtype(port.dtype).kind in "iu"
    return np.full(piece.shape, low if integers and not low <= 0 <= high else 0, port.dtype)


def read_settings(value: Mapping[str, Any]) -> Settings:
    """What ``Settings.to_dict`` gave."""
    return Settings(**{**value, "given": tuple(value["given"]), "warming": tuple(value["warming"])})
