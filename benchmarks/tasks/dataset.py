"""What a reader returns, and where the data lies. Needs numpy alone."""

from __future__ import annotations

import lzma
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.errors import UsageError

Array = npt.NDArray[Any]

#: The class of a frame that nothing is asked of; in targets that are numbers NaN says so.
IGNORED = -1


@dataclass(frozen=True)
class Split:
    """Examples of one length.

    ``inputs`` are tokens ``int64[examples, time]`` or features ``float32[examples, time, features]``; ``targets`` are
    classes ``int64[examples]`` or ``int64[examples, time]``, or numbers ``float32[examples, time, horizon]``.
    """

    inputs: Array
    targets: Array

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise ValueError(f"{len(self.inputs)} examples and {len(self.targets)} targets")

    def __len__(self) -> int:
        return len(self.inputs)

    def spread(self, most: int) -> Split:
        """At most ``most`` examples, at even distances."""
        if len(self) <= most:
            return self
        chosen = np.linspace(0, len(self) - 1, most).round().astype(np.int64)
        return Split(self.inputs[chosen], self.targets[chosen])


@dataclass(frozen=True)
class Dataset:
    """Three parts that share no review, sentence, patient, hour or speaker, as each reader says."""

    train: Split
    valid: Split
    test: Split


def data_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """The folder with one folder per data set: ``given``, else what EDGESEQ_DATA names; or UsageError."""
    named = given or os.environ.get("EDGESEQ_DATA")
    if not named:
        raise UsageError("no folder with data", do="give --data, or set EDGESEQ_DATA")
    folder = Path(named)
    if not folder.is_dir():
        raise UsageError("the folder with data is not there", got=str(folder))
    return folder


def unpacked(path: Path) -> bytes:
    """What an ``.xz`` file holds; UsageError where the file is not there or is something else."""
    try:
        return lzma.decompress(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError("a file of the data set is not there", where=str(path)) from error
    except lzma.LZMAError as error:
        raise UsageError("a file of the data set is not xz", where=str(path), why=str(error)) from error
