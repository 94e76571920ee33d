"""Running quantities in finished files: their ONNX forms, and what 10,000 frames do to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import edgeseq
from edgeseq.exporters import export
from tests.rules.row import CHANNELS, FRAMES, Called


def nodes(path: Path) -> list[str]:
    """The op types of a file's graph."""
    return [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.long_run
def test_a_cumulative_sum_is_four_nodes_and_a_slice(tmp_path: Path) -> None:
    """Carried in float32 it was 22 units of rounding off after 10,000 frames, torch's own less than one."""
    exported = export(Called(lambda _, x: x.cumsum(1), {}), {"x": FRAMES}, tmp_path / "m.onnx")
    assert exported.verification.passed
    assert exported.verification.settings["horizon"]["frames"] == 10_000
    assert sorted(nodes(exported.path)) == ["Add", "Cast", "Cast", "CumSum", "Slice"]


def test_every_cumulative_op_has_an_onnx_form(tmp_path: Path) -> None:
    def all_of_them(_: Any, x: torch.Tensor) -> Any:
        largest, at = x.cummax(-1)
        grown = (1 + x / 100).cumprod(-1)
        return x.cumsum(-1), grown, torch.logcumsumexp(4 * x, -1), largest, at, x.cummin(-1).values

    exported = export(Called(all_of_them, {}), {"x": CHANNELS}, tmp_path / "m.onnx")
    assert exported.verification.passed


def test_a_log_sum_of_what_is_far_apart_neither_overflows_nor_vanishes(tmp_path: Path) -> None:
    exported = export(Called(lambda _, x: x.logcumsumexp(1), {}), {"x": FRAMES}, tmp_path / "m.onnx")
    x = np.array([-np.inf, -5000, -90, -4000, 100, 5000], np.float32)[None, :, None].repeat(4, 2)
    stream = edgeseq.load(exported.path).stream(on_nonfinite="pass")
    streamed = np.concatenate([stream.step(x[:, :1]), stream.step(x[:, 1:]), stream.flush()], axis=1)
    np.testing.assert_array_equal(streamed, torch.logcumsumexp(torch.from_numpy(x), 1).numpy())


@pytest.mark.parametrize("look_ahead", [0, 2])
def test_every_statistic_of_all_time_has_an_onnx_form(look_ahead: int, tmp_path: Path) -> None:
    def all_of_them(_: Any, x: torch.Tensor) -> Any:
        x = x[:, look_ahead:]
        whole, far = (2 * x).round(), x + 100
        places = (whole.argmax(1), whole.argmin(1, keepdim=True), *whole.max(1), whole.count_nonzero(1))
        truths = ((x > 2).any(1), (x > -2).all(1), (x > 3).any((1, 2)))
        sums = (x.mean((1, 2)), x.sum(1), (1 + x / 100).prod(1), torch.logsumexp(9 * x, 1), x.amin(1))
        norms = tuple(torch.linalg.vector_norm(x, order, 1) for order in (0, 1, 2, 2.5, torch.inf))
        return (*places, *truths, *sums, *norms, far.var(1), far.std(1, correction=0), torch.std_mean(x, 1)[1])

    exported = export(Called(all_of_them, {}), {"x": FRAMES}, tmp_path / "m.onnx")
    assert exported.verification.passed


@pytest.mark.long_run
def test_a_mean_and_a_deviation_keep_to_the_module_for_10_000_frames(tmp_path: Path) -> None:
    exported = export(Called(lambda _, x: (x.abs().mean(1), (x + 1000).std(1)), {}), {"x": FRAMES}, tmp_path / "m.onnx")
    run = next(check for check in exported.verification.checks if check.name == "long run")
    assert run.passed
    assert run.worst < run.allowed / 10


def test_attention_pooling_is_final_at_every_length(tmp_path: Path) -> None:
    """The prefix law, on the file; scores that differ by thousands neither overflow nor vanish."""

    def pool(m: Any, x: torch.Tensor) -> Any:
        w = torch.softmax(m.score(x), dim=1)
        loud = (900 * m.score(x)).softmax(1)
        return torch.bmm(w.transpose(1, 2), x).squeeze(1), (w * x).sum(1), torch.einsum("bto,btd->bod", loud, x)

    torch.manual_seed(0)
    model = Called(pool, {"score": torch.nn.Linear(4, 1)})
    exported = export(model, {"x": FRAMES}, tmp_path / "m.onnx")
    assert exported.verification.passed
