"""Rows of ``rules/reductions.py``: over features, and over all time as a summary."""

from __future__ import annotations

import torch

from tests.rules.row import Row, alike, headed

aten = torch.ops.aten
NO_RUNNING_FORM = "no running form is known"

ROWS = (
    alike("aten.sum.dim_IntList", lambda x: x.sum(-1)),
    Row("aten.sum.dim_IntList", "over time", lambda _, x: headed(x).sum(1), delay=1),
    Row("aten.sum.default", "over everything", lambda _, x: headed(x).sum(), {"x": "float32[1,time,4]"}, delay=1),
    alike("aten.mean.dim", lambda x: x.mean(-1, keepdim=True)),
    Row("aten.mean.dim", "over time and features", lambda _, x: headed(x).mean((1, 2)), delay=1),
    Row("aten.mean.default", "over everything", lambda _, x: headed(x).mean(), {"x": "float32[1,time,4]"}, delay=1),
    alike("aten.amax.default", lambda x: x.amax(-1)),
    Row("aten.amax.default", "over time", lambda _, x: headed(x).amax(1), delay=1),
    alike("aten.amin.default", lambda x: x.amin(-1)),
    Row("aten.amin.default", "over time", lambda _, x: headed(x).amin(1), delay=1),
    alike("aten.max.dim", lambda x: x.max(-1)),
    Row("aten.max.dim", "over time", lambda _, x: headed(x).max(1).values, delay=1),
    Row("aten.max.dim", "where over time", lambda _, x: x.max(1).indices, refused=NO_RUNNING_FORM),
    alike("aten.min.dim", lambda x: x.min(-1).indices),
    Row("aten.min.dim", "over time", lambda _, x: headed(x).min(1).values, delay=1),
    Row("aten.max.default", "over everything", lambda _, x: headed(x).max(), {"x": "float32[1,time,4]"}, delay=1),
    Row("aten.min.default", "over everything", lambda _, x: headed(x).min(), {"x": "float32[1,time,4]"}, delay=1),
    alike("aten.argmax.default", lambda x: x.argmax(-1)),
    Row("aten.argmax.default", "over time", lambda _, x: x.argmax(1), refused=NO_RUNNING_FORM),
    alike("aten.argmin.default", lambda x: x.argmin(-1)),
    alike("aten.prod.dim_int", lambda x: x.prod(-1)),
    alike("aten.var.correction", lambda x: aten.var.correction(x, [-1], correction=0)),
    alike("aten.std.correction", lambda x: aten.std.correction(x, [-1], correction=0)),
    alike("aten.var.dim", lambda x: aten.var.dim(x, [-1])),
    alike("aten.std.dim", lambda x: aten.std.dim(x, [-1])),
    alike("aten.var_mean.correction", lambda x: torch.var_mean(x, -1, correction=1)),
    alike("aten.std_mean.correction", lambda x: torch.std_mean(x, -1, correction=1)[0]),
    alike("aten.logsumexp.default", lambda x: torch.logsumexp(x, -1)),
    Row("aten.logsumexp.default", "over time", lambda _, x: torch.logsumexp(x, 1), refused=NO_RUNNING_FORM),
    alike("aten.linalg_vector_norm.default", lambda x: torch.linalg.vector_norm(x, dim=-1)),
    alike("aten.norm.ScalarOpt_dim", lambda x: aten.norm.ScalarOpt_dim(x, 2, [-1])),
    alike("aten.any.dim", lambda x: (x > 0).any(-1)),
    alike("aten.all.dim", lambda x: (x > 0).all(-1)),
    alike("aten.median.dim", lambda x: x.median(-1)),
)
