"""Sums that are as large as they can be, on the processor at hand, in the forms that its target gets.

Without VNNI x86 adds products of 8 bits in 16 (``Target.largest``). On other processors by emulation, which shows the
flags of the machine under it, so that the target is said:
``EDGESEQ_TARGET_CPU=x86 qemu-x86_64 -cpu Haswell .venv/bin/python -m pytest tests/quantization/test_saturation.py``
passes, and with ``x86-vnni`` fails.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from onnx import helper

from edgeseq.quantization.configs import Scheme
from edgeseq.quantization.kernels import Kernel, Seen
from edgeseq.quantization.rewriting import rewrite
from edgeseq.quantization.sites import find_sites
from edgeseq.quantization.targets import TARGETS, Target, this_machine
from edgeseq.verification.arrays import Array
from tests.quantization.graphs import model, run

OUTPUTS, INPUTS = 64, 512
SCHEMES = {
    "rows": Scheme("rows", 8),
    "fixed": Scheme("fixed", 8),
    "blocks of 8": Scheme("blocks", 8, 128),
    "blocks of 4": Scheme("blocks", 4, 128),
}
SIGNS = {"all one way": (1, 1), "all the other": (1, -1), "turn by turn": (-1, 1)}


@pytest.fixture(scope="module")
def target() -> Target:
    if (name := os.environ.get("EDGESEQ_TARGET_CPU")) is not None:
        return TARGETS[name]
    here = this_machine()
    if here is None:
        pytest.skip("this machine is neither x86 nor ARM")
    return here


def extremes(turning: int, sign: int) -> tuple[Array, Array]:
    """Weights ``[outputs, inputs]`` and a row, of ones that add up, or cancel."""
    turns = np.where(np.arange(INPUTS) % 2, turning, 1).astype(np.float32)
    return np.tile(turns * sign, (OUTPUTS, 1)), np.ones((3, INPUTS), np.float32)


@pytest.mark.parametrize("signs", SIGNS.values(), ids=SIGNS)
@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_the_largest_sums_are_right(scheme: Scheme, signs: tuple[int, int], target: Target) -> None:
    weights, x = extremes(*signs)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = model([node], {"x": ["rows", INPUTS]}, {"y": ["rows", OUTPUTS]}, {"w": np.ascontiguousarray(weights.T)})
    (site,) = find_sites(graph)[0]
    rewrite(graph, {site.name: Kernel(scheme, target, Seen({f"{site.name}.product": 1.0}))})
    np.testing.assert_allclose(run(graph, {"x": x})["y"], x @ weights.T, rtol=2e-5, atol=1e-3)


@pytest.mark.parametrize("signs", SIGNS.values(), ids=SIGNS)
@pytest.mark.parametrize("group", [1, 64])
def test_the_largest_sums_of_a_convolution_are_right(group: int, signs: tuple[int, int], target: Target) -> None:
    taps, channels = 16, 64
    turns = np.where(np.arange(taps) % 2, signs[0], 1).astype(np.float32) * signs[1]
    weights = np.broadcast_to(turns, (channels, channels // group, taps)).copy()
    node = helper.make_node("Conv", ["x", "w"], ["y"], None, None, None, None, group=group)
    graph = model([node], {"x": ["batch", channels, "time"]}, {"y": ["batch", channels, "frames"]}, {"w": weights})
    x = np.ones((2, channels, taps), np.float32)
    wanted = run(graph, {"x": x})["y"]
    (site,) = find_sites(graph)[0]
    seen = Seen({f"{site.name}.input": 1.0, f"{site.name}.output": float(np.abs(wanted).max())})
    rewrite(graph, {site.name: Kernel(Scheme("fixed", 8), target, seen)})
    np.testing.assert_allclose(run(graph, {"x": x})["y"], wanted, rtol=1e-5, atol=1e-3)


def test_a_target_without_vnni_gets_smaller_weights() -> None:
    assert TARGETS["x86"].largest * 2 * 255 < 2**15 <= TARGETS["x86-vnni"].largest * 2 * 255
