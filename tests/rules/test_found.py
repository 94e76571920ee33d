"""What the table of rows found, on finished files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

import edgeseq
from edgeseq.errors import NotStreamable
from edgeseq.exporters import export
from edgeseq.exporters.pooling_calls import max_pool1d
from edgeseq.testing import check_rule
from tests.rules.row import CHANNELS, FRAMES, Called, parameter


def test_max_pooling_over_one_axis_streams(tmp_path: Path) -> None:
    """torch's own max_pool1d fixes the length of time while it is captured."""
    torch.manual_seed(0)
    pooled = nn.Sequential(nn.Conv1d(4, 3, 5, padding=2), nn.MaxPool1d(2), nn.ReLU(), nn.MaxPool1d(3, 1, padding=1))
    exported = export(pooled, {"input": CHANNELS}, tmp_path / "m.onnx")
    assert exported.verification.passed
    assert exported.contract.chunk.multiple == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 3},
        {"kernel_size": (3,), "stride": (2,), "padding": 1, "dilation": 2},
        {"kernel_size": 4, "stride": 3, "ceil_mode": True},
        {"kernel_size": 2, "return_indices": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(2, 3, 17), (3, 17)], ids=str)
def test_the_captured_form_is_max_pool1d(arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    wanted, found = functional.max_pool1d(x, **arguments), max_pool1d(x, **arguments)
    for one, other in zip(wanted, found, strict=True) if isinstance(wanted, tuple) else [(wanted, found)]:
        assert torch.equal(one, other)


def test_a_single_number_is_a_scalar_from_first_to_last(tmp_path: Path) -> None:
    """Its state and its buffers were given an axis by np.ascontiguousarray."""
    largest = Called(lambda _, x: x.max(), {})
    exported = export(largest, {"x": "float32[1,time,4]"}, tmp_path / "m.onnx")
    stream = edgeseq.load(exported.path).stream()
    x = np.random.default_rng(0).standard_normal((1, 9, 4)).astype(np.float32)
    answers: list[Any] = [stream.step(x[:, :1]), stream.step(x[:, 1:5]), stream.step(x[:, 5:]), stream.flush()]
    assert [answer.shape for answer in answers] == [()] * 4
    assert [float(answer) for answer in answers] == [float(x[:, :t].max()) for t in (1, 5, 9, 9)]


def test_dropout_of_weights_that_drops_is_refused() -> None:
    """It was folded at export, with one draw for good."""
    dropping = Called(lambda m, x: x * functional.dropout(m.w, 0.5, training=True), {"w": parameter(4)()})
    with pytest.raises(NotStreamable, match="it draws random numbers"):
        check_rule(dropping, {"x": FRAMES})


def test_numbers_close_to_zero_and_one_are_kept(tmp_path: Path) -> None:
    """onnxscript left out a norm's epsilon of 1e-8, and a factor of 0.999995."""
    close = Called(lambda _, x: torch.rsqrt(x * x + 1e-8) + x.tanh() * 0.999995, {})
    exported = export(close, {"x": FRAMES}, tmp_path / "m.onnx")
    model = onnx.load(exported.path)
    values = [float(onnx.numpy_helper.to_array(tensor)) for tensor in model.graph.initializer if not tensor.dims]
    assert np.isclose(values, 1e-8, rtol=1e-6, atol=0).any()
    assert np.isclose(values, 0.999995, rtol=1e-7, atol=0).any()


def test_truth_values_are_chosen_among(tmp_path: Path) -> None:
    """onnxruntime has no Where for them: neither the model's own, nor one that padding of a mask is streamed with."""
    choosing = Called(lambda _, x: functional.pad(torch.where(x > 0, x < 1, x.sin() > 0), (0, 0, 2, 1)).to(x.dtype), {})
    assert export(choosing, {"x": FRAMES}, tmp_path / "m.onnx").verification.passed
