"""Files that appear whole or not at all. Standard library only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from edgeseq.errors import UsageError


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call ``write`` on a file beside ``path`` and rename it, so that a failed run leaves nothing half written.

    Where ``path`` is a link, what it leads to is replaced. The file keeps the permissions that it had; a new one gets
    those of any new file. Raises OSError.
    """
    target = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.chmod(name, target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_folder(folder: Path) -> None:
    """UsageError where nothing can be written into ``folder``."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            "cannot write into the folder", got=str(folder), why=error.strerror, do="write to another one"
        ) from None


def check_model_target(target: Path) -> None:
    """UsageError where ``target`` is no name that a model file could have."""
    if target.suffix != ".onnx":
        raise UsageError("the file must end in .onnx", got=str(target), do=f"write to {target.with_suffix('.onnx')}")
    if target.is_dir():
        raise UsageError("the file to write is a folder", got=str(target), do="name a file in it")
    if not target.parent.is_dir():
        raise UsageError("the folder does not exist", got=str(target.parent), do="make it first")
