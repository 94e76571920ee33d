"""``edgeseq inspect``: what a file promises and how it must be called."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edgeseq.cli import options
from edgeseq.cli.files import say, write_report
from edgeseq.cli.limits import check_limits
from edgeseq.cli.sizes import parse_size
from edgeseq.contract import Contract


@click.command()
@options.onnx_file
@click.option(
    "--max-size",
    callback=options.parsed(parse_size),
    metavar="SIZE",
    help="The most the file may take, as in 2MB, with the data files that lie beside it.",
)
@click.option(
    "--max-state",
    callback=options.parsed(parse_size),
    metavar="SIZE",
    help="The most that one stream's state may take in edgeseq's runtime, as in 64KiB, at its longest.",
)
@click.option(
    "--at-frames",
    type=options.COUNT,
    metavar="N",
    help="Take the state of --max-state after N frames; needed where it grows without end.",
)
@options.json_report
@click.pass_context
def inspect(
    context: click.Context,
    path: Path,
    max_size: int | None,
    max_state: int | None,
    at_frames: int | None,
    json_path: str | None,
) -> None:
    """Show what a file promises: its ports, states, delay, memory and limits.

    Everything is read from the contract inside the file; nothing is run, and onnxruntime is not asked. The exit code is
    1 where --max-size or --max-state is missed. A KB is 1,000 bytes, a KiB 1,024.
    """
    from edgeseq.cli.summary import describe
    from edgeseq.runtime import loading

    described = loading.describe(path)
    contract, doubt, size = described.contract, described.doubt, described.size
    limits = check_limits(contract, size, max_size, max_state, at_frames)
    say(describe(path, contract, doubt, size), json_path)
    for limit in limits:
        if limit.met:
            say(f"met: {limit}", json_path)
        else:
            click.echo(f"missed: {limit}", err=True)
    document = report(path, contract, doubt, size)
    if limits:
        document["limits"] = [{**asdict(limit), "met": limit.met} for limit in limits]
    write_report(document, json_path)
    if not all(limit.met for limit in limits):
        context.exit(1)


def report(path: Path, contract: Contract, doubt: str | None = None, size: int | None = None) -> dict[str, Any]:
    """The JSON of ``inspect``; the arguments are those of :func:`edgeseq.cli.summary.describe`."""
    from edgeseq.cli.summary import memory, seconds
    from edgeseq.modelfile import read_model_file

    return {
        "format": "edgeseq.inspect",
        "version": 1,
        "path": str(path),
        "bytes": read_model_file(path).size if size is None else size,
        "state_bytes_per_stream": memory(contract),
        "seconds": seconds(contract),
        "unverified": doubt,
        "contract": json.loads(contract.to_json()),
    }
