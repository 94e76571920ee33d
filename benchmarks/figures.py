"""Runs every benchmark script of a page at its default size and writes their results and the page.

python -m benchmarks.figures [quantized|lab|served] [--page]
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
#: The scripts of each page in ``docs/``, by the page's name.
PAGES = {
    "figures": (
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
    ),
    "quantized": ("quantized", "row_scales"),
    "lab": ("lab_itself",),
    "served": ("server",),
}


def measure(name: str) -> None:
    """Run every script of a page in a process of its own; each writes its result."""
    RESULTS.mkdir(exist_ok=True)
    for script in PAGES[name]:
        command = [sys.executable, "-m", f"benchmarks.{script}", "--json", str(RESULTS / f"{script}.json")]
        subprocess.run(command, check=True, cwd=ROOT)


def results(name: str) -> list[Result]:
    """The results that are stored, in the order of the page."""
    return [Result.from_json((RESULTS / f"{script}.json").read_text(encoding="utf-8")) for script in PAGES[name]]


def main() -> None:
    """Measure, then write the page; with ``--page``, write it from the results that are stored."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", choices=list(PAGES), default="figures", help="the page")
    parser.add_argument("--page", action="store_true", help="only write the page, from the stored results")
    arguments = parser.parse_args()
    if not arguments.page:
        measure(arguments.name)
    text = page(arguments.name, results(arguments.name))
    (ROOT / "docs" / f"{arguments.name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
