"""Small streaming ONNX files written by hand, each with the whole-sequence function that it streams, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.numpy_helper
import onnx.parser

from edgeseq.contract import Chunk, Contract, Initial, Length, Port, State
from edgeseq.sealing import seal

Array = npt.NDArray[Any]
Weights = dict[str, Array]


@dataclass(frozen=True)
class Handmade:
    """A graph as text, its weights and contract, and what it computes over a whole sequence.

    ``whole`` takes the frame inputs in port order and gives the outputs in port order.
    """

    graph: str
    weights: Weights
    contract: Contract
    whole: Callable[..., tuple[Array, ...]]

    def save(self, path: Path, contract: Contract | None = None) -> str:
        """Write the file, with another contract where one is given."""
        self.save_bare(path)
        seal(path, contract or self.contract)
        return str(path)

    def save_bare(self, path: Path) -> str:
        """Write the file without a contract, as a stranger would."""
        model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 22]> {self.graph}')
        for name, value in self.weights.items():
            model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
        onnx.save(model, str(path))
        return str(path)

    def with_contract(self, **changes: Any) -> Handmade:
        """The same graph under a changed contract."""
        return replace(self, contract=replace(self.contract, **changes))


def _floats(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * np.float32(0.3)


def _frames(name: str, features: int) -> Port:
    return Port(name, "frame", "float32", ("batch", "time", features), time_axis=1)


def _output(name: str, features: int, **more: Any) -> Port:
    given = {"time_axis": 1, "length": Length(), **more}
    return Port(name, "output", "float32", ("batch", "time", features), **given)


def _state(name: str, kind: Any, shape: tuple[int | str, ...], dtype: str = "float32", **more: Any) -> State:
    return State(name, name, f"{name}.next", kind, dtype, shape, **more)


def gru(features: int = 4, hidden: int = 8) -> Handmade:
    """A GRU layer."""
    weights = {
        "w": _floats(1, 1, 3 * hidden, features),
        "r": _floats(2, 1, 3 * hidden, hidden),
        "b": _floats(3, 1, 6 * hidden),
        "one": np.array([1]),
    }
    graph = f"""gru (float[batch,time,{features}] x, float[1,batch,{hidden}] h)
        => (float[batch,time,{hidden}] y, float[1,batch,{hidden}] "h.next") {{
        xt = Transpose<perm=[1,0,2]>(x)
        yt, "h.next" = GRU<hidden_size={hidden}, linear_before_reset=1>(xt, w, r, b, , h)
        ys = Squeeze(yt, one)
        y = Transpose<perm=[1,0,2]>(ys)
    }}"""
    contract = Contract(
        ports=(_frames("x", features), _output("y", hidden)),
        states=(_state("h", "recurrent", (1, "batch", hidden)),),
    )

    def whole(x: Array) -> tuple[Array, ...]:
        (wz, wr, wh), (rz, rr, rh) = np.split(weights["w"][0], 3), np.split(weights["r"][0], 3)
        bz, br, bh, cz, cr, ch = np.split(weights["b"][0], 6)
        h = np.zeros((x.shape[0], hidden), np.float32)
        frames = []
        for t in range(x.shape[1]):
            z = _sigmoid(x[:, t] @ wz.T + h @ rz.T + bz + cz)
            r = _sigmoid(x[:, t] @ wr.T + h @ rr.T + br + cr)
            h = (1 - z) * np.tanh(x[:, t] @ wh.T + r * (h @ rh.T + ch) + bh) + z * h
            frames.append(h)
        return (np.stack(frames, axis=1),)

    return Handmade(graph, weights, contract, whole)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def _windows(x: Array, kernel: Array, left: int, right: int, stride: int = 1) -> Array:
    """A convolution of ``x`` [batch, time, c] with ``kernel`` [out, c, width], padded with zeros."""
    padded = np.pad(x, ((0, 0), (left, right), (0, 0)))
    width = kernel.shape[2]
    starts = range(0, padded.shape[1] - width + 1, stride)
    frames = [np.einsum("bwc,ocw->bo", padded[:, s : s + width], kernel) for s in starts]
    return np.stack(frames, axis=1) if frames else np.zeros((x.shape[0], 0, kernel.shape[0]), np.float32)


_CONV = """cat = Concat<axis=1>(history, {x})
        ct = Transpose<perm=[0,2,1]>(cat)
        yt = Conv<strides=[{stride}]>(ct, kernel)
        {y} = Transpose<perm=[0,2,1]>(yt)
        "history.next" = Slice(cat, begin, end, axis)"""


def _conv_weights(width: int, history: int, channels: int = 2) -> Weights:
    return {
        "kernel": _floats(4, channels, channels, width),
        "begin": np.array([-history]),
        "end": np.array([2**62]),
        "axis": np.array([1]),
    }


def causal_conv() -> Handmade:
    """A convolution of three frames with all its padding on the left."""
    weights = _conv_weights(3, 2)
    graph = f"""conv (float[batch,time,2] x, float[batch,2,2] history)
        => (float[batch,time,2] y, float[batch,2,2] "history.next") {{
        {_CONV.format(x="x", y="y", stride=1)}
    }}"""
    contract = Contract(
        ports=(_frames("x", 2), _output("y", 2)),
        states=(_state("history", "conv", ("batch", 2, 2)),),
        receptive_field=3,
    )
    return Handmade(graph, weights, contract, lambda x: (_windows(x, weights["kernel"], 2, 0),))


_MASKED = """count = Shape<start=1, end=2>(x)
        scalar = Squeeze(count)
        steps = Range(zero, scalar, one)
        left = Unsqueeze(remaining, axis)
        real = Less(steps, left)
        mask = Cast<to=1>(real)
        column = Unsqueeze(mask, two)
        lifted = Add(x, unit)
        u = Mul(lifted, column)"""


def centred_conv() -> Handmade:
    """``conv(x + 1)`` over the frame before, the frame and the frame after: delay 1, filler masked by ``remaining``."""
    weights = _conv_weights(3, 2) | {
        "zero": np.array(0),
        "one": np.array(1),
        "two": np.array([2]),
        "unit": np.array(1, np.float32),
    }
    graph = f"""centred (float[batch,time,2] x, int64[batch] remaining, float[batch,2,2] history)
        => (float[batch,time,2] y, float[batch,2,2] "history.next") {{
        {_MASKED}
        {_CONV.format(x="u", y="y", stride=1)}
    }}"""
    remaining = Port("remaining", "control", "int64", ("batch",), control="remaining")
    contract = Contract(
        ports=(_frames("x", 2), remaining, _output("y", 2, delay=1)),
        states=(_state("history", "conv", ("batch", 2, 2)),),
        delay=1,
        receptive_field=3,
    )
    return Handmade(graph, weights, contract, lambda x: (_windows(x + 1, weights["kernel"], 1, 1),))


def centred_conv_then_sum() -> Handmade:
    """The running sum, from 5 on, of :func:`centred_conv`: its state starts at base frame 1."""
    centred = centred_conv()
    graph = f"""summed (float[batch,time,2] x, int64[batch] remaining, float[batch,2,2] history,
                        float[batch,1,2] total)
        => (float[batch,time,2] y, float[batch,2,2] "history.next", float[batch,1,2] "total.next") {{
        {_MASKED}
        {_CONV.format(x="u", y="v", stride=1)}
        sums = CumSum(v, one)
        y = Add(sums, total)
        "total.next" = Slice(y, last, end, axis)
    }}"""
    history = centred.contract.states[0]
    total = _state("total", "recurrent", ("batch", 1, 2), initial=Initial("fill", value=5.0), start=1)
    return Handmade(
        graph,
        centred.weights | {"last": np.array([-1])},
        replace(centred.contract, states=(history, total), receptive_field=None),
        lambda x: (5 + np.cumsum(centred.whole(x)[0], axis=1),),
    )


def left_context(fixed: int | None = None, axis: int = 1) -> Handmade:
    """:func:`causal_conv` without a state: every call brings the two frames before it along.

    ``fixed``: all calls have so many frames. ``axis``: where time is, 1 or 2.
    """
    weights = {"kernel": _floats(4, 2, 2, 3)}
    time, frames = ("time", "all") if fixed is None else (fixed, fixed + 2)
    if axis == 1:
        graph = f"""context (float[batch,{frames},2] x) => (float[batch,{time},2] y) {{
            xt = Transpose<perm=[0,2,1]>(x)
            yt = Conv(xt, kernel)
            y = Transpose<perm=[0,2,1]>(yt)
        }}"""
    else:
        graph = f"context (float[batch,2,{frames}] x) => (float[batch,2,{time}] y) {{ y = Conv(x, kernel) }}"
    shape = ("batch", "time", 2) if axis == 1 else ("batch", 2, "time")
    contract = Contract(
        ports=(
            Port("x", "frame", "float32", shape, time_axis=axis, overlap=2),
            Port("y", "output", "float32", shape, time_axis=axis, length=Length()),
        ),
        states=(),
        chunk=Chunk() if fixed is None else Chunk(fixed, fixed),
        receptive_field=3,
    )

    def whole(x: Array) -> tuple[Array, ...]:
        y = _windows(x if axis == 1 else x.transpose(0, 2, 1), weights["kernel"], 2, 0)
        return (y if axis == 1 else y.transpose(0, 2, 1),)

    return Handmade(graph, weights, contract, whole)


def strided_conv() -> Handmade:
    """Three frames wide, two at a time, one frame of padding on the left: the graph takes even chunks."""
    weights = _conv_weights(3, 1)
    graph = f"""strided (float[batch,time,2] x, float[batch,1,2] history)
        => (float[batch,half,2] y, float[batch,1,2] "history.next") {{
        {_CONV.format(x="x", y="y", stride=2)}
    }}"""
    contract = Contract(
        ports=(_frames("x", 2), _output("y", 2, ratio=Fraction(1, 2), length=Length(2, 1, (0, 0)))),
        states=(_state("history", "conv", ("batch", 1, 2)),),
        chunk=Chunk(multiple=2),
        receptive_field=3,
    )
    return Handmade(graph, weights, contract, lambda x: (_windows(x, weights["kernel"], 1, 0, stride=2),))


def attention(max_context: int | None = None) -> Handmade:
    """Every frame attends to itself and all before it, by a cache written in place."""
    weights = {
        "zero": np.array(0),
        "one": np.array(1),
        "axis1": np.array([1]),
        "axis2": np.array([2]),
        "minus_one": np.array([-1]),
        "low": np.array(-1e9, np.float32),
        "nought": np.array(0, np.float32),
    }
    graph = """attend (float[batch,time,2] x, int64[batch] position, float[batch,capacity,2] cache)
        => (float[batch,time,2] y, int64[batch] "position.next", float[batch,capacity,2] "cache.next") {
        rows = Shape<start=0, end=1>(x)
        count = Shape<start=1, end=2>(x)
        row_count = Squeeze(rows)
        frame_count = Squeeze(count)
        steps = Range(zero, frame_count, one)
        past = Unsqueeze(position, axis1)
        places = Add(past, steps)
        row = Range(zero, row_count, one)
        row_column = Unsqueeze(row, axis1)
        shape = Shape(places)
        row_of = Expand(row_column, shape)
        a = Unsqueeze(row_of, axis2)
        b = Unsqueeze(places, axis2)
        index = Concat<axis=2>(a, b)
        "cache.next" = ScatterND(cache, index, x)
        "position.next" = Add(position, count)
        keys = Transpose<perm=[0,2,1]>("cache.next")
        scores = MatMul(x, keys)
        capacity_of = Shape<start=1, end=2>(cache)
        capacity = Squeeze(capacity_of)
        entries = Range(zero, capacity, one)
        limit = Unsqueeze(places, axis2)
        hidden = Greater(entries, limit)
        bias = Where(hidden, low, nought)
        masked = Add(scores, bias)
        shares = Softmax<axis=-1>(masked)
        y = MatMul(shares, "cache.next")
    }"""
    contract = Contract(
        ports=(_frames("x", 2), _output("y", 2)),
        states=(
            _state("position", "position", ("batch",), "int64"),
            _state("cache", "kv", ("batch", "capacity", 2), in_place=True),
        ),
        max_context=max_context,
    )

    def whole(x: Array) -> tuple[Array, ...]:
        scores = x @ x.transpose(0, 2, 1)
        scores = np.where(np.tri(x.shape[1], dtype=bool), scores, -1e9)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        return ((shares / shares.sum(-1, keepdims=True)) @ x,)

    return Handmade(graph, weights, contract, whole)


def scaled_sum() -> Handmade:
    """Two inputs, two outputs: ``(a + b) * scale + start`` with its running sum over time as a summary.

    ``scale`` is given once per stream, ``start`` has the default 2, and ``seed`` is where the sum starts.
    """
    graph = """sums (float[batch,time,2] a, float[batch,time,2] b, float[batch,2] scale, float[1] start,
                     float[batch,2] total) => (float[batch,time,2] y, float[batch,2] sum, float[batch,2] "total.next") {
        both = Add(a, b)
        factor = Unsqueeze(scale, axis)
        scaled = Mul(both, factor)
        y = Add(scaled, start)
        part = ReduceSum<keepdims=0>(y, axis)
        "total.next" = Add(total, part)
        sum = Identity("total.next")
    }"""
    contract = Contract(
        ports=(
            _frames("a", 2),
            _frames("b", 2),
            Port("scale", "conditioning", "float32", ("batch", 2)),
            Port("start", "conditioning", "float32", (1,), default=2.0),
            Port("seed", "conditioning", "float32", ("batch", 2), default=0.0),
            _output("y", 2),
            Port("sum", "output", "float32", ("batch", 2)),
        ),
        states=(_state("total", "summary", ("batch", 2), initial=Initial("conditioning", port="seed")),),
    )

    def whole(a: Array, b: Array, scale: Array, start: float = 2.0, seed: float = 0.0) -> tuple[Array, ...]:
        y = (a + b) * scale[:, None] + start
        return y, seed + y.sum(axis=1)

    return Handmade(graph, {"axis": np.array([1])}, contract, whole)


def embedding(rows: int = 5) -> Handmade:
    """Token numbers in, rows of a table out; no state at all."""
    weights = {"table": _floats(5, rows, 3)}
    graph = "embed (int64[batch,time] tokens) => (float[batch,time,3] y) { y = Gather(table, tokens) }"
    tokens = Port("tokens", "frame", "int64", ("batch", "time"), time_axis=1, range=(0, rows - 1))
    contract = Contract(ports=(tokens, _output("y", 3)), states=())
    return Handmade(graph, weights, contract, lambda tokens: (weights["table"][tokens],))
