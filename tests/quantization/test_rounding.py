from __future__ import annotations

import numpy as np
import pytest

from edgeseq.quantization.rounding import group_of, grouped, per_output
from tests.quantization.graphs import random


@pytest.mark.parametrize("inputs", [16, 100, 128, 300])
@pytest.mark.parametrize("bits", [8, 4])
def test_no_weight_is_further_than_half_a_step(inputs: int, bits: int) -> None:
    matrix = random(12, inputs)
    stored = grouped(matrix, bits, group_of(inputs, 64, bits))
    steps = np.abs(np.repeat(stored.scales, stored.weights.shape[-1], axis=1))[:, :inputs]
    clipped = np.abs(matrix) > steps * (2 ** (bits - 1) - 1)
    assert (np.abs(stored.restored() - matrix)[~clipped] <= 0.5001 * steps[~clipped]).all()
    assert clipped.mean() < 0.2


def test_a_group_of_zeros_stays_zero() -> None:
    matrix = random(4, 64)
    matrix[:, :32] = 0
    np.testing.assert_array_equal(grouped(matrix, 4, 32).restored()[:, :32], 0)
    np.testing.assert_array_equal(per_output(np.zeros((2, 8), np.float32), 127).weights, 0)


def test_the_largest_of_four_bits_may_have_either_sign() -> None:
    """-8 is there and 8 is not: one scale of a sign of its own per group makes whole numbers from -7 to 8 exact."""
    matrix = np.tile(np.arange(-7, 9, dtype=np.float32), (2, 1))
    matrix[1] *= -0.5
    stored = grouped(matrix, 4, 16)
    np.testing.assert_array_equal(stored.restored(), matrix)
    assert np.sign(stored.scales[:, 0]).tolist() == [-1, 1]


def test_opposite_numbers_stay_exact_in_four_bits() -> None:
    matrix = np.where(np.arange(64) % 3, 0.25, -0.25).astype(np.float32).reshape(2, 32)
    np.testing.assert_allclose(grouped(matrix, 4, 32).restored(), matrix, rtol=1e-6)


def test_two_of_four_bits_share_a_byte() -> None:
    stored = grouped(random(3, 64), 4, 32)
    packed = stored.packed()
    np.testing.assert_array_equal(packed & 15, stored.weights[..., 0::2])
    np.testing.assert_array_equal(packed >> 4, stored.weights[..., 1::2])


@pytest.mark.parametrize("inputs", [64, 100])
def test_calibrated_rounding_keeps_outputs_nearer(inputs: int) -> None:
    x = random(2000, inputs, seed=1) @ (random(inputs, inputs, seed=2) * 0.3 + np.eye(inputs, dtype=np.float32))
    matrix = random(48, inputs, seed=3)
    errors = [np.square(x @ (grouped(matrix, 4, 32, gram).restored() - matrix).T).mean() for gram in (None, x.T @ x)]
    assert errors[1] < 0.6 * errors[0]


def test_inputs_that_never_come_do_not_matter() -> None:
    x = random(500, 64, seed=1)
    x[:, 10:20] = 0
    assert np.isfinite(grouped(random(8, 64), 4, 32, x.T @ x).restored()).all()


@pytest.mark.parametrize(
    ("inputs", "group"), [(5, 16), (16, 16), (17, 32), (64, 64), (128, 128), (136, 32), (1000, 128)]
)
def test_a_group_is_no_larger_than_it_need_be(inputs: int, group: int) -> None:
    assert group_of(inputs, 128, 8) == group
