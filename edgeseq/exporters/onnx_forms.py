"""The ONNX forms of the ops in ``step_ops``, as torch.onnx takes them: by op, a function that builds its nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx
import onnx_ir as ir
import torch
from onnxscript import opset22 as op
from onnxscript.values import Op, Opset


def _contrib_op(name: str, inputs: Sequence[str], outputs: Sequence[str], attributes: dict[str, Any]) -> Op:
    """An op of onnxruntime's own domain: onnx has no schema for it, so it is written down here."""
    schema = onnx.defs.OpSchema
    return Op(
        Opset("com.microsoft", 1),
        name,
        schema(
            name,
            "com.microsoft",
            1,
            inputs=[
                schema.FormalParameter(word, "T" if kind == "T" else f"tensor({kind})")
                for word, kind in map(_typed, inputs)
            ],
            outputs=[schema.FormalParameter(word, "T") for word in outputs],
            type_constraints=[("T", ["tensor(float)", "tensor(float16)"], "")],
            attributes=[schema.Attribute(word, kind) for word, kind in attributes.items()],
        ),
    )


def _typed(text: str) -> tuple[str, str]:
    word, _, kind = text.partition(":")
    return word, kind or "T"


_group_query = _contrib_op(
    "GroupQueryAttention",
    ["query", "key", "value", "past_key", "past_value", "seqlens_k:int32", "total_sequence_length:int32"],
    ["output", "present_key", "present_value"],
    {
        "num_heads": onnx.defs.OpSchema.AttrType.INT,
        "kv_num_heads": onnx.defs.OpSchema.AttrType.INT,
        "scale": onnx.defs.OpSchema.AttrType.FLOAT,
    },
)


def _recurrent_layer(x: Any, w: Any, r: Any, b: Any, state: Any, lengths: Any, mode: Any, hidden: Any) -> Any:
    if mode == "lstm":
        y, h, c = op.LSTM(x, w, r, b, lengths, state[0], state[1], hidden_size=hidden, direction=_direction(w))
        return y, h, c
    if mode == "gru":
        y, h = op.GRU(x, w, r, b, lengths, state[0], hidden_size=hidden, linear_before_reset=1, direction=_direction(w))
        return y, h
    directions = int(w.shape[0])
    names = ["Relu" if mode == "rnn_relu" else "Tanh"] * directions
    y, h = op.RNN(x, w, r, b, lengths, state[0], hidden_size=hidden, activations=names, direction=_direction(w))
    return y, h


def _backward_layer(x: Any, w: Any, r: Any, b: Any, state: Any, lengths: Any, mode: Any, hidden: Any) -> Any:
    axis = op.Constant(value_ints=[0])
    first = [op.Unsqueeze(item, axis) for item in state] or [None, None]
    given = [x, w, r, b, lengths, *(first if mode == "lstm" else first[:1])]
    named = {"hidden_size": hidden, "direction": "reverse"}
    if mode == "lstm":
        y, *_ = op.LSTM(*given, **named)
    elif mode == "gru":
        y, *_ = op.GRU(*given, linear_before_reset=1, **named)
    else:
        y, *_ = op.RNN(*given, activations=["Relu" if mode == "rnn_relu" else "Tanh"], **named)
    return op.Squeeze(y, op.Constant(value_ints=[1]))


def _direction(w: Any) -> str:
    return "bidirectional" if int(w.shape[0]) == 2 else "forward"


def _cached_attention(
    q: Any, k: Any, v: Any, keys: Any, values: Any, last: Any, total: Any, scale: Any, form: Any
) -> Any:
    if form == "gqa":
        return _group_query_attention(q, k, v, keys, values, last, total, scale)
    return _plain_attention(q, k, v, keys, values, last, scale)


def _group_query_attention(q: Any, k: Any, v: Any, keys: Any, values: Any, last: Any, total: Any, scale: Any) -> Any:
    heads, kv_heads, size = int(q.shape[1]), int(k.shape[1]), int(q.shape[3])
    packed = [_packed(value, count, size) for value, count in ((q, heads), (k, kv_heads), (v, kv_heads))]
    out, new_keys, new_values = _group_query(
        *packed, keys, values, last, total, num_heads=heads, kv_num_heads=kv_heads, scale=scale
    )
    _shaped(out, q, heads * size)
    out = _shaped(op.Reshape(out, op.Constant(value_ints=[0, 0, heads, size])), q, heads, size)
    return op.Transpose(out, perm=[0, 2, 1, 3]), new_keys, new_values


def _packed(value: Any, heads: Any, size: Any) -> Any:
    """``[batch, heads, frames, size]`` as ``[batch, frames, heads * size]``."""
    turned = _shaped(op.Transpose(value, perm=[0, 2, 1, 3]), value, heads, size)
    return _shaped(op.Reshape(turned, op.Constant(value_ints=[0, 0, heads * size])), value, heads * size)


def _shaped(value: Any, like: Any, *features: Any) -> Any:
    """The value with its shape written down: batch and frames of ``like``, then ``features``."""
    value.shape = ir.Shape([like.shape[0], like.shape[2], *features])
    value.type = ir.TensorType(like.dtype)
    return value


def _plain_attention(q: Any, k: Any, v: Any, keys: Any, values: Any, last: Any, scale: Any) -> Any:
    """Only ``ai.onnx`` ops: the new rows are scattered into the cache, then the filled part of it is attended to."""
    heads, kv_heads = int(q.shape[1]), int(k.shape[1])
    frames = op.Shape(k, start=2, end=3)
    zero, one = op.Constant(value_int=0), op.Constant(value_int=1)
    newest = op.Unsqueeze(op.Cast(last, to=7), op.Constant(value_ints=[1]))
    offsets = op.Sub(op.Range(zero, op.Squeeze(frames), one), op.Squeeze(op.Sub(frames, op.Constant(value_ints=[1]))))
    places = op.Add(newest, offsets)
    at = _where_written(k, places, 2)
    new_keys, new_values = op.ScatterND(keys, at, k), op.ScatterND(values, at, v)
    total = op.Reshape(op.Add(op.ReduceMax(newest), one), op.Constant(value_ints=[1]))
    start, axis = op.Constant(value_ints=[0]), op.Constant(value_ints=[2])
    seen_keys, seen_values = op.Slice(new_keys, start, total, axis), op.Slice(new_values, start, total, axis)
    if kv_heads != heads:
        seen_keys, seen_values = (_repeat_heads(t, kv_heads, heads) for t in (seen_keys, seen_values))
    scores = op.Mul(op.MatMul(q, op.Transpose(seen_keys, perm=[0, 1, 3, 2])), op.Constant(value_float=scale))
    reach = op.LessOrEqual(op.Range(zero, op.Squeeze(total), one), op.Unsqueeze(places, op.Constant(value_ints=[1, 3])))
    masked = op.Where(reach, scores, op.Constant(value_float=float("-inf")))
    return op.MatMul(op.Softmax(masked, axis=-1), seen_values), new_keys, new_values


def _where_written(new: Any, places: Any, axis: int) -> Any:
    """For ScatterND: the indices of every entry of ``new`` along its first ``axis + 1`` axes, at ``places``."""
    zero, one = op.Constant(value_int=0), op.Constant(value_int=1)
    sizes = op.Concat(op.Shape(new, start=0, end=axis + 1), op.Constant(value_ints=[1]), axis=0)
    indices = []
    for i in range(axis):
        shape = op.Constant(value_ints=[-1 if j == i else 1 for j in range(axis + 2)])
        size = new.shape[i] if new.shape is not None else None
        if isinstance(size, int):
            numbers = op.Constant(value_ints=list(range(size)))
        else:
            numbers = op.Range(zero, op.Squeeze(op.Shape(new, start=i, end=i + 1)), one)
        indices.append(op.Expand(op.Reshape(numbers, shape), sizes))
    if axis == 0:
        places = op.Squeeze(places, op.Constant(value_ints=[0]))
    between = [*range(1, axis), axis + 1]
    indices.append(op.Expand(op.Unsqueeze(places, op.Constant(value_ints=between)), sizes))
    return indices[0] if axis == 0 else op.Concat(*indices, axis=-1)


def _remembered(cache: Any, new: Any, places: Any, axis: Any) -> Any:
    return op.ScatterND(cache, _where_written(new, places, axis), new)


def _columns(total: Any) -> Any:
    return op.Range(op.Constant(value_int=0), total, op.Constant(value_int=1))


def _repeat_heads(value: Any, kv_heads: Any, heads: Any) -> Any:
    """Each key and value head serves ``heads / kv_heads`` query heads, next to each other."""
    times = heads // kv_heads
    spread = op.Unsqueeze(value, op.Constant(value_ints=[2]))
    shape = op.Shape(spread)
    wide = op.Concat(
        op.Slice(shape, op.Constant(value_ints=[0]), op.Constant(value_ints=[2])),
        op.Constant(value_ints=[times]),
        op.Slice(shape, op.Constant(value_ints=[3]), op.Constant(value_ints=[5])),
        axis=0,
    )
    return op.Reshape(op.Expand(spread, wide), _joined(shape, heads))


def _joined(shape: Any, heads: Any) -> Any:
    first = op.Slice(shape, op.Constant(value_ints=[0]), op.Constant(value_ints=[1]))
    rest = op.Slice(shape, op.Constant(value_ints=[3]), op.Constant(value_ints=[5]))
    return op.Concat(first, op.Constant(value_ints=[heads]), rest, axis=0)


def _cast(x: Any, dtype: Any, *_: Any, **__: Any) -> Any:
    return op.Cast(x, to=dtype)


def _squeezed(x: Any, dims: Any) -> Any:
    return op.Squeeze(x, op.Constant(value_ints=[int(dim) for dim in dims]))


def _moved(x: Any, source: Any, destination: Any) -> Any:
    rank = len(x.shape)
    order = [axis for axis in range(rank) if axis != int(source) % rank]
    order.insert(int(destination) % rank, int(source) % rank)
    return op.Transpose(x, perm=order)


def _floor_divide(dividend: Any, divisor: Any) -> Any:
    """Rounded down. ONNX's Mod of integers has the divisor's sign, so that what is left divides evenly."""
    if dividend.dtype.is_floating_point():
        return op.Floor(op.Div(dividend, divisor))
    return op.Div(op.Sub(dividend, op.Mod(dividend, divisor)), divisor)


def _where(condition: Any, chosen: Any, other: Any) -> Any:
    """onnxruntime's Where takes no truth values."""
    if chosen.dtype != ir.DataType.BOOL:
        return op.Where(condition, chosen, other)
    return op.Or(op.And(condition, chosen), op.And(op.Not(condition), other))


TRANSLATIONS: dict[Any, Callable[..., Any]] = {
    torch.ops.edgeseq.recurrent_layer.default: _recurrent_layer,
    torch.ops.edgeseq.backward_layer.default: _backward_layer,
    torch.ops.edgeseq.cached_attention.default: _cached_attention,
    torch.ops.aten.floor_divide.default: _floor_divide,
    torch.ops.aten.where.self: _where,
    torch.ops.edgeseq.columns.default: _columns,
    # torch.onnx would decompose these and trace the whole program once more for it
    torch.ops.aten.to.dtype: _cast,
    torch.ops.aten.squeeze.dims: _squeezed,
    torch.ops.aten.movedim.int: _moved,
    torch.ops.edgeseq.remembered.default: _remembered,
}
