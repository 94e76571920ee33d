"""Rates, sizes and shares: as people write them and as they are told."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgeseq.cli.durations import format_rate, parse_duration, rate_of
from edgeseq.cli.sizes import format_share, parse_decibels, parse_loss, parse_share, parse_size
from edgeseq.contract import Contract
from edgeseq.errors import UsageError
from tests.golden.contracts import LOOKAHEAD

#: Of telephones, films, discs, studios; and of sensors, in frames per second.
USUAL = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 37800, 44056, 44100, 47952, 48000, 50000, 88200, 96000]
USUAL += [176400, 192000, 352800, 384000, 705600, 768000, 1, 10, 25, 30, 50, 60, 62, 100, 125, 128, 250, 256, 500, 1000]


@pytest.mark.parametrize("rate", USUAL)
def test_a_sample_rate_survives_the_file(rate: int) -> None:
    written = replace(LOOKAHEAD, frame_period=1 / rate).to_json()
    period = Contract.from_json(written).frame_period
    assert period == json.loads(written)["frame_period"] == 1 / rate
    assert rate_of(period) == rate
    assert isinstance(rate_of(period), int)


def test_every_whole_rate_survives_its_period() -> None:
    """1 / (1 / r) is r within one unit in the last place; up to 10^9 that is far from the next whole number."""
    rates = np.concatenate([np.arange(1, 10**6), np.random.default_rng(0).integers(10**6, 10**9, 10**6)])
    back = 1 / (1 / rates.astype(np.float64))
    np.testing.assert_array_equal(np.rint(back), rates)
    assert float(np.abs(back / rates - 1).max()) < 1e-15


@pytest.mark.parametrize(
    ("period", "rate"),
    [("8ms", "125 Hz"), ("62.5us", "16,000 Hz"), ("22.7us", "44,052.9 Hz"), ("3s", "0.333333 Hz"), ("10ms", "100 Hz")],
)
def test_the_rate_of_a_period(period: str, rate: str) -> None:
    assert format_rate(rate_of(parse_duration(period))) == rate


def test_a_rate_that_is_not_whole() -> None:
    assert format_rate(rate_of(1 / 29.97)) == "29.97 Hz"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2MB", 2_000_000),
        ("64KiB", 65_536),
        ("64KB", 64_000),
        ("64 kB", 64_000),
        ("1.5MiB", 3 * 2**19),
        (".5KiB", 512),
        ("0.1KB", 100),
        ("1.GiB", 2**30),
        ("3GB", 3_000_000_000),
        ("500", 500),
        (" 500B ", 500),
    ],
)
def test_reads_a_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "0", "0KB", "-1KB", "2Mb", "2mb", "2M", "1,5MB", "1e6", "0.5B", "2 MByte"])
def test_refuses_other_sizes(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert str(caught.value) == (
        f"cannot read a size (got {text!r}, wanted whole bytes above zero: a number and KB, MB, GB (thousands) or KiB, "
        "MiB, GiB (1,024s)). Example: 64KiB."
    )


@pytest.mark.parametrize(("text", "share"), [("0.1%", 0.001), ("1 %", 0.01), ("12.5%", 0.125), (" .01% ", 0.0001)])
def test_reads_a_share(text: str, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["", "0.001", "100%", "150%", "-1%", "%", "0,1%", "1e-1%"])
def test_refuses_other_shares(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_share(text)
    assert str(caught.value) == (
        f"cannot read a share (got {text!r}, wanted a percentage above 0 and below 100). Example: 0.1%."
    )


def test_no_share_at_all_cannot_be_shown() -> None:
    with pytest.raises(UsageError, match=r"^cannot read a share: that nothing is ever missed cannot be shown by"):
        parse_share("0%")


@pytest.mark.parametrize(("text", "loss"), [("0.5%", 0.005), ("0%", 0.0), ("100 %", 1.0), (" 0.1%", 0.001)])
def test_reads_a_loss(text: str, loss: float) -> None:
    assert parse_loss(text) == loss


@pytest.mark.parametrize("text", ["", "0.005", "101%", "-1%", "%", "0,1%"])
def test_refuses_other_losses(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_loss(text)
    assert str(caught.value) == (
        f"cannot read a loss (got {text!r}, wanted a percentage from 0 to 100). Example: 0.5%."
    )


@pytest.mark.parametrize(("text", "decibels"), [("30dB", 30.0), ("27.5 dB", 27.5), ("30", 30.0), (" 0dB", 0.0)])
def test_reads_decibels(text: str, decibels: float) -> None:
    assert parse_decibels(text) == decibels


@pytest.mark.parametrize("text", ["", "dB", "-3dB", "30db", "30 dBm", "1e3dB", "9" * 400])
def test_refuses_other_decibels(text: str) -> None:
    with pytest.raises(UsageError, match=r"^cannot read decibels .*wanted a number from 0 and dB\)\. Example: 30dB\.$"):
        parse_decibels(text)


@pytest.mark.parametrize(("share", "text"), [(0.001, "0.1 %"), (0.12345, "12.3 %"), (0.0, "0 %"), (1.0, "100 %")])
def test_writes_a_share(share: float, text: str) -> None:
    assert format_share(share) == text
