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
#: How much the temperature changed in the last hour, sine and cosine of the hour. Levels of later years are others, and
#: with the changes of the six loads a GRU's validation error was no smaller (0.060 against 0.059 without the hour).
FEATURES = 3
MONTH = 30 * 24


def read(folder: Path) -> Dataset:
    """Features ``float32[examples, 168, 3]``; targets ``float32[examples, 168, 24]``, scaled.

    The target is the oil temperature of each of the next 24 hours less that of now; NaN in the first day.
    """
    dates, temperature = parse(unpacked(folder / "ETTh1.csv.xz").decode("utf-8"))
    train, valid, test = ((start * MONTH, end * MONTH) for start, end in ((0, 12), (12, 16), (16, 20)))
    scaled = (temperature - temperature[: train[1]].mean()) / temperature[: train[1]].std()
    changes = np.diff(scaled, prepend=scaled[:1])
    changes /= changes[: train[1]].std()
    hours = np.concatenate([changes[:, None], clock(dates)], axis=1).astype(np.float32)
    return Dataset(
        train=windows(hours, scaled, *train, stride=3),
        valid=windows(hours, scaled, *valid),
        test=windows(hours, scaled, *test),
    )


def parse(text: str) -> tuple[list[datetime.datetime], npt.NDArray[np.float64]]:
    """The dates, and the oil temperature of each hour."""
    rows = list(csv.DictReader(io.StringIO(text)))
    dates = [datetime.datetime.fromisoformat(row["date"]) for row in rows]
    return dates, np.array([row["OT"] for row in rows], np.float64)


def clock(dates: list[datetime.datetime]) -> npt.NDArray[np.float64]:
    """``float64[hours, 2]``: sine and cosine of the hour in the day."""
    turns = np.array([date.hour / 24 for date in dates]) * 2 * np.pi
    return np.stack([np.sin(turns), np.cos(turns)], axis=1)


def windows(
    hours: npt.NDArray[np.float32], temperature: npt.NDArray[np.float64], begin: int, end: int, stride: int = HORIZON
) -> Split:
    """Examples of the hours from ``begin`` to ``end``; what they forecast lies there too."""
    part = temperature[begin:end]
    ahead = np.lib.stride_tricks.sliding_window_view(part[1:], HORIZON)
    targets = (ahead - part[: len(ahead), None]).astype(np.float32)
    starts = range(0, len(ahead) - LENGTH + 1, stride)
    wanted = np.stack([targets[start : start + LENGTH] for start in starts])
    wanted[:, :START] = np.nan
    return Split(np.stack([hours[begin + start : begin + start + LENGTH] for start in starts]), wanted)
