"""Data and metrics that the user names: ``--data FILE.npz``, ``--metric package.module:function``."""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.cli.model_source import attribute
from edgeseq.cli.users_code import running
from edgeseq.errors import UsageError

Array = npt.NDArray[Any]


def read_data(path: Path) -> dict[str, Array]:
    """The arrays of an ``.npz`` file by name; UsageError where it is none, or holds none."""
    try:
        found = _arrays(path)
    except FileNotFoundError:
        raise UsageError("no such data file", got=str(path)) from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError("cannot read the data", where=str(path), why=str(error), wanted="an .npz of arrays") from None
    if found is None:
        raise UsageError("cannot read the data", where=str(path), got="one array", wanted="an .npz of arrays")
    if not found:
        raise UsageError("the data are empty", where=str(path), wanted="an array for every input of the file")
    return found


def _arrays(path: Path) -> dict[str, Array] | None:
    """The arrays of an archive; None for a file of one array."""
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return None
    with loaded as archive:
        return {name: archive[name] for name in archive.files}


def read_samples(path: Path, model: Path) -> list[dict[str, Array]]:
    """What to calibrate the file ``model`` on, of the ``.npz`` at ``path``; UsageError where an input lacks."""
    from edgeseq.runtime.loading import describe
    from edgeseq.verification.task import samples_of

    return samples_of(describe(model).contract, read_data(path))


def read_metric(source: str) -> Any:
    """The function that ``source`` names; where it raises, its traceback is printed and an EdgeseqError names it."""
    function = attribute(source, "a metric", "metrics.py:accuracy")
    if not callable(function):
        raise UsageError(f"{source} is no metric", got=type(function).__name__, wanted="a function")

    @functools.wraps(function)
    def metric(outputs: Mapping[str, Array], data: Mapping[str, Array]) -> Any:
        with running(f"calling {source}"):
            return function(outputs, data)

    return metric
