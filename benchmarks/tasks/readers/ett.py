"""Electricity transformer temperature, hourly (Zhou et al., AAAI 2021): at every hour the change of the next 24.

``ETTh1.csv.xz`` holds ``date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT``. The split is the publication's, by time: 12 months of
30 days to train, 4 to validate, 4 to test, all scaled by mean and deviation of the training hours.
"""

from __future__ import annotations

import csv
import datetime
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.tasks.dataset import Dataset, Split, unpacked

#: Hours of an example, a week; hours that are forecast; hours at its start that do not count.
LENGTH, HORIZON, START = 168, 24, 24
#: Seven series, and sine and cosine of hour and weekday.
FEATURES = 11
MONTH = 30 * 24


def read(folder: Path) -> Dataset:
    """Features ``float32[examples, 168, 11]``; targets ``float32[examples, 168, 24]``, scaled.

    The target is the oil temperature of each of the next 24 hours less that of now; NaN in the first day.
    """
    dates, series = parse(unpacked(folder / "ETTh1.csv.xz").decode("utf-8"))
    train, valid, test = ((start * MONTH, end * MONTH) for start, end in ((0, 12), (12, 16), (16, 20)))
    scaled = (series - series[: train[1]].mean(axis=0)) / series[: train[1]].std(axis=0)
    hours = np.concatenate([scaled, calendar(dates)], axis=1).astype(np.float32)
    return Dataset(windows(hours, *train, stride=3), windows(hours, *valid), windows(hours, *test))


def parse(text: str) -> tuple[list[datetime.datetime], npt.NDArray[np.float64]]:
    """The dates, and ``float64[hours, 7]`` with the oil temperature last."""
    rows = list(csv.reader(io.StringIO(text)))[1:]
    dates = [datetime.datetime.fromisoformat(row[0]) for row in rows]
    return dates, np.array([row[1:] for row in rows], np.float64)


def calendar(dates: list[datetime.datetime]) -> npt.NDArray[np.float64]:
    """``float64[hours, 4]``: sine and cosine of the hour in the day and of the day in the week."""
    turns = np.array([(date.hour / 24, date.weekday() / 7) for date in dates]) * 2 * np.pi
    return np.concatenate([np.sin(turns), np.cos(turns)], axis=1)


def windows(hours: npt.NDArray[np.float32], begin: int, end: int, stride: int = HORIZON) -> Split:
    """Examples of the hours from ``begin`` to ``end``; what they forecast lies there too."""
    part = hours[begin:end]
    ahead = np.lib.stride_tricks.sliding_window_view(part[1:, 6], HORIZON)
    targets = ahead - part[: len(ahead), 6:7]
    starts = range(0, len(ahead) - LENGTH + 1, stride)
    wanted = np.stack([targets[start : start + LENGTH] for start in starts])
    wanted[:, :START] = np.nan
    return Split(np.stack([part[start : start + LENGTH] for start in starts]), wanted)
