"""What a person at a terminal sees while waiting; nothing where standard error is a file or a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Protocol

import click


class Progress(Protocol):
    """Something that counts steps."""

    def update(self, n_steps: int) -> None:
        """Count ``n_steps`` more."""


class _Silent:
    def update(self, n_steps: int) -> None:
        """Count nothing."""


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say what is going on and, at its end, how long it took."""
    shown = sys.stderr.isatty()
    if shown:
        click.echo(f"{what} ... ", nl=False, err=True)
    began = time.perf_counter()
    yield
    if shown:
        click.echo(f"{time.perf_counter() - began:.1f} s", err=True)


@contextmanager
def stages(what: str) -> Iterator[Callable[[str], None]]:
    """``working``, of which the next stage begins when it is told to what is given."""
    with ExitStack() as stage:
        stage.enter_context(working(what))

        def told(text: str) -> None:
            stage.close()
            stage.enter_context(working(text))

        yield told


def progress(length: int, label: str) -> AbstractContextManager[Progress]:
    """A progress bar over ``length`` steps."""
    if not sys.stderr.isatty():
        return nullcontext(_Silent())
    bar: Any = click.progressbar(length=length, label=label, file=sys.stderr)
    return bar  # type: ignore[no-any-return]
