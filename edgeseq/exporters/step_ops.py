"""Ops of the step graph that have a kernel in torch, for the fast oracle, and an ONNX form in ``lowering``.

Recurrent layers take their weights in ONNX order, ``[directions, gates * hidden, features]``, so that the initializers
of the file are exactly these tensors.
"""

from __future__ import annotations

import torch

TORCH_TO_ONNX = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn_tanh": (0,), "rnn_relu": (0,)}
_ONNX_TO_TORCH = {"lstm": (0, 2, 3, 1), "gru": (1, 0, 2), "rnn_tanh": (0,), "rnn_relu": (0,)}


def reorder_gates(tensor: torch.Tensor, order: tuple[int, ...], dim: int = 0) -> torch.Tensor:
    """The blocks of ``tensor`` along ``dim``, one per gate, in another order."""
    blocks = tensor.chunk(len(order), dim)
    return torch.cat([blocks[i] for i in order], dim)


@torch.library.custom_op("edgeseq::recurrent_layer", mutates_args=())
def recurrent_layer(
    x: torch.Tensor,
    w: torch.Tensor,
    r: torch.Tensor,
    b: torch.Tensor,
    state: list[torch.Tensor],
    lengths: torch.Tensor | None,
    mode: str,
    hidden: int,
) -> list[torch.Tensor]:
    """One recurrent layer: ``x [time, batch, features]``, states ``[directions, batch, hidden]``.

    Returns ``[y, h]`` or ``[y, h, c]``; ``y`` is ``[time, directions, batch, hidden]``. With ``lengths``, int32[batch],
    the states are those after each row's first ``lengths`` frames.
    """
    if lengths is None:
        return _run(x, w, r, b, state, mode, hidden)
    frames = []
    for t in range(x.shape[0]):
        y, *new = _run(x[t : t + 1], w, r, b, state, mode, hidden)
        live = (lengths > t)[None, :, None]
        state = [torch.where(live, now, old) for now, old in zip(new, state, strict=True)]
        frames.append(y)
    return [torch.cat(frames), *(item.clone() for item in state)]


def _run(
    x: torch.Tensor,
    w: torch.Tensor,
    r: torch.Tensor,
    b: torch.Tensor,
    state: list[torch.Tensor],
    mode: str,
    hidden: int,
) -> list[torch.Tensor]:
    order = _ONNX_TO_TORCH[mode]
    directions, gates = w.shape[0], len(order) * hidden
    flat = []
    for d in range(directions):
        flat += [reorder_gates(w[d], order), reorder_gates(r[d], order)]
        flat += [reorder_gates(b[d, :gates], order), reorder_gates(b[d, gates:], order)]
    kernel = getattr(torch, mode)
    hx = tuple(state) if mode == "lstm" else state[0]
    y, *new = kernel(x, hx, flat, True, 1, 0.0, False, directions == 2, False)
    return [y.unflatten(-1, (directions, hidden)).transpose(1, 2).contiguous(), *(item.clone() for item in new)]


@recurrent_layer.register_fake
def _(
    x: torch.Tensor,
    w: torch.Tensor,
    r: torch.Tensor,
    b: torch.Tensor,
    state: list[torch.Tensor],
    lengths: torch.Tensor | None,
    mode: str,
    hidden: int,
) -> list[torch.Tensor]:
    return [x.new_empty(x.shape[0], w.shape[0], x.shape[1], hidden), *(item.new_empty(item.shape) for item in state)]


@torch.library.custom_op("edgeseq::backward_layer", mutates_args=())
def backward_layer(
    x: torch.Tensor,
    w: torch.Tensor,
    r: torch.Tensor,
    b: torch.Tensor,
    state: list[torch.Tensor],
    lengths: torch.Tensor | None,
    mode: str,
    hidden: int,
) -> torch.Tensor:
    """One recurrent layer run from the last frame to the first: ``[time, batch, hidden]`` of ``x [time, batch, ...]``.

    It starts from ``state``, ``[batch, hidden]`` each, or from zeros; with ``lengths``, int32[batch], at each row's
    frame ``lengths - 1``, and what it gives from there on means nothing.
    """
    frames, rows, _ = x.shape
    last = torch.full([rows], frames, device=x.device) if lengths is None else lengths.long()
    turned = (last - 1 - torch.arange(frames, device=x.device)[:, None]) % frames
    row = torch.arange(rows, device=x.device)
    zeros = [x.new_zeros(1, rows, hidden) for _ in range(2 if mode == "lstm" else 1)]
    y, *_ = _run(x[turned, row], w, r, b, [item[None] for item in state] or zeros, mode, hidden)
    return y[:, 0][turned, row]


@backward_layer.register_fake
def _(
    x: torch.Tensor,
    w: torch.Tensor,
    r: torch.Tensor,
    b: torch.Tensor,
    state: list[torch.Tensor],
    lengths: torch.Tensor | None,
    mode: str,
    hidden: int,
) -> torch.Tensor:
    return x.new_empty(x.shape[0], x.shape[1], hidden)


@torch.library.custom_op("edgeseq::cached_attention", mutates_args=())
def cached_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    last: torch.Tensor,
    total: torch.Tensor,
    scale: float,
    form: str,
) -> list[torch.Tensor]:
    """Causal attention over a cache: ``[out, keys, values]``.

    ``q [batch, heads, frames, size]``; ``k``, ``v`` ``[batch, kv_heads, frames, size]``; caches ``[batch, kv_heads,
    capacity, size]``. ``last``, int32[batch]: the place of the newest frame after this call; ``total``, int32 scalar:
    the most frames any row then holds. ``form`` names the ONNX form and changes nothing here.
    """
    batch, kv_heads, frames, _ = k.shape
    first = last.long() - (frames - 1)
    places = first[:, None] + torch.arange(frames, device=q.device)
    rows, heads = torch.arange(batch, device=q.device), torch.arange(kv_heads, device=q.device)
    at = (rows[:, None, None], heads[None, :, None], places[:, None, :])
    keys, values = keys.index_put(at, k), values.index_put(at, v)
    seen = torch.arange(keys.shape[2], device=q.device) <= places[:, :, None]
    out = torch.nn.functional.scaled_dot_product_attention(
        q, keys, values, attn_mask=seen[:, None], scale=scale, enable_gqa=True
    )
    return [out.contiguous(), keys, values]


@cached_attention.register_fake
def _(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    last: torch.Tensor,
    total: torch.Tensor,
    scale: float,
    form: str,
) -> list[torch.Tensor]:
    out = q.new_empty(q.shape[0], q.shape[1], q.shape[2], v.shape[3])
    return [out, keys.new_empty(keys.shape), values.new_empty(values.shape)]


@torch.library.custom_op("edgeseq::columns", mutates_args=())
def columns(total: torch.Tensor) -> torch.Tensor:
    """The numbers from 0 to ``total``, an int64 scalar: as many as the caches are filled."""
    return torch.arange(int(total), device=total.device)


@columns.register_fake
def _(total: torch.Tensor) -> torch.Tensor:
    # At least two, or torch would ask at every broadcast whether it is one.
    return total.new_empty([torch.library.get_ctx().new_dynamic_size(min=2)])


@torch.library.custom_op("edgeseq::remembered", mutates_args=())
def remembered(cache: torch.Tensor, new: torch.Tensor, places: torch.Tensor, axis: int) -> torch.Tensor:
    """The cache with ``new`` written along ``axis`` at ``places``, int64[rows, frames], a row per entry of axis 0.

    One row stands for all of them.
    """
    where = _grid(new, places, axis)
    return cache.index_put(tuple(where[..., i] for i in range(axis + 1)), new)


def _grid(new: torch.Tensor, places: torch.Tensor, axis: int) -> torch.Tensor:
    """Where each row of ``new`` goes: indices of the first ``axis + 1`` axes, one more axis behind them."""
    sizes = new.shape[: axis + 1]
    indices = []
    for i in range(axis):
        view = [1] * (axis + 1)
        view[i] = -1
        indices.append(torch.arange(sizes[i], device=new.device).view(view).expand(sizes))
    shape = [1] * (axis + 1)
    shape[axis] = places.shape[1]
    if axis > 0:
        shape[0] = places.shape[0]
    indices.append(places.reshape(shape).expand(sizes))
    return torch.stack(indices, -1)


@remembered.register_fake
def _(cache: torch.Tensor, new: torch.Tensor, places: torch.Tensor, axis: int) -> torch.Tensor:
    return cache.new_empty(cache.shape)
