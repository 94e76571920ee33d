"""The same server without a coroutine for each connection: python -m examples.server.direct model.onnx [--no-pool]."""

import argparse
import asyncio
import signal

from edgeseq.runtime import load
from examples.server.alone import Singles
from examples.server.hello import Hello
from examples.server.line import Line
from examples.server.room import Room


async def main(path: str, port: int, capacity: int, alone: bool) -> None:
    """Serve until SIGTERM or SIGINT; then answer what is under way, and close."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    model = load(path)
    room = Room(Singles(model, capacity) if alone else model.pool(capacity), Hello.of(model, exact=not alone))
    server = await loop.create_server(lambda: Line(room), "127.0.0.1", port, backlog=capacity)
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()
    await room.goodbye()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", metavar="model")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--capacity", type=int, default=1000)
    parser.add_argument("--no-pool", dest="alone", action="store_true")
    asyncio.run(main(**vars(parser.parse_args())))
