"""``edgeseq inspect``: what a file promises and how it must be called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.files import say, write_report
from edgeseq.contract import Contract


@click.command()
@options.onnx_file
@options.json_report
def inspect(path: Path, json_path: str | None) -> None:
    """Show what a file promises: its ports, states, delay, memory and limits.

    Everything is read from the contract inside the file; nothing is run.
    """
    from edgeseq.cli.summary import describe

    contract = libraries.runtime().load(path).contract
    say(describe(path, contract), json_path)
    write_report(report(path, contract), json_path)


def report(path: Path, contract: Contract) -> dict[str, Any]:
    """The JSON of ``inspect``."""
    from edgeseq.cli.summary import memory

    return {
        "format": "edgeseq.inspect",
        "version": 1,
        "path": str(path),
        "bytes": path.stat().st_size,
        "state_bytes_per_stream": memory(contract),
        "contract": json.loads(contract.to_json()),
    }
