"""Rows of ``rules/refused.py``: refused along time, replayed along any other axis."""

from __future__ import annotations

import torch

from tests.rules.row import Row, alike

BY_PLACE = "it picks frames by their place in all of time"


def first_two(x: torch.Tensor) -> torch.Tensor:
    return torch.tensor([1, 0])


ROWS = (
    alike("aten.flip.default", lambda x: x.flip(-1)),
    alike("aten.roll.default", lambda x: x.roll(1, -1)),
    alike("aten.index_select.default", lambda x: x.index_select(-1, first_two(x))),
    Row("aten.index_select.default", "over time", lambda _, x: x.index_select(1, first_two(x)), refused=BY_PLACE),
    alike("aten.gather.default", lambda x: x.gather(-1, (x[..., :2] > 0).long())),
    Row("aten.gather.default", "over time", lambda _, x: x.gather(1, (x > 0).long()), refused=BY_PLACE),
    Row("aten.nonzero.default", "of frames", lambda _, x: (x > 0).nonzero().sum(), refused="depends on the data"),
)
