"""The frames that a client sends, the answers that are right, and how late they were."""

from __future__ import annotations

import numpy as np

from edgeseq import runtime
from edgeseq.contract import Port, resolve_shape
from examples.server.hello import Hello
from examples.server.wire import Layout

#: How far the answers of streams of their own may be from a pool's, which has other kernels for other batches.
TOLERANCE = 1e-5


def rehearse(model: runtime.Model, streams: int, frames: int) -> tuple[list[list[bytes]], list[list[bytes]]]:
    """Random frames as messages, ``[stream][frame]``, and the answers that a pool of this process gives to them."""
    hello, source = Hello.of(model, exact=True), np.random.default_rng(0)
    (given,), (taken,) = model.contract.with_role("frame"), model.contract.with_role("output")
    sent: list[list[bytes]] = [[] for _ in range(streams)]
    wanted: list[list[bytes]] = [[] for _ in range(streams)]
    with model.pool(streams) as pool:
        slots = np.array([pool.open() for _ in range(streams)], np.int32)
        for _ in range(frames):
            batch = _drawn(given, streams, source)
            _add(sent, hello.frame, given, batch)
            _add(wanted, hello.answer, taken, pool.step(slots, batch))
    return sent, wanted


def right(hello: Hello, message: str | bytes, wanted: bytes) -> bool:
    """Whether an answer is the one that was rehearsed: bit for bit a pool's, within TOLERANCE another stream's."""
    if hello.exact or isinstance(message, str):
        return message == wanted
    got, other = (hello.answer.unpack(one) for one in (message, wanted))
    return got.shape == other.shape and np.allclose(got, other, rtol=TOLERANCE, atol=TOLERANCE)


def latencies(took: np.ndarray, period: float) -> dict[str, float]:
    """Figures of the seconds from frame sent to answer received; a miss took longer than the period."""
    p50, p99, most = (1e3 * np.quantile(took, (0.5, 0.99, 1.0))).tolist()
    return {"misses": float((took > period).mean()), "p50_ms": p50, "p99_ms": p99, "max_ms": most}


def _drawn(port: Port, streams: int, source: np.random.Generator) -> np.ndarray:
    """A frame for every stream, integers within the port's range."""
    shape = resolve_shape(port.shape, {"batch": streams, "time": 1})
    if np.dtype(port.dtype).kind == "f":
        return source.standard_normal(shape).astype(port.dtype)
    least, most = port.range or (0, 1)
    return source.integers(int(least), int(most) + 1, shape).astype(port.dtype)


def _add(messages: list[list[bytes]], layout: Layout, port: Port, batch: np.ndarray) -> None:
    """One more message for each stream, from its row of a batch."""
    for row, one in zip(np.moveaxis(batch, port.shape.index("batch"), 0), messages, strict=True):
        one.append(layout.pack(row))
