"""Products in few bits: near, and no row of them changed by another one."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseq.errors import UsageError
from edgeseq.quantization.configs import KernelName, Scheme
from edgeseq.quantization.kernels import Kernel, Seen
from edgeseq.quantization.noise import decibels
from edgeseq.quantization.rewriting import rewrite
from edgeseq.quantization.sites import find_sites
from edgeseq.quantization.targets import TARGETS, target_of, this_machine
from edgeseq.verification.arrays import Array
from tests.quantization.graphs import product, random, run

OUTPUTS, INPUTS = 96, 200
SCHEMES = {
    "blocks of 8": (Scheme("blocks", 8, 128), 38.0),
    "blocks of 4": (Scheme("blocks", 4, 32), 17.0),
    "rows": (Scheme("rows", 8), 36.0),
    "fixed": (Scheme("fixed", 8), 33.0),
    "half": (Scheme("half", 16), 60.0),
}


def quantized(x: Array, scheme: Scheme, target: str = "x86-vnni", outputs: int = OUTPUTS) -> tuple[Array, Array]:
    """The product of a random matrix with ``x``, in float32 and quantized."""
    graph = product(outputs, x.shape[1])
    wanted = run(graph, {"x": x})["y"]
    (site,) = find_sites(graph)[0]
    seen = Seen({f"{site.name}.product": float(np.abs(x).max())})
    rewrite(graph, {site.name: Kernel(scheme, TARGETS[target], seen)})
    return wanted, run(graph, {"x": x})["y"]


def snr(wanted: Array, got: Array) -> float:
    found = decibels(float(np.square(wanted).sum()), float(np.square(got - wanted).sum()))
    assert found is not None
    return found


@pytest.mark.parametrize(("scheme", "least"), SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("target", TARGETS)
def test_a_product_is_near(scheme: Scheme, least: float, target: str) -> None:
    room = 6.1 if target == "x86" and scheme.kernel in ("rows", "fixed") else 0.0  # a bit less, for the sums' sake
    assert snr(*quantized(random(24, INPUTS), scheme, target)) > least - room


@pytest.mark.parametrize("kernel", ["blocks", "rows"])
@pytest.mark.parametrize("beside", [1000.0, 0.0], ids=["loud", "silent"])
def test_a_row_is_the_same_beside_any_other(kernel: KernelName, beside: float) -> None:
    x = random(3, INPUTS)
    changed = x * np.array([[1], [beside], [beside]], np.float32)
    scheme = Scheme(kernel, 8, 128 if kernel == "blocks" else 0)
    np.testing.assert_array_equal(quantized(x, scheme)[1][0], quantized(changed, scheme)[1][0])


def test_a_silent_row_gives_nothing() -> None:
    np.testing.assert_array_equal(quantized(np.zeros((2, INPUTS), np.float32), Scheme("rows", 8))[1], 0.0)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_rows_of_any_size_are_as_near(scale: float) -> None:
    wanted, got = quantized(random(2, INPUTS) * np.float32(scale), Scheme("rows", 8))
    assert snr(wanted / scale, got / scale) > 36.0


def test_integers_of_a_target_that_saturates_are_small() -> None:
    graph = product(OUTPUTS, INPUTS)
    (site,) = find_sites(graph)[0]
    rewrite(graph, {site.name: Kernel(Scheme("rows", 8), TARGETS["x86"])})
    weights = graph.graph.initializers[f"{site.name}.product.weights"].const_value
    assert weights is not None
    assert np.abs(weights.numpy().astype(int)).max() == 64


def test_no_target_gets_the_least_integer() -> None:
    """Two products of -128 and -128 do not fit where a Cortex-A72 adds them."""
    for target in TARGETS.values():
        assert target.largest <= 127


def test_zeros_of_four_bits_are_said_to_arm() -> None:
    x = random(4, INPUTS)
    one, other = (quantized(x, Scheme("blocks", 4, 32), target)[1] for target in ("x86-vnni", "arm-dotprod"))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_target_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown target .*'z80', wanted one of x86-vnni, x86, arm-dotprod, arm"):
        target_of("z80")


def test_this_machine_is_the_target_by_itself() -> None:
    here = this_machine()
    if here is None:
        pytest.skip("this machine is neither x86 nor ARM")
    assert target_of(None) == (here, True)
    assert target_of(next(name for name in TARGETS if name != here.name))[1] is False
