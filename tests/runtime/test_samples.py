"""Samples of a run, raw and in bins: what a histogram says is within 1 % of what the samples say."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseq.runtime.measuring import recording
from edgeseq.runtime.measuring.recording import Recording
from edgeseq.runtime.measuring.samples import Array, Binned, Raw, bin_edges, bin_numbers, merge_bins
from edgeseq.runtime.measuring.warmup import find_warmup


def drawn(count: int, seed: int = 0) -> Array:
    """Steps as they are: a log-normal body with a heavy tail."""
    random = np.random.default_rng(seed)
    body = random.lognormal(np.log(50_000), 0.1, count)
    return np.where(random.random(count) < 0.02, body * random.pareto(1.5, count) + body, body).astype(np.int64)


def test_every_sample_lies_in_its_bin_and_bins_are_narrow() -> None:
    values = np.concatenate([np.arange(0, 5_000), 2 ** np.arange(8, 50), 2 ** np.arange(8, 50) - 1])
    low, high = bin_edges(bin_numbers(values))
    assert ((low <= values) & (values < high)).all()
    assert ((high - low) <= np.maximum(1, low / 128)).all()


def test_bins_follow_each_other_without_a_gap() -> None:
    low, high = bin_edges(np.arange(0, 4_000))
    assert (high[:-1] == low[1:]).all()


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("seed", range(5))
def test_a_histogram_says_what_the_samples_say_within_a_percent(share: float, seed: int) -> None:
    raw = Raw(drawn(20_000, seed))
    binned = Binned(*raw.bins(), raw.most)
    assert binned.quantile(share) == pytest.approx(raw.quantile(share), rel=0.01)
    assert len(binned) == len(raw)
    assert binned.above(10**12) == raw.above(10**12) == 0


def test_bins_of_two_runs_add_up() -> None:
    parts = [Raw(drawn(1_000, seed)).bins() for seed in (1, 2)]
    numbers, counts = merge_bins(parts)
    assert counts.sum() == 2_000
    assert (np.diff(numbers) > 0).all()


def test_beyond_its_limit_a_recording_keeps_a_histogram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "BLOCK", 1_000)
    monkeypatch.setattr(recording, "KEPT", 3_000)
    values = drawn(6_500)
    at = iter(values)

    def block(into: Array, until_ns: int | None) -> int:
        into[:] = [next(at) for _ in into]
        return len(into)

    recorded = Recording(steps=6_000, warmup=500)
    recorded.fill(block)
    left_out, found = recorded.found()
    assert (left_out, len(found), isinstance(found, Binned)) == (500, 6_000, True)
    assert found.quantile(0.5) == pytest.approx(Raw(values[500:]).quantile(0.5), rel=0.01)
    assert found.most == values[500:].max()


@pytest.mark.parametrize("long", [50, 200])
def test_a_slow_beginning_is_found(long: int) -> None:
    values = drawn(2_000)
    values[:long] *= 3
    assert long <= find_warmup(values) <= long + 20


def test_an_outlier_and_a_slow_end_are_no_warm_up() -> None:
    values = drawn(2_000)
    values[3] *= 1_000
    assert find_warmup(values) <= 50
    values[-300:] *= 2
    assert find_warmup(values) <= 500
    assert find_warmup(values[:7]) == 0
