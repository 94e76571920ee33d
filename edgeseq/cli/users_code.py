"""Running code that the user wrote: what it raises is shown as Python shows it, and ends with one line of ours."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import click

import edgeseq
from edgeseq.errors import EdgeseqError

_OURS = str(Path(edgeseq.__file__).parent)


@contextmanager
def running(what: str) -> Iterator[None]:
    """Name ``what`` in an EdgeseqError where the user's code raises, its own traceback printed before.

    A program that ends itself while it is loaded counts too: a file meant to be run rather than imported.
    """
    try:
        yield
    except EdgeseqError:
        raise
    except SystemExit as error:
        raise EdgeseqError(
            f"{what} ended the program",
            why=f"it called sys.exit({'' if error.code is None else repr(error.code)})",
            do="put what the file does when it is run under: if __name__ == '__main__'",
        ) from None
    except Exception as error:  # noqa: BLE001  the user's code may raise anything
        click.echo(
            "".join(traceback.format_exception(type(error), error, _own(error.__traceback__))), nl=False, err=True
        )
        text = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        raise EdgeseqError(f"{what} raised {type(error).__name__}", why=text or None) from None


def _own(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first line on that is neither edgeseq's nor the import system's."""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not (name.startswith((_OURS, "<frozen ")) or name.endswith("contextlib.py")):
            return trace
        trace = trace.tb_next
    return None
