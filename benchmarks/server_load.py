"""A client that leaves the machine to the server: WebSocket frames made beforehand, answers checked afterwards.

``websockets`` on the client's side would take as much time as the server. This one sends and receives raw bytes.
"""

from __future__ import annotations

import base64
import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Seconds after the last frame in which answers still count.
PATIENCE = 2.0
#: Frames sent before it is looked for answers.
BURST = 16


@dataclass(frozen=True)
class Answered:
    """The bytes that came for each stream, and by ``[stream, frame]`` when frames were sent and answers there.

    Seconds of one clock; an answer that never came is there when nobody waited any longer. ``missing`` counts those.
    """

    answers: Sequence[Sequence[bytes]]
    sent: np.ndarray
    came: np.ndarray
    missing: int


def framed(payload: bytes) -> bytes:
    """A binary message as a client sends it: masked (RFC 6455, 5.2)."""
    mask = os.urandom(4)
    size = len(payload)
    head = struct.pack("!BB", 0x82, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x82, 0xFE, size)
    key = np.frombuffer((mask * (size // 4 + 1))[:size], np.uint8)
    return head + mask + (np.frombuffer(payload, np.uint8) ^ key).tobytes()


def head_of(size: int) -> bytes:
    """What a server puts in front of a binary message."""
    return struct.pack("!BB", 0x82, size) if size < 126 else struct.pack("!BBH", 0x82, 126, size)


def connect(port: int) -> socket.socket:
    """A connection that has been upgraded and greeted; SystemExit where it is refused."""
    made = socket.create_connection(("127.0.0.1", port), timeout=60)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    made.sendall(
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += _more(made)
    if b" 101 " not in heard.split(b"\r\n")[0]:
        raise SystemExit(f"no connection: {heard!r}")
    said = heard.split(b"\r\n\r\n", 1)[1]
    while len(said) < 4 or len(said) < 4 + struct.unpack("!H", said[2:4])[0]:  # the greeting is 126 bytes or more
        said += _more(made)
    if said[0] != 0x81:
        raise SystemExit(f"no greeting: {said!r}")
    made.setblocking(False)
    return made


def _more(made: socket.socket) -> bytes:
    data = made.recv(65536)
    if not data:
        raise SystemExit("the server hung up")
    return data


class Load:
    """Frames for many connections: ``messages[stream][frame]``, each answered by ``size`` bytes."""

    def __init__(self, sockets: Sequence[socket.socket], messages: Sequence[Sequence[bytes]], size: int) -> None:
        self._sockets = sockets
        self._messages = [[framed(one) for one in stream] for stream in messages]
        self._head = head_of(size)
        self._whole = len(self._head) + size
        self._shape = len(messages), len(messages[0])
        self._parts: list[list[bytes]] = [[] for _ in messages]
        self._bytes = [0] * len(messages)
        self._sent, self._came = np.zeros((2, *self._shape))
        self._stream = {one.fileno(): stream for stream, one in enumerate(sockets)}
        self._left = self._shape[0] * self._shape[1]
        self._poll = select.epoll()
        for one in sockets:
            self._poll.register(one.fileno(), select.EPOLLIN)

    def run(self, period: float) -> Answered:
        """Send a frame of each stream in every period, the streams spread over it, and take what comes."""
        streams, frames = self._shape
        order = [(stream, number) for number in range(frames) for stream in range(streams)]
        gap, begun, at = period / streams, time.perf_counter(), 0
        while self._left and (now := time.perf_counter()) < begun + frames * period + PATIENCE:
            due = min(len(order), int((now - begun) / gap) + 1, at + BURST)
            for stream, number in order[at:due]:
                self._send(stream, number)
            late, at = at + BURST == due, due
            self._take(0 if late else 0.001)
        self._came[self._came == 0] = time.perf_counter()
        return Answered([self._answers(stream) for stream in range(streams)], self._sent, self._came, self._left)

    def _send(self, stream: int, number: int) -> None:
        message = self._messages[stream][number]
        self._sent[stream, number] = time.perf_counter()
        if self._sockets[stream].send(message) != len(message):
            raise SystemExit("the server reads so slowly that a socket is full")

    def _take(self, wait: float) -> None:
        for file, _ in self._poll.poll(wait):
            stream = self._stream[file]
            data = self._sockets[stream].recv(65536)
            now = time.perf_counter()
            if not data:
                raise SystemExit("the server hung up")
            before, after = self._bytes[stream] // self._whole, (self._bytes[stream] + len(data)) // self._whole
            self._parts[stream].append(data)
            self._bytes[stream] += len(data)
            self._came[stream, before:after] = now
            self._left -= after - before

    def _answers(self, stream: int) -> list[bytes]:
        """The messages of one stream, without what is in front of each; SystemExit where something else came."""
        data = b"".join(self._parts[stream])
        found = [data[at : at + self._whole] for at in range(0, len(data) - self._whole + 1, self._whole)]
        if not all(one.startswith(self._head) for one in found):
            raise SystemExit(f"the server sent something else than answers: {data[:200]!r}")
        return [one[len(self._head) :] for one in found]
