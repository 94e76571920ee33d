"""``edgeseq demo``: a GRU and a GPT of the same size, from training to a comparison of their streams."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from edgeseq.cli import options
from edgeseq.cli.files import say, write_report


@click.command()
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("edgeseq-demo"),
    show_default=True,
    metavar="DIR",
    help="Where the two models, the picture and the report go.",
)
@click.option("--steps", type=options.COUNT, metavar="N", help="Training steps per model; 1,200 by default.")
@click.option("--quick", is_flag=True, help="A few seconds of everything; the figures mean little.")
@options.json_report
def demo(folder: Path, steps: int | None, quick: bool, json_path: str | None) -> None:
    """Train a GRU and a small GPT of the same size on Python's own manual, and compare them as streams.

    Both are exported and verified; a process without PyTorch then writes a line with each, measures how well it
    predicts held-out text, and how the time of a step and the memory of a stream depend on the position.
    """
    from edgeseq.demo.report import describe
    from edgeseq.demo.run import run
    from edgeseq.demo.settings import QUICK, Settings

    settings = QUICK if quick else Settings()
    settings = settings if steps is None else replace(settings, steps=steps)
    shown = sys.stderr.isatty()
    document = run(
        folder,
        settings,
        say=lambda line: say(line, json_path),
        progress=lambda line: click.echo(line, err=True) if shown else None,
    )
    say(describe(document), json_path)
    drawn = _draw(document, folder / "latency.png")
    write_report(document, str(folder / "demo.json"))
    write_report(document, json_path)
    files = [model["file"]["name"] for model in document["models"].values()]
    say(f"\nin {folder}: {', '.join([*files, *drawn, 'demo.json'])}", json_path)


def _draw(document: dict[str, object], path: Path) -> list[str]:
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
