"""Rows of ``rules/reductions.py``: over features, and over all time as a summary."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tests.rules.row import CHANNELS, FRAMES, Function, Row, alike, headed

aten = torch.ops.aten
SIDE_BY_SIDE = "it needs the frames of all time side by side"
CELL = {"cell": lambda: nn.LSTMCell(4, 3)}
ONE_ROW = "float32[1,time,4]"


def over_time(op: str, function: Function, case: str = "over time") -> Row:
    """A row for a statistic of all frames, of which the first are known and the last looked ahead for."""
    return Row(op, case, lambda _, x: function(headed(x)), delay=1)


def over_everything(op: str, function: Function) -> Row:
    """The same over frames and features of a single row."""
    return Row(op, "over everything", lambda _, x: function(headed(x)), {"x": ONE_ROW}, delay=1)


def wholes(x: torch.Tensor) -> torch.Tensor:
    return (2 * x).round()


def spreads(_: Any, x: torch.Tensor) -> Any:
    """Variances, time last and at half the rate, of values far from zero, and one that looks ahead beside them."""
    half = torch.nn.functional.avg_pool1d(x + 1000, 2)
    return half.var(-1), x.var((1, 2), keepdim=True), half.std(-1, correction=0), x[:, :, 3:]


ROWS = (
    alike("aten.sum.dim_IntList", lambda x: x.sum(-1)),
    over_time("aten.sum.dim_IntList", lambda x: x.sum(1)),
    Row("aten.sum.dim_IntList", "of truth values", lambda _, x: (headed(x) > 0).sum(1), delay=1),
    over_everything("aten.sum.default", torch.sum),
    Row("aten.sum.default", "of positions", lambda _, x: torch.arange(x.shape[1]).sum(), refused="positions alone"),
    Row("aten.sum.default", "over rows", lambda _, x: x.sum(), refused="over all rows of a batch"),
    alike("aten.mean.dim", lambda x: x.mean(-1, keepdim=True)),
    over_time("aten.mean.dim", lambda x: x.mean((1, 2)), "over time and features"),
    over_time("aten.mean.dim", lambda x: x.mean(1).split([1, 3], -1)[1] + x.mean(1).unbind(-1)[0][:, None], "split"),
    over_time("aten.mean.dim", lambda x: functional.avg_pool2d(x[:, None], x.size()[1:]), "pooled by a whole window"),
    over_time("aten.mean.dim", lambda x: functional.avg_pool1d(x.mT, x.shape[1]), "pooled over one axis"),
    Row(
        "aten.mean.dim",
        "pooled over all of time and two features",
        lambda _, x: functional.avg_pool2d(headed(x)[:, None], (x.shape[1], 2)),
        delay=1,
    ),
    Row("aten.sum.dim_IntList", "a cell on what is summed", lambda m, x: m.cell(x.sum(1))[1], parts=CELL),
    Row("aten.mean.dim", "over rows", lambda _, x: x.mean((0, 1)), refused="over all rows of a batch"),
    Row("aten.mean.dim", "over folded rows", lambda _, x: x.flatten(0, 1).mean(0), refused="folded with another axis"),
    over_everything("aten.mean.default", torch.mean),
    alike("aten.amax.default", lambda x: x.amax(-1)),
    over_time("aten.amax.default", lambda x: x.amax(1)),
    alike("aten.amin.default", lambda x: x.amin(-1)),
    over_time("aten.amin.default", lambda x: x.amin(1)),
    alike("aten.max.dim", lambda x: x.max(-1)),
    over_time("aten.max.dim", lambda x: x.max(1).values),
    over_time("aten.max.dim", lambda x: tuple(wholes(x).max(1)), "where over time"),
    alike("aten.min.dim", lambda x: x.min(-1).indices),
    over_time("aten.min.dim", lambda x: x.min(1).values),
    over_time("aten.min.dim", lambda x: x.mT.min(-1, keepdim=True).indices, "where over time"),
    over_everything("aten.max.default", torch.max),
    over_everything("aten.min.default", torch.min),
    alike("aten.argmax.default", lambda x: x.argmax(-1)),
    over_time("aten.argmax.default", lambda x: wholes(x).argmax(1)),
    Row("aten.argmax.default", "at a rate", lambda _, x: x.reshape(x.shape[0], -1).argmax(1)),
    Row(
        "aten.argmax.default", "over everything", lambda _, x: x.argmax(), {"x": ONE_ROW}, refused="it numbers entries"
    ),
    alike("aten.argmin.default", lambda x: x.argmin(-1)),
    over_time("aten.argmin.default", lambda x: wholes(x).argmin(1)),
    alike("aten.prod.dim_int", lambda x: x.prod(-1)),
    over_time("aten.prod.dim_int", lambda x: x.prod(1)),
    over_everything("aten.prod.default", torch.prod),
    alike("aten.var.correction", lambda x: aten.var.correction(x, [-1], correction=0)),
    over_time("aten.var.correction", lambda x: x.var(1, correction=0)),
    over_time("aten.var.correction", lambda x: x.var((1, 2), correction=2), "over time and features"),
    Row("aten.var.dim", "and more", spreads, {"x": CHANNELS}, delay=3),
    alike("aten.std.correction", lambda x: aten.std.correction(x, [-1], correction=0)),
    over_time("aten.std.correction", lambda x: x.std(1, correction=1, keepdim=True)),
    alike("aten.var.dim", lambda x: aten.var.dim(x, [-1])),
    over_time("aten.var.dim", lambda x: aten.var.dim(x, [1])),
    alike("aten.std.dim", lambda x: aten.std.dim(x, [-1])),
    over_time("aten.std.dim", lambda x: aten.std.dim(x, [1], False)),
    alike("aten.var_mean.correction", lambda x: torch.var_mean(x, -1, correction=1)),
    over_time("aten.var_mean.correction", lambda x: torch.var_mean(x, 1, correction=0)),
    alike("aten.var_mean.dim", lambda x: torch.var_mean(x, -1)),
    over_time("aten.var_mean.dim", lambda x: torch.var_mean(x, 1)),
    alike("aten.std_mean.correction", lambda x: torch.std_mean(x, -1, correction=1)[0]),
    over_time("aten.std_mean.correction", lambda x: torch.std_mean(x, 1, correction=1, keepdim=True)[0]),
    alike("aten.std_mean.dim", lambda x: torch.std_mean(x, -1)),
    over_time("aten.std_mean.dim", lambda x: torch.std_mean(x, 1)[1]),
    alike("aten.logsumexp.default", lambda x: torch.logsumexp(x, -1)),
    over_time("aten.logsumexp.default", lambda x: torch.logsumexp(1000 * x, 1)),
    alike("aten.linalg_vector_norm.default", lambda x: torch.linalg.vector_norm(x, dim=-1)),
    over_time("aten.linalg_vector_norm.default", lambda x: x.norm(dim=1)),
    *(
        over_time("aten.linalg_vector_norm.default", lambda x, p=p: torch.linalg.vector_norm(x, p, 1), f"of order {p}")
        for p in (0, 1, 2.5, -1, torch.inf, -torch.inf)
    ),
    alike("aten.linalg_norm.default", lambda x: torch.linalg.norm(x, dim=-1)),
    over_time("aten.linalg_norm.default", lambda x: torch.linalg.norm(x, dim=1)),
    Row(
        "aten.linalg_norm.default",
        "of matrices",
        lambda _, x: torch.linalg.norm(x, 1, (1, 2)),
        {"x": ONE_ROW},
        refused=SIDE_BY_SIDE,
    ),
    alike("aten.norm.ScalarOpt_dim", lambda x: aten.norm.ScalarOpt_dim(x, 2, [-1])),
    over_time("aten.norm.ScalarOpt_dim", lambda x: aten.norm.ScalarOpt_dim(x, 2, [1])),
    alike("aten.any.dim", lambda x: (x > 0).any(-1)),
    over_time("aten.any.dim", lambda x: (x > 2).any(1)),
    alike("aten.any.dims", lambda x: (x > 0).any((-1,))),
    over_time("aten.any.dims", lambda x: (x > 3).any((1, 2))),
    over_everything("aten.any.default", lambda x: (x > 3).any()),
    alike("aten.all.dim", lambda x: (x > 0).all(-1)),
    over_time("aten.all.dim", lambda x: (x > -2).all(1, keepdim=True)),
    alike("aten.all.dims", lambda x: (x > 0).all((-1,))),
    over_time("aten.all.dims", lambda x: (x > -3).all((1, 2))),
    over_everything("aten.all.default", lambda x: (x > -3).all()),
    alike("aten.count_nonzero.default", lambda x: wholes(x).count_nonzero(-1)),
    over_time("aten.count_nonzero.default", lambda x: wholes(x).count_nonzero(1)),
    alike("aten.median.dim", lambda x: x.median(-1)),
    Row("aten.median.dim", "over time", lambda _, x: x.median(1).values, refused=SIDE_BY_SIDE),
    Row("aten.median.default", "over everything", lambda _, x: x.median(), {"x": ONE_ROW}, refused=SIDE_BY_SIDE),
    alike("aten.nanmedian.dim", lambda x: x.nanmedian(-1)),
    alike("aten.mode.default", lambda x: wholes(x).mode(-1).values),
    alike("aten.kthvalue.default", lambda x: x.kthvalue(2, -1)),
    Row(
        "aten.kthvalue.default", "over time", lambda _, x: x.kthvalue(2, 1).values, {"x": FRAMES}, refused=SIDE_BY_SIDE
    ),
    alike("aten.quantile.scalar", lambda x: x.quantile(0.3, -1)),
    Row("aten.quantile.scalar", "over time", lambda _, x: x.quantile(0.3, 1), refused=SIDE_BY_SIDE),
)
