"""Runs every benchmark script at its default size and writes their results and ``docs/figures.md``.

python -m benchmarks.figures [--page]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.page import page
from benchmarks.result import Result

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "figures.md"
SCRIPTS = (
    "step_overhead",
    "recurrent_layers",
    "finite_check",
    "prefill",
    "fork",
    "million_steps",
    "stream_memory",
    "capacity",
    "pool_tick",
    "silero",
    "first_answer",
    "export_time",
    "export_depth",
    "rnn_forms",
)


def measure() -> None:
    """Run every script in a process of its own; each writes its result."""
    RESULTS.mkdir(exist_ok=True)
    for name in SCRIPTS:
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(RESULTS / f"{name}.json")]
        subprocess.run(command, check=True, cwd=ROOT)


def results() -> list[Result]:
    """The results that are stored, in the order of the page."""
    return [Result.from_json((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in SCRIPTS]


def main() -> None:
    """Measure, then write the page; with ``--page``, write it from the results that are stored."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__.splitlines()[0])
    parser.add_argument("--page", action="store_true", help="only write the page, from the stored results")
    if not parser.parse_args().page:
        measure()
    PAGE.write_text(page(results()), encoding="utf-8")


if __name__ == "__main__":
    main()
