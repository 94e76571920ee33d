"""The folder of files as one compressed file, to be carried to the machine with the GPU."""

from __future__ import annotations

import tarfile
from pathlib import Path


def pack(folder: Path, target: Path) -> None:
    """The folder as one compressed file."""
    with tarfile.open(target, "w:xz") as packed:
        packed.add(folder, arcname=".")


def unpack(packed: Path, folder: Path) -> None:
    """What :func:`pack` packed, into ``folder``."""
    with tarfile.open(packed) as opened:
        opened.extractall(folder, filter="data")
