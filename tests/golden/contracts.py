"""Contracts that between them use every field of the format."""

from __future__ import annotations

from fractions import Fraction

from edgeseq.contract import Chunk, Contract, Initial, Length, Machine, Port, Prologue, Session, State

_OPSET = {"ai.onnx": 22}
_MADE_BY = {"edgeseq": "0.1.0", "torch": "2.13.0"}

#: A GRU over 64 features: no delay, no limit, any number of frames per call.
RECURRENT = Contract(
    ports=(
        Port("x", "frame", "float32", ("batch", "time", 64), time_axis=1),
        Port("y", "output", "float32", ("batch", "time", 128), time_axis=1, length=Length()),
        Port("h_n", "output", "float32", (1, "batch", 128)),
    ),
    states=(State("gru.h", "gru.h", "gru.h.next", "recurrent", "float32", (1, "batch", 128)),),
    opset=_OPSET,
    provenance=_MADE_BY,
)

#: Sound at 16 kHz through centred convolutions with stride 2, back up by a transposed one, and a pooled class.
LOOKAHEAD = Contract(
    ports=(
        Port("sound", "frame", "float32", ("batch", 1, "time"), time_axis=2, unit="full scale", range=(-1.0, 1.0)),
        Port("remaining", "control", "int64", ("batch",), control="remaining"),
        Port(
            "features",
            "output",
            "float32",
            ("batch", 8, "time"),
            time_axis=2,
            ratio=Fraction(1, 2),
            delay=1,
            length=Length(period=2, frames=1, at=(0, 1)),
        ),
        Port(
            "clean",
            "output",
            "float32",
            ("batch", "time"),
            time_axis=1,
            delay=4,
            length=Length(period=2, frames=2, at=(0, None)),
        ),
        Port("class", "output", "int64", ("batch",), delay=2),
    ),
    states=(
        State("down.history", "down.history", "down.history.next", "conv", "float32", ("batch", 1, 3)),
        State(
            "up.history",
            "up.history",
            "up.history.next",
            "conv",
            "float32",
            ("batch", 8, 2),
            initial=Initial("data", shape=(1, 8, 1), base64="AAAAPwAAgD8AAMA/AAAAQAAAIEAAAEBAAABgQAAAgEA="),
            start=2,
        ),
        State("skip.delay", "skip.delay", "skip.delay.next", "delay", "float32", ("batch", 4), start=4),
        State(
            "pool.max",
            "pool.max",
            "pool.max.next",
            "summary",
            "float32",
            ("batch", 8),
            initial=Initial("fill", value=-1e30),
            start=2,
        ),
    ),
    chunk=Chunk(multiple=2),
    delay=4,
    min_frames=2,
    receptive_field=11,
    frame_period=1 / 16000,
    opset=_OPSET,
    provenance=_MADE_BY,
)

#: A decoder with a cache, positions per row, a starting state given by the caller and a speaker vector.
ATTENTION = Contract(
    ports=(
        Port("token", "frame", "int64", ("batch", "time"), time_axis=1, range=(0.0, 255.0)),
        Port("speaker", "conditioning", "float32", ("batch", 16)),
        Port("h0", "conditioning", "float32", (2, "batch", 32), default=0.0),
        Port("scale", "constant", "float32", (), default=0.125),
        Port("logits", "output", "float32", ("batch", "time", 256), time_axis=1, length=Length()),
    ),
    states=(
        State(
            "blocks.0.attention.key",
            "blocks.0.attention.key",
            "blocks.0.attention.key.next",
            "kv",
            "float16",
            ("batch", 4, "capacity", 8),
            in_place=True,
        ),
        State(
            "blocks.0.attention.value",
            "blocks.0.attention.value",
            "blocks.0.attention.value.next",
            "kv",
            "float16",
            ("4*batch", "capacity", 8),
            in_place=True,
            ratio=Fraction(1, 2),
        ),
        State("position", "position", "position.next", "position", "int64", ("batch",)),
        State(
            "rnn.0.h",
            "rnn.0.h",
            "rnn.0.h.next",
            "recurrent",
            "float32",
            (2, "batch", 32),
            initial=Initial("conditioning", port="h0"),
        ),
        State(
            "rnn.1.h",
            "rnn.1.h",
            "rnn.1.h.next",
            "recurrent",
            "float32",
            (1, "batch", 32),
            initial=Initial("conditioning", port="h0", index=1),
        ),
    ),
    chunk=Chunk(multiple=2, max=512, max_batched=2),
    max_context=1024,
    mode={"name": "exact"},
    opset={"ai.onnx": 22, "com.microsoft": 1},
    onnxruntime=">=1.22",
    quantization={
        "kind": "int8-dynamic",
        "config": {"only": ["*"], "group": 128},
        "target": "x86-vnni",
        "source": "sha256:" + 64 * "1",
        "one_frame": False,
        "nodes": [
            {
                "name": "blocks.0.attention.in",
                "kind": "linear",
                "scheme": "int8 (blocks, groups of 128)",
                "bytes_before": 12288,
                "bytes_after": 3168,
                "snr_db": 41.25,
                "alone_snr_db": None,
            }
        ],
        "left": [{"name": "conv", "op": "Conv", "bytes": 4096, "why": "it is slower in integers"}],
        "file_bytes_before": 70000,
        "file_bytes_after": 21000,
        "inputs": "random",
        "outputs": {"logits": 38.5},
        "long_run": {"steps": 100, "windows": [[0, 10, 38.5], [10, 100, 38.25]], "verdict": "steady"},
        "speed": {
            "float_us": [12.5, 13.0],
            "quantized_us": [6.25, 6.5],
            "batch": 1,
            "ratio": 2.0,
            "verdict": "faster",
        },
        "speed_note": None,
        "task": {"metric": "metrics:accuracy", "float": 0.75, "quantized": 0.74, "lost": 0.0133},
    },
    verification={"passed": True, "checks": [{"name": "concatenation", "passed": True, "detail": "2.4e-07"}]},
    digest="sha256:" + 64 * "0",
    rules={"mylib::scan": "mylib.streaming.scan_rule (mylib 1.2)"},
    session=Session(2, False, Machine("Cortex-A76", "aarch64", 4), "1.31.0", "p99", {"float_us": [120.5, 119.0]}),
    provenance=_MADE_BY,
)

#: A translation model: the encoder is the prologue; its words are attended to, its last state starts the decoder.
TRANSLATION = Contract(
    ports=(
        Port("tgt", "frame", "int64", ("batch", "time"), time_axis=1, range=(0.0, 99.0)),
        Port("src", "conditioning", "int64", ("batch", "source"), range=(0.0, 79.0)),
        Port("encoder.value", "constant", "float32", ("batch", "source_1", 8)),
        Port("bridge.value", "constant", "float32", (2, "batch", 16)),
        Port("output", "output", "float32", ("batch", "time", 100), time_axis=1, length=Length()),
    ),
    states=(
        State(
            "decoder.h",
            "decoder.h",
            "decoder.h.next",
            "recurrent",
            "float32",
            (1, "batch", 16),
            initial=Initial("prologue", port="bridge.value", index=1),
        ),
    ),
    prologue=Prologue("m.prologue.onnx", "sha256:" + 64 * "0", ("src",), ("encoder.value", "bridge.value")),
    opset=_OPSET,
    provenance=_MADE_BY,
)

#: A file made elsewhere: calls of 512 samples with the 64 before them in front, one value for every four samples.
CONTEXT = Contract(
    ports=(
        Port("sound", "frame", "float32", ("batch", "time"), time_axis=1, overlap=64),
        Port("sr", "constant", "int64", (), default=16000.0),
        Port(
            "loudness",
            "output",
            "float32",
            ("batch", "time"),
            time_axis=1,
            ratio=Fraction(1, 4),
            length=Length(period=4, frames=1, at=(0, 1, 1, 1)),
        ),
    ),
    states=(State("state", "state", "stateN", "recurrent", "float32", (2, "batch", 128)),),
    chunk=Chunk(512, 512),
    frame_period=6.25e-05,
    opset={"ai.onnx": 16},
    provenance=_MADE_BY,
)

GOLDEN = {
    "recurrent": RECURRENT,
    "lookahead": LOOKAHEAD,
    "attention": ATTENTION,
    "translation": TRANSLATION,
    "context": CONTEXT,
}
