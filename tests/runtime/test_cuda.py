"""The laws on an NVIDIA GPU; skipped where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.runtime.engine import onnxruntime
from tests import handmade

pytestmark = pytest.mark.skipif(
    "CUDAExecutionProvider" not in onnxruntime().get_available_providers() or shutil.which("nvidia-smi") is None,
    reason="needs onnxruntime-gpu and an NVIDIA GPU",
)

MADE = {
    "gru": handmade.gru(),
    "centred_conv_then_sum": handmade.centred_conv_then_sum(),
    "strided_conv": handmade.strided_conv(),
    "attention": handmade.attention(),
}


@pytest.mark.parametrize("name", MADE)
def test_concatenation_law_on_cuda(tmp_path: Path, name: str) -> None:
    made = MADE[name]
    features = made.contract.ports[0].shape[-1]
    assert isinstance(features, int)
    x = np.random.default_rng(0).standard_normal((2, 300, features)).astype(np.float32)
    model = runtime.load(made.save(tmp_path / "m.onnx"), device="cuda:0")
    assert "CUDAExecutionProvider" in model.session.get_providers()
    stream = model.stream(batch=2)
    parts = [stream.step(x[:, i : i + 1]) for i in range(40)] + [stream.step(x[:, 40:]), stream.flush()]
    got = np.concatenate([np.asarray(part) for part in parts], axis=1)
    # cuDNN and cuBLAS may round products to TF32.
    np.testing.assert_allclose(got, made.whole(x)[0], rtol=1e-2, atol=1e-2)
