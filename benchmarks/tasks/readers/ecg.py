"""MIT-BIH arrhythmia records (Moody and Mark, 2001): the signal in, for each beat whether it is ventricular.

``REC.npy.xz`` is ``int16[650000, 2]`` at 360 Hz, ``REC.ann.csv`` the annotations ``sample,symbol,aux``. The split is by
patient: DS1 trains and DS2 tests (de Chazal et al., 2004), of the records that are there.

The question is AAMI's: is a beat a ventricular ectopic one (V, E) or not (N, e, j, A, a, J, S)? Fusion beats and those
that nobody could classify count for neither; nor do those of a bundle branch block (L, R), which look ventricular and
which no training patient here has. Supraventricular beats are no class: one training patient alone has them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.tasks.dataset import IGNORED, Dataset, Split, unpacked
from edgeseq.errors import UsageError

TRAIN, VALID, TEST = ("106", "208", "209"), ("119",), ("100", "200", "214", "231")

#: A frame is 8 samples at 360 Hz, 22 ms; an example 256 frames, 5.7 s.
SAMPLES, LENGTH = 8, 256
#: The samples of a frame, and the change from sample to sample.
FEATURES = 2 * SAMPLES
CLASSES = 2
#: Frames after the peak at which the class is asked for: 267 ms, when the beat's wave has passed.
DECISION = 12

_CLASS = {**dict.fromkeys("NejAaJS", 0), **dict.fromkeys("VE", 1)}


def read(folder: Path) -> Dataset:
    """Features ``float32[examples, 256, 16]`` in mV and classes ``int64[examples, 256]``, asked for after a beat."""
    return Dataset(
        train=disturbed(_records(folder, TRAIN, stride=LENGTH // 4)),
        valid=_records(folder, VALID, stride=LENGTH),
        test=_records(folder, TEST, stride=LENGTH),
    )


def frames(signal: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Of ``int16[samples, leads]``, lead 0, which is the same in all records: ``float32[samples // 8, 16]``."""
    volts = (signal[:, 0].astype(np.float32) - 1024) / 200
    changes = np.diff(volts, prepend=volts[:1])
    count = len(volts) // SAMPLES
    parts = [values[: count * SAMPLES].reshape(count, SAMPLES) for values in (volts, changes)]
    return np.concatenate(parts, axis=1)


def disturbed(split: Split) -> Split:
    """The same examples, each louder or softer and on another base line: three patients are few."""
    random = np.random.default_rng(0)
    gains = np.exp(random.uniform(-0.5, 0.5, (len(split), 1, 1))).astype(np.float32)
    base = random.uniform(-0.3, 0.3, (len(split), 1, 1)).astype(np.float32)
    inputs = split.inputs * gains
    inputs[:, :, :SAMPLES] += base
    return Split(inputs, split.targets)


def classes(annotations: str, count: int) -> npt.NDArray[np.int64]:
    """``int64[count]``: the class of a beat ``DECISION`` frames after its peak, ``IGNORED`` elsewhere."""
    found = np.full(count, IGNORED, np.int64)
    for row in csv.DictReader(io.StringIO(annotations)):
        place = int(row["sample"]) // SAMPLES + DECISION
        if row["symbol"] in _CLASS and place < count:
            found[place] = _CLASS[row["symbol"]]
    return found


def _records(folder: Path, names: Sequence[str], stride: int) -> Split:
    parts = [_record(folder, name, stride) for name in names]
    return Split(np.concatenate([part.inputs for part in parts]), np.concatenate([part.targets for part in parts]))


def _record(folder: Path, name: str, stride: int) -> Split:
    signal = frames(np.load(io.BytesIO(unpacked(folder / f"{name}.npy.xz")), allow_pickle=False))
    notes = folder / f"{name}.ann.csv"
    if not notes.exists():
        raise UsageError("a file of the data set is not there", where=str(notes))
    wanted = classes(notes.read_text(encoding="utf-8"), len(signal))
    starts = range(0, len(signal) - LENGTH + 1, stride)
    return Split(
        np.stack([signal[start : start + LENGTH] for start in starts]),
        np.stack([wanted[start : start + LENGTH] for start in starts]),
    )
