"""Rows of ``rules/refused.py``: refused along time, replayed along any other axis."""

from __future__ import annotations

import torch
from torch.nn import functional

from tests.rules.row import Row, alike

BY_PLACE = "it picks frames by their place in all of time"


def first_two(x: torch.Tensor) -> torch.Tensor:
    return torch.tensor([1, 0])


def columns(_: object, x: torch.Tensor) -> torch.Tensor:
    return torch.ops.aten.im2col.default(x[:, None], [2, 2], [1, 1], [0, 0], [1, 1])  # type: ignore[no-any-return]


def patched(x: torch.Tensor) -> torch.Tensor:
    """Patches of two by two, over time and an axis beside it."""
    return functional.fold(x.unsqueeze(1).expand(-1, 4, -1, -1).flatten(2), (x.shape[1] + 1, 5), (2, 2))


ROWS = (
    alike("aten.flip.default", lambda x: x.flip(-1)),
    alike("aten.roll.default", lambda x: x.roll(1, -1)),
    alike("aten.index_select.default", lambda x: x.index_select(-1, first_two(x))),
    Row("aten.index_select.default", "over time", lambda _, x: x.index_select(1, first_two(x)), refused=BY_PLACE),
    alike("aten.gather.default", lambda x: x.gather(-1, (x[..., :2] > 0).long())),
    Row("aten.gather.default", "over time", lambda _, x: x.gather(1, (x > 0).long()), refused=BY_PLACE),
    Row("aten.as_strided.default", "frames", lambda _, x: x.as_strided(x.shape, (0, 4, 1)), refused="reads memory"),
    Row("aten.im2col.default", "frames", columns, refused="windows of time and"),
    Row("aten.col2im.default", "frames", lambda _, x: patched(x), refused="windows of time and"),
    Row(
        "aten.max_pool2d_with_indices.default",
        "places",
        lambda _, x: functional.max_pool2d(x, 2, return_indices=True)[1],
        refused="its indices count frames",
    ),
    Row(
        "aten.max_pool3d_with_indices.default",
        "places",
        lambda _, x: functional.max_pool3d(x[:, None], (2, 2, 1), return_indices=True)[1],
        {"x": "float32[batch,time,4,3]"},
        refused="its indices count frames",
    ),
    Row(
        "aten.repeat_interleave.self_Tensor",
        "of frames, by durations",
        lambda _, x: x[0].repeat_interleave(x[0, :, 0].abs().long(), 0)[None],
        {"x": "float32[1,time,4]"},
        refused="depends on the values of a tensor",
    ),
    Row("aten.nonzero.default", "of frames", lambda _, x: (x > 0).nonzero().sum(), refused="depends on the data"),
)
