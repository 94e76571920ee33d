"""``python -m edgeseq``: the command line."""

from __future__ import annotations

from edgeseq.cli import main

main(prog_name="edgeseq")
