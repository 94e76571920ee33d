"""The WebSocket server: its answers, and what a wrong frame, a client that is gone and a full server do."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.sync.client import connect as connect_now

import edgeseq
from benchmarks.server import check
from benchmarks.server_load import Answered, framed
from edgeseq.errors import ContractError
from edgeseq.runtime import load
from examples.server import client
from examples.server.batches import Batches
from examples.server.checking import latencies, rehearse, right
from examples.server.hello import Hello
from examples.server.line import Line
from examples.server.polite import BOUNDED
from examples.server.room import Room

MODEL = str(Path(edgeseq.__file__).parent / "demo" / "trained" / "gru.onnx")
ROOT = Path(__file__).parents[2]
STREAMS = 20
TOKEN, BESIDE = (np.array([number], "<i8").tobytes() for number in (3, 10_000))


class Server:
    """A server with room for STREAMS streams, in a process of its own."""

    def __init__(self, name: str, *options: str) -> None:
        command = [sys.executable, "-m", f"examples.server.{name}", MODEL, "--port", "0", "--capacity", str(STREAMS)]
        self.process = subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.uri = f"ws://127.0.0.1:{self.process.stdout.readline().removeprefix('port ').strip()}"


@pytest.fixture(scope="module", params=["server", "server --no-pool", "direct", "direct --no-pool"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    made = Server(*request.param.split())
    yield made
    made.process.kill()
    made.process.communicate()


async def opened(uri: str) -> Any:
    """A connection whose stream is open."""
    socket = await connect(uri, compression=None)
    await socket.recv()
    return socket


async def filled(uri: str) -> list[Any]:
    """Connections that take all of a server, once those before them are gone."""
    sockets: list[Any] = []
    for _ in range(200):
        try:
            sockets.append(await opened(uri))
        except ConnectionClosedError:
            await asyncio.sleep(0.01)
        if len(sockets) == STREAMS:
            return sockets
    raise AssertionError(f"no more than {len(sockets)} streams")


async def left(sockets: list[Any]) -> None:
    for socket in sockets:
        await socket.close()


def test_every_answer_to_every_stream_is_right(server: Server) -> None:
    found = asyncio.run(client.main(MODEL, server.uri, STREAMS, frames=5, period=0.05))
    assert found["wrong"] == 0
    assert found["max_ms"] > 0


def test_a_wrong_frame_is_told_and_the_stream_goes_on(server: Server) -> None:
    async def talk() -> list[Any]:
        socket = await opened(server.uri)
        answers = []
        for message in (TOKEN, b"12345", "text", b"", BESIDE, TOKEN):
            await socket.send(message)
            answers.append(await socket.recv())
        await socket.close()
        return answers

    first, *refused, last = asyncio.run(talk())
    said = [json.loads(text)["error"] for text in refused]
    for text, got in zip(said, ("5 bytes", "text", "0 bytes"), strict=False):
        assert text.startswith("a message ")
        assert f"(got {got}, wanted " in text
        assert "8 bytes)." in text
    assert "10000" in said[3]
    model = load(MODEL)
    with model.stream() as stream:
        answers = [stream.step(np.array([[3]])) for _ in range(2)]
    for got, wanted in zip((first, last), answers, strict=True):
        np.testing.assert_allclose(np.frombuffer(got, "<f4"), np.asarray(wanted).ravel(), rtol=1e-5, atol=1e-5)


def test_nobody_pays_for_a_wrong_frame_of_another(server: Server) -> None:
    """Frames that come together are stepped together: those before the wrong one must not be stepped again."""

    async def talk() -> list[Any]:
        sockets = [await opened(server.uri) for _ in range(3)]
        answers = []
        for _ in range(3):
            for socket, token in zip(sockets, (TOKEN, BESIDE, TOKEN), strict=True):
                socket.transport.write(framed(token))
            answers.append([await socket.recv() for socket in sockets])
        await left(sockets)
        return answers

    with load(MODEL).stream() as stream:
        for first, refused, last in asyncio.run(talk()):
            wanted = np.asarray(stream.step(np.array([[3]]))).ravel()
            for got in (first, last):
                np.testing.assert_allclose(np.frombuffer(got, "<f4"), wanted, rtol=1e-5, atol=1e-5)
            assert "10000" in json.loads(refused)["error"]


def test_a_goodbye_right_behind_a_wrong_message_is_answered(server: Server) -> None:
    async def talk() -> None:
        socket = await opened(server.uri)
        socket.transport.write(b"\x81\x82\0\0\0\0hi" + b"\x88\x82\0\0\0\0\x03\xe8")
        while True:
            await socket.recv()

    with pytest.raises(ConnectionClosedOK):
        asyncio.run(talk())


def test_a_full_server_refuses_with_a_reason(server: Server) -> None:
    async def talk() -> ConnectionClosedError:
        sockets = await filled(server.uri)
        with pytest.raises(ConnectionClosedError) as refused:
            await opened(server.uri)
        await left(sockets)
        return refused.value

    refused = asyncio.run(talk()).rcvd
    assert refused is not None
    assert refused.code == 1013
    assert refused.reason.endswith("is full: 20 open streams")


def test_who_leaves_amid_a_frame_frees_the_slot(server: Server) -> None:
    async def talk() -> None:
        sockets = await filled(server.uri)
        for socket in sockets[:3]:
            socket.transport.write(b"\x82\x88mask123")  # a frame of 8 bytes of which 3 come
            socket.transport.abort()
        await left(sockets[3:])
        await left(await filled(server.uri))

    asyncio.run(talk())


def test_a_closing_server_answers_what_is_under_way() -> None:
    begun = asyncio.Event()

    async def slow(socket: Any) -> None:
        async for message in socket:
            async with socket.turn:
                begun.set()
                await asyncio.sleep(0.05)
                await socket.send(message)

    async def talk() -> tuple[Any, int]:
        async with serve(slow, port=0, **BOUNDED) as server:
            socket = await connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            await socket.send(b"asked")
            await begun.wait()
            server.close()
            answer = await socket.recv()
            with pytest.raises(ConnectionClosedOK) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        return answer, closed.value.rcvd.code

    assert asyncio.run(talk()) == (b"asked", 1001)


@pytest.mark.parametrize(("name", "number"), [("server", signal.SIGTERM), ("direct", signal.SIGINT)])
def test_a_signal_ends_the_server(name: str, number: signal.Signals) -> None:
    server = Server(name)
    try:
        with connect_now(server.uri) as socket:
            socket.recv()
            socket.send(TOKEN)
            assert len(socket.recv()) == 4 * 95
            server.process.send_signal(number)
            with pytest.raises(ConnectionClosedOK, match="going away"):
                socket.recv()
        assert server.process.wait(timeout=20) == 0
    finally:
        server.process.kill()
        server.process.communicate()


def test_what_comes_in_pieces_or_bursts_is_answered_in_order() -> None:
    """By the server that does not look into usual frames: fragments, halves of frames, pings, many at once."""
    server = Server("direct")
    tokens = [np.array([number], "<i8").tobytes() for number in range(1, 9)]
    plain = [framed(token) for token in tokens]
    ping = b"\x89\x80mask"
    try:
        answers = []
        for sent in (
            [b"".join(plain)],
            [plain[0], ping, *plain[1:]],
            [plain[0], plain[1][:5], plain[1][5:] + plain[2], ping, *plain[3:]],
            [b"\x02" + plain[0][1:], b"\x80\x80mask" + plain[1], *plain[2:]],
            [plain[0], ping[:1], ping[1:], *plain[1:]],
        ):
            answers.append(asyncio.run(told(server.uri, sent, len(tokens))))
    finally:
        server.process.kill()
        server.process.communicate()
    assert len(set(map(tuple, answers))) == 1
    assert len(set(answers[0])) == len(tokens)


async def told(uri: str, parts: list[bytes], count: int) -> list[Any]:
    """The answers to raw bytes that are sent part by part."""
    socket = await opened(uri)
    for part in parts:
        socket.transport.write(part)
        await asyncio.sleep(0.002)
    answers = [await socket.recv() for _ in range(count)]
    socket.transport.abort()
    return answers


class Transport:
    """Says whether its connection is read from."""

    reading = True

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 2**14

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def test_a_client_that_asks_faster_than_it_reads_is_not_read_from() -> None:
    model = load(MODEL)
    with model.pool(2) as pool:
        line, transport = Line(Room(pool, Hello.of(model, exact=True))), Transport()
        line.connection_made(transport)
        told = []
        for more in (4, 1, -1):
            line.hold(more)
            told.append(transport.reading)
        line.pause_writing()
        line.hold(-4)
        told.append(transport.reading)
        line.resume_writing()
        assert [*told, transport.reading] == [True, False, True, False, True]


def test_unmasked_frames_are_those_that_were_masked() -> None:
    hello = Hello.of(load(MODEL), exact=True)
    batches, tokens = Batches(hello), np.arange(5, dtype="<i8")
    messages = [framed(token.tobytes()) for token in tokens]
    assert batches.cut(b"".join(messages)) == messages
    assert batches.cut(messages[0][:-1]) is None
    assert batches.cut(messages[0] + b"\x88" + messages[1][1:]) is None
    np.testing.assert_array_equal(batches.unmasked(messages), tokens[:, None])


def test_a_client_knows_a_wrong_answer() -> None:
    model = load(MODEL)
    (messages, *_), (answers, *_) = rehearse(model, streams=2, frames=2)
    assert messages[0] != messages[1] or answers[0] != answers[1]
    off = np.frombuffer(answers[0], "<f4") + np.float32(1e-3)
    for exact in (True, False):
        hello = Hello.of(model, exact)
        assert right(hello, answers[0], answers[0])
        assert not right(hello, answers[1], answers[0])
        assert not right(hello, off.tobytes(), answers[0])
        assert not right(hello, '{"error": "wrong"}', answers[0])


def test_a_load_knows_a_wrong_answer() -> None:
    hello = Hello.of(load(MODEL), exact=True)
    nobody = np.zeros((1, 2))
    check(hello, Answered([[b"1234"]], nobody, nobody, 1), [[b"1234", b"5678"]])
    with pytest.raises(SystemExit, match="answer 1 of stream 0 is wrong"):
        check(hello, Answered([[b"1234", b"4321"]], nobody, nobody, 0), [[b"1234", b"5678"]])


def test_a_client_counts_every_wrong_answer() -> None:
    class Told:
        def __init__(self, *answers: bytes) -> None:
            self.answers = list(answers)

        async def recv(self) -> bytes:
            return self.answers.pop(0)

    model = load(MODEL)
    _, (answers, *_) = rehearse(model, streams=2, frames=3)
    came, others = np.zeros(3), [answers[0], *reversed(answers[1:])]
    for got, wrong in ((answers, 0), (others, 2), ([answers[0] * 2, *answers[1:]], 1)):
        for exact in (True, False):
            told: Any = Told(*got)
            assert asyncio.run(client.receive(told, Hello.of(model, exact), answers, came)) == wrong
    assert came.all()


def test_a_client_refuses_a_server_of_another_file() -> None:
    model = load(MODEL)
    hello = Hello.of(model, exact=True)
    assert Hello.heard(hello.text, model) == hello
    with pytest.raises(ContractError, match="the server has another file"):
        Hello.heard(hello.text.replace("sha256:", "sha256:0"), model)


def test_a_miss_is_an_answer_later_than_the_period() -> None:
    assert latencies(np.array([0.001, 0.002, 0.03, 0.001]), 0.02)["misses"] == 0.25


@pytest.mark.parametrize("name", ["server", "client", "direct"])
def test_an_example_is_under_sixty_lines(name: str) -> None:
    assert len((ROOT / "examples" / "server" / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 60
