"""Daily stock prices: every day the return of the next trading day.

``NAME.csv`` holds ``Date,Open,High,Low,Close,Volume,Adj Close``; the prices but the last column are not adjusted for
splits, so returns are of ``Adj Close``. The split is by date, the same for all stocks. Facebook's 196 days are left
out: none are before the test's.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.tasks.dataset import Dataset, Split
from edgeseq.errors import UsageError

STOCKS = ("AAPL", "GOOG", "IBM", "MSFT")
#: Training ends before the first day, validation before the second.
VALID_FROM, TEST_FROM = "2009-01-01", "2011-01-01"
#: Days of an example; days at its start that do not count.
LENGTH, START = 64, 16
#: The day's return, how its volume changed, and the logarithm of its highest over its lowest price.
FEATURES = 3


def read(folder: Path) -> Dataset:
    """Features ``float32[examples, 64, 3]``, scaled by the training days' mean and deviation of each stock.

    Targets ``float32[examples, 64, 1]`` are the next day's log-return over the training days' deviation; NaN in the
    first 16 days.
    """
    parts = [_stock(folder / f"{name}.csv") for name in STOCKS]
    return Dataset(*(_joined([part[number] for part in parts]) for number in range(3)))


def _stock(path: Path) -> tuple[Split, Split, Split]:
    dates, days, returns = parse(path)
    valid, test = (int(np.searchsorted(dates, day)) for day in (VALID_FROM, TEST_FROM))
    features = ((days - days[:valid].mean(axis=0)) / days[:valid].std(axis=0)).astype(np.float32)
    wanted = (returns / returns[:valid].std()).astype(np.float32)[:, None]
    bounds = ((0, valid, 4), (valid, test, LENGTH), (test, len(dates), LENGTH))
    train, valid_part, test_part = (windows(features, wanted, *bound) for bound in bounds)
    return train, valid_part, test_part


def parse(path: Path) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Dates, features ``float64[days, 3]`` and log-returns ``float64[days]``, from the second day on."""
    if not path.exists():
        raise UsageError("a file of the data set is not there", where=str(path))
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    price, volume, high, low = (
        np.log(np.maximum([float(row[name]) for row in rows], 1e-9)) for name in ("Adj Close", "Volume", "High", "Low")
    )
    returns = np.diff(price)
    days = np.stack([returns, np.diff(volume), (high - low)[1:]], axis=1)
    return np.array([row["Date"] for row in rows])[1:], days, returns


def windows(
    features: npt.NDArray[np.float32], returns: npt.NDArray[np.float32], begin: int, end: int, stride: int
) -> Split:
    """Examples of the days from ``begin`` to ``end``; the day that follows each lies there too."""
    starts = range(begin, end - LENGTH, stride)
    wanted = np.stack([returns[start + 1 : start + LENGTH + 1] for start in starts])
    wanted[:, :START] = np.nan
    return Split(np.stack([features[start : start + LENGTH] for start in starts]), wanted)


def _joined(parts: list[Split]) -> Split:
    return Split(np.concatenate([part.inputs for part in parts]), np.concatenate([part.targets for part in parts]))
