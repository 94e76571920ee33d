"""Rows of ``rules/shifts.py``: slices and the last step."""

from __future__ import annotations

from tests.rules.row import Row, alike, headed

ROWS = (
    Row("aten.slice.Tensor", "frames dropped in front", lambda _, x: x[:, 2:], delay=2),
    Row("aten.slice.Tensor", "frames dropped behind", lambda _, x: x[:, :-3], delay=3),
    Row("aten.slice.Tensor", "the last frame", lambda _, x: headed(x)[:, -1:], delay=1),
    alike("aten.slice.Tensor", lambda x: x[:, :, 1:3]),
    Row("aten.slice.Tensor", "every other frame", lambda _, x: headed(x)[:, ::2]),
    Row("aten.slice.Tensor", "every third but the first two", lambda _, x: headed(x)[:, 2::3], delay=3),
    Row("aten.slice.Tensor", "half of all", lambda _, x: x[:, : x.shape[1] // 2], refused="a share of all time"),
    Row("aten.slice.Tensor", "the first frames", lambda _, x: headed(x)[:, 1:4], delay=1),
    Row("aten.slice.Tensor", "the first of every frame", lambda _, x: x - headed(x)[:, :1], delay=1),
    alike("aten.select.int", lambda x: x[:, :, 1]),
    Row("aten.select.int", "the last frame", lambda _, x: headed(x)[:, -1], delay=1),
    Row("aten.select.int", "the first frame", lambda _, x: headed(x)[:, 3], delay=1),
    Row("aten.select.int", "the last but one", lambda _, x: x[:, -2], refused="counted from the end of all time"),
)
