"""Convolutions as products over windows, and in integers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import helper

from edgeseq.quantization import kernels, sites
from edgeseq.quantization.configs import Int8Dynamic, Int8Static, Scheme
from edgeseq.quantization.kernels import Kernel, Seen
from edgeseq.quantization.nodes import Nodes
from edgeseq.quantization.planning import scheme_of
from edgeseq.quantization.rewriting import rewrite
from edgeseq.quantization.sites import find_sites
from edgeseq.quantization.targets import TARGETS
from edgeseq.verification.arrays import Array
from tests.quantization.graphs import model, random, run


def convolution(taps: int, stride: int = 1, dilation: int = 1, bias: bool = True, group: int = 1) -> ir.Model:
    """``x`` ``[batch, 24, time]`` to ``[batch, 48, time']``."""
    weights = {"w": random(48, 24 // group, taps, seed=1), **({"b": random(48, seed=2)} if bias else {})}
    options = {"strides": [stride], "dilations": [dilation], "group": group}
    node = helper.make_node("Conv", ["x", *weights], ["y"], None, None, None, None, **options)
    return model([node], {"x": ["batch", 24, "time"]}, {"y": ["batch", 48, "frames"]}, weights)


CASES = [(1, 1, 1), (3, 1, 1), (5, 2, 1), (3, 1, 4), (4, 3, 2), (1, 2, 1)]


@pytest.mark.parametrize(("taps", "stride", "dilation"), CASES)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "bare"])
def test_a_convolution_is_a_product(
    taps: int, stride: int, dilation: int, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exact(nodes: Nodes, x: ir.Value, matrix: Array, name: str, kernel: Kernel) -> ir.Value:
        return nodes.op("MatMul", [x, nodes.constant(matrix.T, name)])

    monkeypatch.setitem(kernels._PRODUCTS, "rows", exact)
    monkeypatch.setattr(sites, "LEAST", 1)
    for frames in (17, 18, 19, 20):
        graph = convolution(taps, stride, dilation, bias)
        wanted = run(graph, {"x": random(2, 24, frames)})["y"]
        (site,) = find_sites(graph)[0]
        rewrite(graph, {site.name: Kernel(Scheme("rows", 8), TARGETS["x86-vnni"])})
        assert "Conv" not in {node.op_type for node in graph.graph}
        np.testing.assert_allclose(run(graph, {"x": random(2, 24, frames)})["y"], wanted, atol=2e-5)


@pytest.mark.parametrize("group", [1, 4])
@pytest.mark.parametrize(("taps", "stride", "dilation"), CASES)
def test_a_convolution_in_integers_is_near(
    taps: int, stride: int, dilation: int, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites, "LEAST", 1)
    graph, x = convolution(taps, stride, dilation, group=group), random(2, 24, 20)
    wanted = run(graph, {"x": x})["y"]
    (site,) = find_sites(graph)[0]
    ends = {"input": x, "output": wanted}
    seen = Seen({f"{site.name}.{end}": float(np.abs(array).max()) for end, array in ends.items()})
    rewrite(graph, {site.name: Kernel(Scheme("fixed", 8), TARGETS["x86-vnni"], seen)})
    got = run(graph, {"x": x})["y"]
    assert 10 * np.log10(np.square(wanted).mean() / np.square(got - wanted).mean()) > 32


def test_one_that_is_no_single_product_stays_in_float_but_can_be_static() -> None:
    (site,) = find_sites(convolution(5, group=4))[0]
    assert "no single product" in str(scheme_of(Int8Dynamic(), site))
    assert isinstance(scheme_of(Int8Static(), site), Scheme)


def test_a_small_one_is_faster_in_float() -> None:
    (site,) = find_sites(convolution(5))[0]
    assert "faster in float" in str(scheme_of(Int8Dynamic(), site))
