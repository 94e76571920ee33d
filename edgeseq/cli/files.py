"""Writing: JSON reports, and files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import click

from edgeseq.errors import UsageError


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call ``write`` on a file beside ``path`` and rename it, so that a failed run leaves nothing half written."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise UsageError("cannot write", where=str(path), why=error.strerror) from None
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def write_report(document: dict[str, Any], json_path: str | None) -> None:
    """Write a report to ``--json``: nothing where it was not given, standard output for ``-``."""
    if json_path is None:
        return
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    if json_path == "-":
        click.echo(text, nl=False)
    else:
        write_whole(Path(json_path), lambda file: file.write(text.encode()))


def say(text: str, json_path: str | None) -> None:
    """Print for people, unless standard output belongs to the JSON report."""
    if json_path != "-":
        click.echo(text)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
