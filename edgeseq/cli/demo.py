"""``edgeseq demo``: a GRU and a GPT of the same size as streams, side by side."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edgeseq.cli import options
from edgeseq.cli.files import say, write_report
from edgeseq.errors import UsageError

TRAINED_FOLDER = Path("edgeseq-demo")


@click.command()
@click.option("--train", is_flag=True, help="Train, export and verify both anew first: needs PyTorch and minutes.")
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help=f"Where the models, the picture and the report go: {TRAINED_FOLDER} with --train, else nowhere.",
)
@click.option("--steps", type=options.COUNT, metavar="N", help="Training steps per model; 2,000 by default.")
@click.option(
    "--quick", is_flag=True, help="Too little of everything, for a look at the path; the figures mean little."
)
@options.json_report
@click.pass_context
def demo(
    context: click.Context, train: bool, folder: Path | None, steps: int | None, quick: bool, json_path: str | None
) -> None:
    """Stream a GRU and a GPT of the same size, character models of Python's own manual, and compare them.

    Both come with edgeseq, so that this needs no PyTorch. Each replays its golden trace and writes a line; how the time
    of a step and the memory of a stream depend on the position is measured here. The exit code is 1 where a golden
    trace fails.
    """
    from edgeseq.demo import run
    from edgeseq.demo.report import describe
    from edgeseq.demo.settings import QUICK, SHIPPED, Settings

    if steps is not None and not train:
        raise UsageError("--steps counts training steps", do="add --train")
    settings = QUICK if quick else Settings() if train else SHIPPED
    settings = settings if steps is None else replace(settings, steps=steps)
    shown = sys.stderr.isatty()

    def spoken(line: str) -> None:
        say(line, json_path)

    def seen(line: str) -> None:
        if shown:
            click.echo(line, err=True)

    out = folder or (TRAINED_FOLDER if train else None)
    document = run.trained(out, settings, spoken, seen) if train and out else run.shipped(out, settings, spoken, seen)
    spoken(describe(document))
    if out is not None:
        drawn = _draw(document, out / "latency.png")
        write_report(document, str(out / "demo.json"))
        names = [model["file"]["name"] for model in document["models"].values()]
        spoken(f"\nin {out}: {', '.join([*names, *drawn, 'demo.json'])}")
    write_report(document, json_path)
    context.exit(0 if all(model["replay"]["passed"] for model in document["models"].values()) else 1)


def _draw(document: dict[str, Any], path: Path) -> list[str]:
    """The names of the pictures drawn: none, and a word about it, without matplotlib."""
    from edgeseq.demo.picture import draw

    try:
        draw(document, path)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        click.echo("for the picture: pip install 'edgeseq[bench]'", err=True)
        return []
    return [path.name]
