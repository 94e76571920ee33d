"""Many streams on a server: a frame of each in every period, and every answer checked against a run of its own.

python -m examples.server.client model.onnx [--uri ws://127.0.0.1:8765] [--streams 1000] [--frames 100] [--period 0.02]
"""

import argparse
import asyncio
import json
import time

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from edgeseq import runtime
from examples.server.checking import latencies, rehearse, right
from examples.server.hello import Hello


async def connected(uri: str, model: runtime.Model) -> tuple[ClientConnection, Hello]:
    """A stream of a server that has the same file."""
    socket = await connect(uri, compression=None, max_queue=64, ping_interval=None, open_timeout=60)
    return socket, Hello.heard(await socket.recv(), model)


async def receive(socket: ClientConnection, hello: Hello, wanted: list[bytes], came: np.ndarray) -> int:
    """Take one stream's answers, note in ``came`` when each is there, and count those that are wrong."""
    wrong = 0
    for number, answer in enumerate(wanted):
        message = await asyncio.wait_for(socket.recv(), 60)
        came[number] = time.perf_counter()
        wrong += not right(hello, message, answer)
    return wrong


async def main(path: str, uri: str, streams: int, frames: int, period: float) -> dict[str, float]:
    """Send each stream's frames ``period`` seconds apart, the streams spread over the period; what was found."""
    model = runtime.load(path)
    messages, answers = rehearse(model, streams, frames)
    sockets = [await connected(uri, model) for _ in range(streams)]
    sent, came = np.zeros((2, streams, frames))
    checks = [asyncio.ensure_future(receive(*sockets[at], answers[at], came[at])) for at in range(streams)]
    begun = time.perf_counter()
    for number, at in np.ndindex(frames, streams):
        await asyncio.sleep(begun + (number + at / streams) * period - time.perf_counter())
        sent[at, number] = time.perf_counter()
        await sockets[at][0].send(messages[at][number])
    wrong = sum(await asyncio.gather(*checks))
    await asyncio.gather(*(socket.close() for socket, _ in sockets))
    return {"wrong": wrong, **latencies(came - sent, period), "sent_s": float(sent.max() - sent.min())}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", metavar="model")
    parser.add_argument("--uri", default="ws://127.0.0.1:8765")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--period", type=float, default=0.02, help="seconds")
    print(json.dumps(asyncio.run(main(**vars(parser.parse_args())))))
