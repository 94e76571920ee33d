"""Small language models as ONNX files written by hand: tokens in, logits out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgeseq.contract import Initial, Length, Port
from tests import handmade
from tests.handmade import Array, Handmade

#: The tokens of the models below, unless they are told otherwise.
WORDS = 7
_HIDDEN = 8


def recurrent(words: int = WORDS, more: str = "", **changes: Any) -> Handmade:
    """A GRU over a table of ``words`` rows; its state ``h`` is ``[1, batch, 8]``. ``more``: nodes after the logits."""
    inner = handmade.gru(features=4, hidden=_HIDDEN)
    inner.weights["r"] *= np.float32(4)  # so that what it says does not soon repeat
    draw = np.random.default_rng(8).standard_normal
    weights = inner.weights | {
        "table": 3 * draw((words, 4)).astype(np.float32),
        "head": 2 * draw((_HIDDEN, words)).astype(np.float32),
    }
    graph = f"""gru (int64[batch,time] tokens, float[1,batch,{_HIDDEN}] h)
        => (float[batch,time,{words}] logits, float[1,batch,{_HIDDEN}] "h.next") {{
        x = Gather(table, tokens)
        xt = Transpose<perm=[1,0,2]>(x)
        yt, "h.next" = GRU<hidden_size={_HIDDEN}, linear_before_reset=1>(xt, w, r, b, , h)
        ys = Squeeze(yt, one)
        y = Transpose<perm=[1,0,2]>(ys)
        logits = MatMul(y, head)
        {more}
    }}"""
    ports = (tokens(words), logits("logits", words))
    contract = replace(inner.contract, **{"ports": ports, **changes})

    def whole(numbers: Array) -> tuple[Array, ...]:
        (frames,) = inner.whole(weights["table"][numbers])
        return (frames @ weights["head"],)

    return Handmade(graph, weights, contract, whole)


def started(words: int = WORDS) -> Handmade:
    """:func:`recurrent`, whose state begins as the conditioning ``memory``, ``[1, batch, 8]``."""
    model = recurrent(words)
    memory = Port("memory", "conditioning", "float32", (1, "batch", _HIDDEN))
    state = replace(model.contract.states[0], initial=Initial("conditioning", port="memory"))
    return model.with_contract(ports=(model.contract.ports[0], memory, model.contract.ports[1]), states=(state,))


def two_heads(words: int = WORDS) -> Handmade:
    """:func:`recurrent` with a second output of the same shape, minus the logits."""
    model = recurrent(words, more="opposite = Neg(logits)")
    ports = (*model.contract.ports, logits("opposite", words))
    graph = model.graph.replace(" logits, float", f" logits, float[batch,time,{words}] opposite, float")
    return replace(model, graph=graph).with_contract(ports=ports)


def time_first(words: int = WORDS) -> Handmade:
    """:func:`recurrent` with time before batch, in and out."""
    model = recurrent(words)
    graph = (
        model.graph.replace("int64[batch,time]", "int64[time,batch]")
        .replace(f"float[batch,time,{words}]", f"float[time,batch,{words}]")
        .replace("xt = Transpose<perm=[1,0,2]>(x)", "xt = Identity(x)")
        .replace("y = Transpose<perm=[1,0,2]>(ys)", "y = Identity(ys)")
    )
    ports = [replace(port, shape=("time", "batch", *port.shape[2:]), time_axis=0) for port in model.contract.ports]
    return replace(model, graph=graph).with_contract(ports=tuple(ports))


def last_only(words: int = WORDS) -> Handmade:
    """:func:`recurrent` that gives the logits after the frames so far, ``[batch, words]``."""
    model = recurrent(words, more="last = Gather<axis=1>(logits, minus)")
    graph = model.graph.replace(f"float[batch,time,{words}] logits", f"float[batch,{words}] last")
    port = replace(logits("last", words), shape=("batch", words), time_axis=None, length=None)
    weights = model.weights | {"minus": np.array(-1)}
    return replace(model, graph=graph, weights=weights).with_contract(ports=(model.contract.ports[0], port))


def tokens(words: int, **changes: Any) -> Port:
    given: dict[str, Any] = {"time_axis": 1, "range": (0, words - 1), **changes}
    return Port("tokens", "frame", "int64", ("batch", "time"), **given)


def logits(name: str, words: int, **changes: Any) -> Port:
    given: dict[str, Any] = {"time_axis": 1, "length": Length(), **changes}
    return Port(name, "output", "float32", ("batch", "time", words), **given)
