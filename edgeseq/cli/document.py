"""The page ``docs/cli.md``, made from the help of every command: ``python -m edgeseq.cli.document [FILE]``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgeseq.cli import COMMANDS, main

WIDTH = 100

HEAD = """\
# The command line

Made from the program's own help by `make docs`; a test says when it is out of date.

Exit codes: 0, all well; 1, a check failed or the work could not be done; 2, the call was wrong. Errors are one line on
standard error. Where a command takes `--json`, `-` stands for standard output, which then holds nothing else.
Durations are written `10ms`, `8us` or `0.5s`, sizes `2MB` (thousands) or `64KiB` (1,024s), shares `0.1%`,
signal to noise `30dB`.
"""


def page() -> str:
    """The text of ``docs/cli.md``."""
    parent = _context(main, "edgeseq", None)
    contexts = [parent, *(_context(command, command.name or "", parent) for command in COMMANDS)]
    sections = [f"## {context.command_path}\n\n```text\n{context.get_help()}\n```\n" for context in contexts]
    return "\n".join([HEAD, *sections])


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return command.make_context(
        name, [], parent=parent, resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
