"""The folder of files as one compressed file, to be carried to the machine with the GPU."""

from __future__ import annotations

import tarfile
from pathlib import Path


def pack(folder: Path, target: Path, weights: str | None = None) -> None:
    """The folder as one compressed file; ``weights`` fp32 leaves out what can be made of those files again."""
    with tarfile.open(target, "w:xz") as packed:
        for file in sorted(folder.iterdir()):
            if weights is None or f"-{weights}." in file.name:
                packed.add(file, arcname=file.name)


def unpack(packed: Path, folder: Path) -> None:
    """What :func:`pack` packed, into ``folder``."""
    with tarfile.open(packed) as opened:
        opened.extractall(folder, filter="data")
