"""The steps of ``lean_models``, written by hand with ONNX ops: as an engineer writes them who knows onnxruntime.

Batch and time are dynamic, states and ports are those of the contract. Fused ops where there are any, such as
GroupQueryAttention with queries, keys and values packed; opset 22 has no RMS norm, so that takes six nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from benchmarks.lean_models import HEADS, SIZE

_ELEMENTS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float64): TensorProto.DOUBLE}


class Hand:
    """A graph that grows by one node per call: ``hand.Relu(x)`` gives the name of the result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __getattr__(self, op: str) -> Callable[..., Any]:
        def add(*inputs: Any, results: int | Sequence[str] = 1, domain: str = "", **attributes: Any) -> Any:
            names = [f"v{len(self.nodes)}.{n}" for n in range(results)] if isinstance(results, int) else list(results)
            given = [item if isinstance(item, str) else self.constant(item) for item in inputs]
            self.nodes.append(helper.make_node(op, given, names, domain=domain, **attributes))
            return names[0] if len(names) == 1 else names

        return add

    def constant(self, value: Any) -> str:
        """The name of an initializer."""
        array = value.detach().numpy() if hasattr(value, "detach") else np.asarray(value)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def linear(self, x: str, layer: nn.Linear, **named: Any) -> str:
        """``x W^T + b``."""
        bias: torch.Tensor | None = layer.bias  # torch's types know no layer without
        if bias is not None:
            return str(self.Add(self.MatMul(x, layer.weight.T), bias, **named))
        return str(self.MatMul(x, layer.weight.T, **named))

    def norm(self, x: str, layer: nn.LayerNorm, **named: Any) -> str:
        """Over the last axis."""
        return str(self.LayerNormalization(x, layer.weight, layer.bias, axis=-1, epsilon=layer.eps, **named))

    def size(self, x: str, axis: int) -> str:
        """One size of a value, a scalar."""
        return str(self.Squeeze(self.Shape(x, start=axis, end=axis + 1)))

    def conv(self, x: str, layer: Any, state: str | None = None) -> str:
        """A convolution behind its history, of which it leaves the last frames."""
        if state is not None:
            x = self.Concat(state, x, axis=2)
            frames = (layer.kernel_size[0] - 1) * layer.dilation[0] + 1 - layer.stride[0]
            self.Slice(x, [-frames], [2**31 - 1], [2], results=[f"{state}.next"])
        return str(self.Conv(x, layer.weight, layer.bias, dilations=layer.dilation, strides=layer.stride))

    def model(self, like: onnx.GraphProto) -> onnx.ModelProto:
        """The model, with the ends of another one."""
        graph = helper.make_graph(self.nodes, "by_hand", list(like.input), list(like.output), self.constants)
        opsets = [helper.make_opsetid("", 22), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _gates(weight: Any, order: Sequence[int]) -> np.ndarray[Any, Any]:
    blocks = np.split(weight.detach().numpy(), len(order))
    return np.concatenate([blocks[i] for i in order])


def _recurrent(hand: Hand, x: str, layer: Any, names: Sequence[str], number: int = 0) -> str:
    """``[time, batch, features]`` to ``[time, 1, batch, hidden]``."""
    op, order = ("GRU", (1, 0, 2)) if isinstance(layer, nn.GRU) else ("LSTM", (0, 3, 1, 2))
    w, r, first, second = (
        _gates(getattr(layer, f"{kind}_l{number}"), order) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    named: dict[str, Any] = {"linear_before_reset": 1} if op == "GRU" else {}
    results = [f"{names[0]}.y", *(f"{name}.next" for name in names)]
    bias = np.concatenate([first, second])[None]
    run = getattr(hand, op)
    return str(run(x, w[None], r[None], bias, "", *names, results=results, hidden_size=layer.hidden_size, **named)[0])


def gru(hand: Hand, model: Any) -> None:
    """One layer, and what its layout takes."""
    y = _recurrent(hand, hand.Transpose("x", perm=[1, 0, 2]), model.gru, ["gru.h"])
    hand.Transpose(hand.Squeeze(y, [1]), perm=[1, 0, 2], results=["output"])


def lstm(hand: Hand, model: Any) -> None:
    """Two layers that hand on ``[time, batch, hidden]``."""
    y = hand.Transpose("x", perm=[1, 0, 2])
    for number in range(2):
        names = [f"lstm.layer{number}.h", f"lstm.layer{number}.c"]
        y = hand.Squeeze(_recurrent(hand, y, model.lstm, names, number), [1])
    hand.linear(hand.Transpose(y, perm=[1, 0, 2]), model.head, results=["output"])


def tcn(hand: Hand, model: Any) -> None:
    """A history per convolution."""
    x = "x"
    for number, block in enumerate(model.blocks):
        y = x
        for place in (0, 4):
            y = hand.Relu(hand.conv(y, block.net[place], f"blocks.{number}.net.{place}.history"))
        skip = hand.conv(x, block.downsample) if isinstance(block.downsample, nn.Conv1d) else x
        x = hand.Relu(hand.Add(y, skip), results=["output"] if number == len(model.blocks) - 1 else 1)


def wavenet(hand: Hand, model: Any) -> None:
    """The residual behind the last block reaches nothing."""
    x, total = hand.conv("x", model.start), None
    for number in range(len(model.dilations)):
        take = hand.Tanh(hand.conv(x, model.filters[number], f"filters.{number}.history"))
        gate = hand.Sigmoid(hand.conv(x, model.gates[number], f"gates.{number}.history"))
        gated = hand.Mul(take, gate)
        skip = hand.conv(gated, model.skips[number])
        total = skip if total is None else hand.Add(total, skip)
        if number < len(model.dilations) - 1:
            x = hand.Add(x, hand.conv(gated, model.residuals[number]))
    end = model.end
    hand.Conv(hand.Relu(total), end.weight, end.bias, results=["output"])


def denoiser(hand: Hand, model: Any) -> None:
    """Frames whose window passes the end are silenced, then windows are added up."""
    z = hand.Relu(hand.conv("x", model.encoder, "encoder.history"))
    y = hand.Squeeze(_recurrent(hand, hand.Transpose(z, perm=[2, 0, 1]), model.gru, ["gru.h"]), [1])
    mask = hand.Transpose(hand.Sigmoid(hand.linear(y, model.mask)), perm=[1, 2, 0])
    ends = hand.Range(np.int64(4), hand.Add(hand.size("x", 2), np.int64(1)), np.int64(4))
    real = hand.LessOrEqual(ends, hand.Unsqueeze("remaining", [1, 2]))
    y = hand.Where(real, hand.Mul(z, mask), np.float32(0))
    y = hand.ConvTranspose(y, model.decoder.weight, strides=[4])
    first, rest = hand.Slice(y, [0], [4], [2]), hand.Slice(y, [4], [2**31 - 1], [2])
    y = hand.Concat(hand.Add(first, "decoder.overlap"), rest, axis=2)
    hand.Slice(y, [-4], [2**31 - 1], [2], results=["decoder.overlap.next"])
    hand.Add(hand.Slice(y, [0], [-4], [2]), model.decoder.bias, results=["output"])


def _filled(hand: Hand, frames: str) -> tuple[str, str]:
    """What GroupQueryAttention wants to know: each row's last place, and the most places."""
    after = hand.Cast(hand.Add("position", frames, results=["position.next"]), to=TensorProto.INT32)
    return hand.Sub(after, np.int32(1)), hand.ReduceMax(after, keepdims=0)


def _cached(hand: Hand, packed: Sequence[str], name: str, filled: tuple[str, str], heads: int = HEADS) -> str:
    caches = [f"{name}.keys", f"{name}.values"]
    results = [f"{name}.out", *(f"{cache}.next" for cache in caches)]
    named = {"num_heads": HEADS, "kv_num_heads": heads, "scale": SIZE**-0.5, "domain": "com.microsoft"}
    return str(hand.GroupQueryAttention(*packed, *caches, *filled, results=results, **named)[0])


def _places(hand: Hand, frames: str) -> str:
    return str(hand.Add(hand.Unsqueeze("position", [1]), hand.Range(np.int64(0), frames, np.int64(1))))


def _perceptron(hand: Hand, x: str, norm: Any, mlp: Any) -> str:
    y = hand.Gelu(hand.linear(hand.norm(x, norm), mlp[0]))
    return str(hand.Add(x, hand.linear(y, mlp[2])))


def gpt(hand: Hand, model: Any) -> None:
    """The same step for both spellings of the attention."""
    frames = hand.size("idx", 1)
    filled = _filled(hand, frames)
    x = hand.Add(hand.Gather(model.wte.weight, "idx"), hand.Gather(model.wpe.weight, _places(hand, frames)))
    for number, block in enumerate(model.h):
        packed = hand.linear(hand.norm(x, block.ln_1), block.attn.c_attn)
        y = _cached(hand, [packed, "", ""], f"h.{number}.attn", filled)
        x = _perceptron(hand, hand.Add(x, hand.linear(y, block.attn.c_proj)), block.ln_2, block.mlp)
    hand.linear(hand.norm(x, model.ln_f), model.lm_head, results=["output"])


def encoder(hand: Hand, model: Any) -> None:
    """Norms behind the residuals; no positions."""
    x, filled, layers = "x", _filled(hand, hand.size("x", 1)), model.encoder.layers
    for number, layer in enumerate(layers):
        attention = layer.self_attn
        packed = hand.Add(hand.MatMul(x, attention.in_proj_weight.T), attention.in_proj_bias)
        y = _cached(hand, [packed, "", ""], f"encoder.layers.{number}.self_attn", filled)
        x = hand.norm(hand.Add(x, hand.linear(y, attention.out_proj)), layer.norm1)
        y = hand.linear(hand.Relu(hand.linear(x, layer.linear1)), layer.linear2)
        x = hand.norm(hand.Add(x, y), layer.norm2, results=["output"] if number == len(layers) - 1 else 1)


def _rms(hand: Hand, x: str, layer: Any) -> str:
    mean = hand.ReduceMean(hand.Mul(x, x), [-1])
    return str(hand.Mul(hand.Div(x, hand.Sqrt(hand.Add(mean, np.float32(1e-6)))), layer.weight))


def _rotated(hand: Hand, x: str, heads: int, cos: str, sin: str) -> str:
    """``[batch, time, heads * size]``, turned head by head."""
    x = hand.Reshape(x, np.array([0, 0, heads, SIZE]))
    first, second = hand.Split(x, results=2, axis=-1, num_outputs=2)
    turned = hand.Mul(hand.Concat(hand.Neg(second), first, axis=-1), sin)
    return str(hand.Reshape(hand.Add(hand.Mul(x, cos), turned), np.array([0, 0, heads * SIZE])))


def llama(hand: Hand, model: Any) -> None:
    """The rotation is computed once per step, for all layers."""
    frames = hand.size("idx", 1)
    filled = _filled(hand, frames)
    places = hand.Cast(_places(hand, frames), to=TensorProto.FLOAT)
    turns = hand.Mul(hand.Unsqueeze(places, [2, 3]), model.inv_freq)
    turns = hand.Concat(turns, turns, axis=-1)
    cos, sin = hand.Cos(turns), hand.Sin(turns)
    x = hand.Gather(model.embed.weight, "idx")
    for number, layer in enumerate(model.layers):
        y = _rms(hand, x, layer.input_norm)
        q = _rotated(hand, hand.linear(y, layer.q_proj), HEADS, cos, sin)
        k = _rotated(hand, hand.linear(y, layer.k_proj), HEADS // 2, cos, sin)
        y = _cached(hand, [q, k, hand.linear(y, layer.v_proj)], f"layers.{number}", filled, HEADS // 2)
        x = hand.Add(x, hand.linear(y, layer.o_proj))
        y = _rms(hand, x, layer.post_norm)
        gate = hand.linear(y, layer.gate_proj)
        y = hand.Mul(hand.Mul(gate, hand.Sigmoid(gate)), hand.linear(y, layer.up_proj))
        x = hand.Add(x, hand.linear(y, layer.down_proj))
    hand.linear(_rms(hand, x, model.norm), model.lm_head, results=["output"])


def _band(hand: Hand, frames: str) -> str:
    """The keys that a query sees: eight in all, none before the first frame: ``[batch, 1, time, time + 7]``."""
    queries = hand.Range(np.int64(0), frames, np.int64(1))
    keys = hand.Range(np.int64(0), hand.Add(frames, np.int64(7)), np.int64(1))
    ahead = hand.Sub(keys, hand.Unsqueeze(queries, [1]))
    band = hand.And(hand.GreaterOrEqual(ahead, np.int64(0)), hand.Less(ahead, np.int64(8)))
    real = hand.GreaterOrEqual(hand.Add(keys, hand.Unsqueeze("position", [1, 2, 3])), np.int64(7))
    return str(hand.And(band, real))


def sliding(hand: Hand, model: Any) -> None:
    """Seven keys and values are kept; one mask for all layers."""
    frames = hand.size("idx", 1)
    hand.Add("position", frames, results=["position.next"])
    seen, x = _band(hand, frames), hand.Gather(model.wte.weight, "idx")
    for number, block in enumerate(model.h):
        packed = hand.linear(hand.norm(x, block.ln_1), block.attn.c_attn)
        parts = hand.Split(packed, results=3, axis=-1, num_outputs=3)
        heads = np.array([0, 0, HEADS, SIZE])
        q, *both = (hand.Transpose(hand.Reshape(part, heads), perm=[0, 2, 1, 3]) for part in parts)
        k, v = (
            hand.Concat(f"h.{number}.attn.{name}", new, axis=2)
            for name, new in zip(("keys", "values"), both, strict=True)
        )
        for name, joined in (("keys", k), ("values", v)):
            hand.Slice(joined, [-7], [2**31 - 1], [2], results=[f"h.{number}.attn.{name}.next"])
        scores = hand.Mul(hand.MatMul(q, hand.Transpose(k, perm=[0, 1, 3, 2])), np.float32(SIZE**-0.5))
        weights = hand.Softmax(hand.Where(seen, scores, np.float32(-np.inf)), axis=-1)
        y = hand.Transpose(hand.MatMul(weights, v), perm=[0, 2, 1, 3])
        y = hand.linear(hand.Reshape(y, np.array([0, 0, HEADS * SIZE])), block.attn.c_proj)
        x = _perceptron(hand, hand.Add(x, y), block.ln_2, block.mlp)
    hand.linear(hand.norm(x, model.ln_f), model.lm_head, results=["output"])


def mean(hand: Hand, _: Any) -> None:
    """A sum in float64, as the contract has it, over counts from one."""
    frames = hand.size("x", 1)
    hand.Add("position", frames, results=["position.next"])
    counts = hand.Cast(hand.Add(_places(hand, frames), np.int64(1)), to=TensorProto.FLOAT)
    sums = hand.Add(hand.CumSum(hand.Cast("x", to=TensorProto.DOUBLE), np.int64(1)), "cumsum.sum")
    hand.Slice(sums, [-1], [2**31 - 1], [1], results=["cumsum.sum.next"])
    hand.Div(hand.Cast(sums, to=TensorProto.FLOAT), hand.Unsqueeze(counts, [2]), results=["output"])


STEPS: dict[str, Callable[[Hand, Any], None]] = {
    "gru": gru,
    "lstm": lstm,
    "tcn": tcn,
    "wavenet": wavenet,
    "denoiser": denoiser,
    "gpt": gpt,
    "gpt_by_hand": gpt,
    "encoder": encoder,
    "llama": llama,
    "sliding": sliding,
    "mean": mean,
}
