"""Metrics against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.tasks.metrics import accuracy, direction, log_loss, macro_f1, mse, perplexity

LOGITS = {"output": np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0], [0.0, 1.0]], np.float32)}


def test_accuracy_is_the_share_that_is_right() -> None:
    assert accuracy(LOGITS, {"targets": np.array([0, 1, 1, 1])}) == 0.75


def test_frames_without_a_class_do_not_count() -> None:
    frames = {"output": LOGITS["output"].reshape(2, 2, 2)}
    assert accuracy(frames, {"targets": np.array([[0, -1], [1, -1]])}) == 0.5


def test_macro_f1_is_the_mean_over_classes() -> None:
    # Class 0: 1 right, 1 named wrongly; class 1: 2 right, 1 missed.
    assert macro_f1(LOGITS, {"targets": np.array([0, 1, 1, 1])}) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_a_class_that_is_nowhere_is_left_out_of_macro_f1() -> None:
    three = {"output": np.pad(LOGITS["output"], ((0, 0), (0, 1)), constant_values=-9)}
    assert macro_f1(three, {"targets": np.array([0, 1, 0, 1])}) == 1.0


def test_perplexity_of_even_logits_is_the_vocabulary() -> None:
    data = {"targets": np.zeros((3, 2_000), np.int64)}
    assert perplexity({"output": np.zeros((3, 2_000, 7), np.float32)}, data) == pytest.approx(7)


def test_log_loss_is_the_mean_surprise() -> None:
    wanted = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(3))) / 2
    assert log_loss({"output": LOGITS["output"][:2]}, {"targets": np.array([0, 0])}) == pytest.approx(wanted)


def test_mse_leaves_nan_out() -> None:
    outputs = {"output": np.array([[[1.0, 2.0]], [[3.0, 4.0]]], np.float32)}
    assert mse(outputs, {"targets": np.array([[[0.0, np.nan]], [[3.0, 2.0]]], np.float32)}) == pytest.approx(5 / 3)


def test_which_way_is_better_is_said() -> None:
    lower = [
        metric.__name__
        for metric in (accuracy, macro_f1, log_loss, perplexity, mse)
        if hasattr(metric, "lower_is_better")
    ]
    assert lower == ["log_loss", "perplexity", "mse"]


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"logits \[4, 2\] do not fit targets \[3\]"):
        accuracy(LOGITS, {"targets": np.array([0, 1, 1])})
    with pytest.raises(ValueError, match="no target is asked for"):
        accuracy(LOGITS, {"targets": np.full(4, -1)})
    with pytest.raises(ValueError, match="one output, here are a, b"):
        accuracy({"a": LOGITS["output"], "b": LOGITS["output"]}, {"targets": np.zeros(4, np.int64)})


def test_direction_counts_signs_of_what_moved() -> None:
    targets = np.array([[[1.0], [-2.0], [0.0], [np.nan], [3.0], [-1.0]]])
    outputs = np.array([[[0.1], [-0.1], [5.0], [5.0], [-1.0], [-3.0]]])
    assert direction({"output": outputs}, {"targets": targets}) == 3 / 4
