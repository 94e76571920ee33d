"""The streams of many connections: their frames are gathered, unmasked, stepped and answered as one batch."""

from __future__ import annotations

import asyncio
import json
from typing import Protocol

import numpy as np
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from edgeseq.errors import EdgeseqError, PoolFull, ShapeError, TickFailed
from examples.server.batches import Batches, framed
from examples.server.hello import Hello
from examples.server.polite import GOING_AWAY, TRY_AGAIN_LATER

#: Seconds in which frames gather, and that a client has to answer a goodbye.
GATHER, PATIENCE = 0.003, 5.0


class Streams(Protocol):
    """A pool, or what is used like one."""

    def open(self) -> int: ...
    def close(self, slot: int, /) -> None: ...
    def step(self, slots: np.ndarray, frames: np.ndarray, /) -> object: ...


class Caller(Protocol):
    """A connection, as a room sees it; see Line."""

    wire: ServerProtocol
    transport: asyncio.Transport

    def send(self) -> None: ...
    def hold(self, more: int) -> None: ...


class Room:
    """The slot of each connection, and frames that wait. All of it runs in the thread of the loop."""

    def __init__(self, streams: Streams, hello: Hello) -> None:
        self.batches = Batches(hello)
        self._streams, self._hello = streams, hello
        self._slots: dict[Caller, int] = {}
        self._waiting: list[tuple[Caller, bytes]] = []

    def opened(self, caller: Caller) -> bool:
        """Greet a caller, or say that there is no place; whether there is."""
        try:
            self._slots[caller] = self._streams.open()
            caller.wire.send_text(self._hello.text.encode())
        except PoolFull as full:
            caller.wire.send_close(TRY_AGAIN_LATER, f"{full.what}: {full.got}")
        return caller in self._slots

    def lost(self, caller: Caller) -> None:
        """Free the slot of a caller that is gone; what it asked for is dropped."""
        if caller in self._slots:
            self._streams.close(self._slots.pop(caller))

    def came(self, caller: Caller, message: bytes, text: bool) -> None:
        """Take a message that was unusual: of another size, in fragments, or after such a one."""
        if not self._listens(caller):
            return
        if len(message) == self.batches.size and not text:
            self.take(caller, [self.batches.masked(message)])
        else:
            got, wanted = "text" if text else f"{len(message)} bytes", f"{self.batches.size} bytes"
            self._refuse(caller, ShapeError("a message is not one frame", got=got, wanted=wanted))

    def take(self, caller: Caller, frames: list[bytes]) -> None:
        """Let frames wait for the next batch."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(GATHER, self._tick)
        self._waiting += [(caller, frame) for frame in frames]
        caller.hold(len(frames))

    async def goodbye(self) -> None:
        """Answer what waits, then close all connections; those that do not answer that are cut off."""
        while self._waiting:
            self._tick()
        for caller in filter(self._listens, self._slots):
            caller.wire.send_close(GOING_AWAY, "the server is closing")
            caller.send()
        until = asyncio.get_running_loop().time() + PATIENCE
        while self._slots and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.01)
        for caller in list(self._slots):
            caller.transport.abort()

    def _tick(self) -> None:
        """Step and answer the first frame that waits of each connection."""
        first: dict[Caller, bytes] = {}
        waiting, self._waiting = self._waiting, []
        for caller, frame in waiting:
            if caller in first:
                self._waiting.append((caller, frame))
            elif self._listens(caller):
                first[caller] = frame
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._tick)
        if first:
            self._answer(first)

    def _listens(self, caller: Caller) -> bool:
        """Whether a caller is there, and has not said goodbye."""
        return caller in self._slots and caller.wire.state is OPEN

    def _answer(self, asked: dict[Caller, bytes]) -> None:
        """Answer a batch."""
        slots = np.array([self._slots[caller] for caller in asked], np.int32)
        try:
            answers = framed(self._streams.step(slots, self.batches.unmasked(list(asked.values()))))
        except EdgeseqError as error:
            self._one_by_one(asked, error)
            return
        for caller, answer in zip(asked, answers, strict=True):
            self._send(caller, answer)

    def _send(self, caller: Caller, answer: bytes) -> None:
        caller.transport.write(answer)
        caller.hold(-1)

    def _one_by_one(self, asked: dict[Caller, bytes], error: EdgeseqError) -> None:
        """What went through all the same is answered, the rest asked again: nobody pays for another's mistake."""
        through = error.answers if isinstance(error, TickFailed) else {}
        for caller, frame in asked.items():
            if self._slots[caller] in through:
                self._send(caller, framed([through[self._slots[caller]]])[0])
            elif len(asked) > 1:
                self._answer({caller: frame})
            else:
                self._refuse(caller, error)
                caller.hold(-1)

    def _refuse(self, caller: Caller, error: EdgeseqError) -> None:
        caller.wire.send_text(json.dumps({"error": str(error)}).encode())
        caller.send()
