"""The files that are changed: handmade ones, exported ones, one with its weights in a file of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgeseq.contract import Contract, Initial, Length, Port, Prologue, State, resolve_shape
from edgeseq.runtime.golden import Trace, trace_of, write_trace
from edgeseq.runtime.loading import describe
from edgeseq.sealing import seal
from tests import handmade

Array = np.ndarray[Any, Any]

#: How many base frames a golden trace of a handmade file has.
FRAMES = 12


@dataclass(frozen=True)
class Base:
    """A model and what lies beside it, by file name; ``contract`` is the JSON text in ``m.onnx``."""

    name: str
    files: Mapping[str, bytes]
    contract: str


def memory() -> handmade.Handmade:
    """``x * gain + mean(memory)`` and how much of each memory entry was heard: a constant, an axis of its own, a dtype.

    The state ``heard`` starts from inline data, ``seen`` counts frames in int64, two for each row.
    """
    graph = """memory (float[batch,time,2] x, float[batch,n,2] memory, float[1] gain, float[batch,n] heard,
                       int64["2*batch"] seen)
        => (float[batch,time,2] y, float[batch,n] weight, float[batch,n] "heard.next", int64["2*batch"] "seen.next") {
        mean = ReduceMean<keepdims=1>(memory, axis)
        louder = Mul(x, gain)
        y = Add(louder, mean)
        keys = Transpose<perm=[0,2,1]>(memory)
        scores = MatMul(x, keys)
        sums = ReduceSum<keepdims=0>(scores, axis)
        "heard.next" = Add(heard, sums)
        weight = Identity("heard.next")
        count = Shape<start=1, end=2>(x)
        "seen.next" = Add(seen, count)
    }"""
    frame = Port("x", "frame", "float32", ("batch", "time", 2), time_axis=1)
    contract = Contract(
        ports=(
            frame,
            Port("memory", "conditioning", "float32", ("batch", "n", 2)),
            Port("gain", "constant", "float32", (1,), default=2.0),
            replace(frame, name="y", role="output", length=Length()),
            Port("weight", "output", "float32", ("batch", "n")),
        ),
        states=(
            State(
                "heard",
                "heard",
                "heard.next",
                "summary",
                "float32",
                ("batch", "n"),
                Initial("data", shape=(1, 1), base64="AACAPw=="),
            ),
            State("seen", "seen", "seen.next", "position", "int64", ("2*batch",), Initial("fill", value=3.0)),
        ),
    )

    def whole(x: Array, memory: Array) -> tuple[Array, ...]:
        return x * 2 + memory.mean(1, keepdims=True), 1 + (x @ memory.transpose(0, 2, 1)).sum(1)

    return handmade.Handmade(graph, {"axis": np.array([1])}, contract, whole)


def encoded() -> handmade.Handmade:
    """``x * gain`` and their sum so far: the gain, and what the sum starts at, are made of ``memory`` by a prologue."""
    graph = """encoded (float[batch,time,2] x, float[batch,1,2] gain, float[batch,2] total)
        => (float[batch,time,2] y, float[batch,2] sum, float[batch,2] "total.next") {
        y = Mul(x, gain)
        added = ReduceSum<keepdims=0>(y, axis)
        sum = Add(total, added)
        "total.next" = Identity(sum)
    }"""
    frame = Port("x", "frame", "float32", ("batch", "time", 2), time_axis=1)
    first = Initial("prologue", port="first")
    contract = Contract(
        ports=(
            frame,
            Port("memory", "conditioning", "float32", ("batch", "n", 2)),
            Port("gain", "constant", "float32", ("batch", 1, 2)),
            Port("first", "constant", "float32", ("batch", 2)),
            replace(frame, name="y", role="output", length=Length()),
            Port("sum", "output", "float32", ("batch", 2)),
        ),
        states=(State("total", "total", "total.next", "summary", "float32", ("batch", 2), first),),
        prologue=Prologue("m.prologue.onnx", None, ("memory",), ("gain", "first")),
    )

    def whole(x: Array, memory: Array) -> tuple[Array, ...]:
        y = x * memory.mean(1, keepdims=True)
        return y, memory.max(1) + y.sum(1)

    return handmade.Handmade(graph, {"axis": np.array([1])}, contract, whole)


_ENCODER = """<ir_version: 10, opset_import: ["": 22]>
    encoder (float[batch,n,2] memory) => (float[batch,1,2] gain, float[batch,2] first) {
        axis = Constant<value_ints=[1]>()
        gain = ReduceMean<keepdims=1>(memory, axis)
        first = ReduceMax<keepdims=0>(memory, axis)
    }"""

HANDMADE = {
    "gru": handmade.gru,
    "conv": handmade.causal_conv,
    "ahead": handmade.centred_conv_then_sum,
    "strided": handmade.strided_conv,
    "context": handmade.left_context,
    "attention": handmade.attention,
    "bounded": lambda: handmade.attention(max_context=40),
    "sums": handmade.scaled_sum,
    "tokens": handmade.embedding,
    "memory": memory,
}


def write_bases(folder: Path, exported: bool = True) -> None:
    """Write every base into a folder of its own; ``exported`` ones need torch and some seconds."""
    for name, make in HANDMADE.items():
        path = _place(folder, name)
        made = make()
        made.save(path)
        _write_trace(path, made)
    _write_external(_place(folder, "external"))
    _write_encoded(_place(folder, "encoded"))
    if exported:
        _write_exported(folder)


def read_bases(folder: Path) -> list[Base]:
    """What :func:`write_bases` wrote, in the order of the names."""
    bases = []
    for place in sorted(item for item in folder.iterdir() if item.is_dir()):
        files = {item.name: item.read_bytes() for item in sorted(place.iterdir())}
        contract = describe(place / "m.onnx").file.metadata["edgeseq.contract"]
        bases.append(Base(place.name, files, contract))
    return bases


def _place(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name / "m.onnx"


def _write_external(path: Path) -> None:
    made = handmade.gru()
    made.save(path)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="m.onnx.data", size_threshold=64)
    seal(path, made.contract, sidecar=True)
    _write_trace(path, made)


def _write_encoded(path: Path) -> None:
    made = encoded()
    onnx.save(onnx.parser.parse_model(_ENCODER), path.with_name("m.prologue.onnx"))
    made.save(path)
    _write_trace(path, made)


def _write_trace(path: Path, made: handmade.Handmade) -> None:
    contract = made.contract
    sizes = {"batch": 1, "time": FRAMES, "n": 3}
    inputs = {
        port.name: _values(port.dtype, resolve_shape(port.shape, sizes))
        for port in (*contract.with_role("frame"), *contract.with_role("conditioning"))
    }
    given = list(inputs.values())
    if "start" in inputs:  # the function of handmade.scaled_sum takes numbers where its graph takes arrays
        inputs["start"][...], inputs["seed"][...] = 2, 0
        given = given[:3]
    outputs = dict(zip((port.name for port in contract.with_role("output")), made.whole(*given), strict=True))
    allowed = {name: np.full((1,) * value.ndim, 1e-4) for name, value in outputs.items()}
    digest = describe(path).file.digest
    write_trace(trace_of(path), Trace(digest, (1, 4, 2, 5), inputs, outputs, allowed, {}))


def _values(dtype: str, shape: Iterable[int]) -> Array:
    generator = np.random.default_rng(3)
    shape = tuple(shape)
    return generator.integers(0, 5, shape) if dtype == "int64" else generator.standard_normal(shape).astype(dtype)


def _write_exported(folder: Path) -> None:
    """A tagger with look-ahead, strides, conditioning and summaries, a small GPT and a translator with a prologue.

    They are as ``edgeseq export`` writes them.
    """
    import torch

    from edgeseq.exporters import export
    from tests.fuzz.modules import Speller, Tagger, Translator

    torch.manual_seed(0)
    tagger = {"x": "float32[batch,time,4]", "speaker": "float32[batch,4]"}
    export(Tagger(), tagger, _place(folder, "tagger"))
    export(Speller(), {"ids": "int64[batch,time]"}, _place(folder, "speller"))
    tokens = {"src": "int64[batch,n]", "tgt": "int64[batch,time]"}
    export(Translator(), tokens, _place(folder, "translator"))
