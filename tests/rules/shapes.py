"""Rows of ``rules/shapes.py``: views that move axes about."""

from __future__ import annotations

import torch

from tests.rules.row import FRAMES, Row, alike, headed

aten = torch.ops.aten
HALVES = {"x": FRAMES, "y": FRAMES}
FLAT = {"x": "float32[time,4]"}

ROWS = (
    alike("aten.view.default", lambda x: x.contiguous().view(x.shape[0], x.shape[1], 2, 2)),
    Row("aten.view.default", "batch and time in one axis", lambda _, x: torch.tanh(x.view(-1, 4)).view(x.shape)),
    Row(
        "aten.view.default",
        "time groups its frames",
        lambda _, x: x[:, : x.shape[1] // 2 * 2].view(x.shape[0], -1, 8),
    ),
    Row(
        "aten.view.default",
        "time spread over features",
        lambda _, x: x.transpose(1, 2).contiguous().view(x.shape[0], x.shape[1], 4),
        refused="it spreads time over other axes",
    ),
    alike("aten._unsafe_view.default", lambda x: aten._unsafe_view.default(x, [x.shape[0], x.shape[1], 2, 2])),
    alike("aten.view.default", lambda x: x.transpose(1, 2).reshape(x.shape[0], 2, 2, -1), "reshape"),
    alike("aten.view.default", lambda x: x.unsqueeze(-1).flatten(2), "flatten"),
    alike("aten.view.default", lambda x: torch.unflatten(x, -1, (2, 2)), "unflatten"),
    alike("aten.permute.default", lambda x: x.permute(2, 0, 1)),
    alike("aten.transpose.int", lambda x: x.transpose(1, 2)),
    Row("aten.t.default", "no batch", lambda _, x: x.t(), FLAT),
    alike("aten.permute.default", lambda x: x.movedim(1, 2), "movedim"),
    alike("aten.transpose.int", lambda x: x.swapaxes(1, 2), "swapaxes"),
    alike("aten.transpose.int", lambda x: x.mT, "mT"),
    alike("aten.unsqueeze.default", lambda x: x.unsqueeze(1)),
    alike("aten.squeeze.default", lambda x: x[:, :, :1].squeeze()),
    alike("aten.squeeze.dim", lambda x: x[:, :, :1].squeeze(2)),
    alike("aten.squeeze.dims", lambda x: x[:, :, :1].squeeze((2,))),
    alike("aten.expand.default", lambda x: x.unsqueeze(2).expand(-1, -1, 3, -1)),
    Row("aten.expand.default", "as another input", lambda _, x, y: x[:, :, :1].expand_as(y), HALVES),
    alike("aten.expand.default", lambda x: x[:, :, :1].broadcast_to(x.shape), "broadcast_to"),
    Row(
        "aten.expand.default",
        "conditioning spread over time",
        lambda _, x, y: x + y[:, None].expand(-1, x.shape[1], -1),
        {"x": FRAMES, "y": "float32[batch,4]"},
    ),
    Row(
        "aten.expand.default",
        "positions beside rows that share the axis of batch",
        lambda _, x: x.flatten(0, 1).cumsum(1) / torch.arange(1, x.shape[2] + 1).expand_as(x.flatten(0, 1)),
        {"x": "float32[batch,3,time]"},
    ),
    alike("aten.repeat.default", lambda x: x.repeat(1, 1, 2)),
    Row("aten.repeat.default", "over time", lambda _, x: x.repeat(1, 2, 1), refused="it repeats the whole sequence"),
    Row("aten.stack.default", "look-ahead meets none", lambda _, x, y: torch.stack([headed(x), y], 2), HALVES, delay=1),
    alike("aten.split.Tensor", lambda x: torch.split(x, 2, -1)),
    Row("aten.split.Tensor", "over time", lambda _, x: torch.split(x, 5000, 1)[0], refused="it cuts time into pieces"),
    alike("aten.split_with_sizes.default", lambda x: torch.split(x, [1, 3], -1)[1]),
    alike("aten.split_with_sizes.default", lambda x: aten.split.sizes(x, [1, 3], -1)[1], "split by sizes"),
    alike("aten.split.Tensor", lambda x: x.chunk(2, -1), "chunk"),
    alike("aten.unbind.int", lambda x: x.unbind(-1)),
)
