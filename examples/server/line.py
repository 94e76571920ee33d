"""A connection without a coroutine, over the protocol without I/O of ``websockets``."""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from examples.server.room import Room

#: Frames of one connection that may wait for their answers, and bytes of answers that it has not read.
MOST_WAITING, MOST_UNREAD = 4, 2**14


class Line(asyncio.Protocol):
    """``plain``: the protocol stands between two frames, and frames of the usual size need not go through it."""

    def __init__(self, room: Room) -> None:
        self.wire = ServerProtocol(max_size=2**20)
        self._room = room
        self._plain, self._reading, self._writable, self._waiting = False, True, True, 0
        self._parts, self._text = b"", False

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self.transport: asyncio.Transport = transport
        transport.set_write_buffer_limits(MOST_UNREAD)

    def data_received(self, data: bytes) -> None:
        """Pass on what came."""
        if self._plain and (frames := self._room.batches.cut(data)):
            self._room.take(self, frames)
            return
        # One, and whole: the next is a frame again.
        control = len(data) > 1 and data[0] >= 0x88 and len(data) == 6 + (data[1] & 0x7F)
        self._plain = self._plain and control
        self.wire.receive_data(data)
        for event in self.wire.events_received():
            self._happened(event)
        self.send()

    def _happened(self, event: object) -> None:
        if isinstance(event, Request):
            self.wire.send_response(self.wire.accept(event))
            self._plain = self.wire.state is OPEN and self._room.opened(self)
        elif isinstance(event, Frame) and event.opcode < Opcode.CLOSE:
            if event.opcode is not Opcode.CONT:
                self._parts, self._text = b"", event.opcode is Opcode.TEXT
            self._parts += bytes(event.data)
            if event.fin:
                self._room.came(self, self._parts, self._text)

    def send(self) -> None:
        """Write what the protocol has to say; when it has no more to say, the connection ends."""
        for data in self.wire.data_to_send():
            if data:
                self.transport.write(data)
            else:
                self.transport.close()

    def hold(self, more: int) -> None:
        """So many more frames wait. While they are many, or the client does not read, nothing is read from it."""
        self._waiting += more
        reading = self._waiting <= MOST_WAITING and self._writable
        if reading is not self._reading:
            self._reading = reading
            self.transport.resume_reading() if reading else self.transport.pause_reading()

    def pause_writing(self) -> None:
        """The client does not read."""
        self._writable = False
        self.hold(0)

    def resume_writing(self) -> None:
        """It does again."""
        self._writable = True
        self.hold(0)

    def connection_lost(self, error: Exception | None) -> None:
        """Free the slot."""
        self._room.lost(self)
