"""The laws on a device with memory of its own: an NVIDIA GPU where there is one, and a stand-in everywhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.runtime.devices import Device
from edgeseq.runtime.engine import onnxruntime
from tests import handmade

needs_gpu = pytest.mark.skipif(
    "CUDAExecutionProvider" not in onnxruntime().get_available_providers() or shutil.which("nvidia-smi") is None,
    reason="needs onnxruntime-gpu and an NVIDIA GPU",
)

MADE = {
    "gru": handmade.gru(),
    "centred_conv_then_sum": handmade.centred_conv_then_sum(),
    "strided_conv": handmade.strided_conv(),
    "attention": handmade.attention(),
}


def check_law(model: runtime.Model, made: handmade.Handmade, tolerance: float) -> None:
    features = made.contract.ports[0].shape[-1]
    assert isinstance(features, int)
    x = np.random.default_rng(0).standard_normal((2, 300, features)).astype(np.float32)
    stream = model.stream(batch=2)
    for _ in range(2):
        parts = [stream.step(x[:, i : i + 1]) for i in range(40)] + [stream.step(x[:, 40:]), stream.flush()]
        got = np.concatenate([np.asarray(part) for part in parts], axis=1)
        np.testing.assert_allclose(got, made.whole(x)[0], rtol=tolerance, atol=tolerance)
        stream.reset()


@needs_gpu
@pytest.mark.parametrize("name", MADE)
def test_concatenation_law_on_cuda(tmp_path: Path, name: str) -> None:
    model = runtime.load(MADE[name].save(tmp_path / "m.onnx"), device="cuda:0", allow_cpu_nodes=True)
    assert "CUDAExecutionProvider" in model.session.get_providers()
    check_law(model, MADE[name], 1e-4)


@pytest.mark.parametrize("name", MADE)
def test_concatenation_law_without_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The paths that a GPU takes, over onnxruntime's own CPU tensors: copies in, copies out."""
    monkeypatch.setattr(Device, "shares_memory", False)
    model = runtime.load(MADE[name].save(tmp_path / "m.onnx"))
    check_law(model, MADE[name], 1e-4)
