"""A stream of a model for each WebSocket connection: python -m examples.server.server model.onnx [--no-pool]."""

import argparse
import asyncio
import json
import signal
from typing import Any

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from edgeseq.errors import EdgeseqError, PoolFull
from edgeseq.runtime import load
from examples.server.alone import Alone
from examples.server.hello import Hello
from examples.server.polite import AT_ONCE, BOUNDED, GATHER, TRY_AGAIN_LATER


async def handle(socket: Any, streams: Any, hello: Hello) -> None:
    """Serve one connection. Its slot is free again however that ends."""
    try:
        async with await streams.open() as stream:
            await socket.send(hello.text)
            async for message in socket:
                async with socket.turn:  # send waits while the client does not read; then we do not read either
                    await socket.send(await answer(stream, hello, message))
    except PoolFull as full:
        await socket.close(TRY_AGAIN_LATER, f"{full.what}: {full.got}")
    except ConnectionClosed:
        pass


async def answer(stream: Any, hello: Hello, message: str | bytes) -> str | bytes:
    """What to send back. A wrong message is this connection's own mistake: nothing was stepped, it may go on."""
    try:
        return hello.answer.pack(await stream.step(hello.frame.unpack(message)))
    except EdgeseqError as wrong:
        return json.dumps({"error": str(wrong)})


async def main(path: str, port: int, capacity: int, alone: bool) -> None:
    """Serve until SIGTERM or SIGINT; then answer what is under way, and close."""
    model, stop = load(path), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    hello = Hello.of(model, exact=not alone)
    streams: Any = Alone(model, capacity) if alone else model.pool(capacity).serve(GATHER, capacity, AT_ONCE)
    async with streams, serve(lambda socket: handle(socket, streams, hello), port=port, **BOUNDED) as server:
        print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", metavar="model")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--capacity", type=int, default=1000)
    parser.add_argument("--no-pool", dest="alone", action="store_true")
    asyncio.run(main(**vars(parser.parse_args())))
