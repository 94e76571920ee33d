"""Writing: JSON reports, and files that appear whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import click

from edgeseq import files
from edgeseq.errors import UsageError


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all; UsageError where its folder does not take it."""
    try:
        files.write_whole(path, write)
    except OSError as error:
        raise UsageError("cannot write", where=str(path), why=error.strerror) from None


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
