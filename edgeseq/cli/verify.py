"""``edgeseq verify``: does the file still compute what the module computes?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.files import say, write_report
from edgeseq.cli.tables import table
from edgeseq.cli.terminal import working


@click.command()
@options.onnx_file
@options.model_source
@options.weights
@options.model_arguments
@options.with_tolerances
@options.json_report
@click.pass_context
def verify(
    context: click.Context,
    path: Path,
    model_source: str,
    weights: Path | None,
    arguments: tuple[tuple[str, str], ...],
    atol: float | None,
    rtol: float | None,
    json_path: str | None,
) -> None:
    """Check a file against the module it was made from.

    The exit code is 1 where a check fails.
    """
    exporters = libraries.exporters()
    from edgeseq.cli.model_source import load_model

    model = load_model(model_source, arguments, weights)
    with working(f"verifying {path}"):
        verification = exporters.verify(path, model, **options.given(atol=atol, rtol=rtol))
    say(checks(verification), json_path)
    head = {"format": "edgeseq.verify", "version": 1, "path": str(path), "passed": bool(verification.passed)}
    write_report({**head, "verification": verification.to_dict()}, json_path)
    if not verification.passed:
        if weights is None:
            click.echo("no --weights were given: a model made anew has random ones", err=True)
        context.exit(1)


def checks(verification: Any) -> str:
    """A table of what was checked and how it went."""
    rows = [[check.name, "passed" if check.passed else "FAILED", check.detail] for check in verification.checks]
    return "\n".join(table(["check", "result", "detail"], rows))
