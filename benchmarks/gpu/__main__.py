"""Every check and figure that needs a GPU, in order, into one JSON.

python -m benchmarks.gpu files --files DIR      write the files that are measured: needs PyTorch, no GPU
python -m benchmarks.gpu run --files DIR --out DIR [--budget 540]   again goes on where it stopped
python -m benchmarks.gpu page                    write the figures of docs/devices.md
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.gpu import steps
from benchmarks.gpu.cases import DEVICE, WEIGHTS
from benchmarks.gpu.page import PAGE, RESULT, with_figures
from edgeseq.errors import EdgeseqError
from edgeseq.runtime.devices import find_device


def main() -> None:
    """Do what is asked for. A machine without a GPU is no failure: everything is then skipped, and why is said."""
    arguments = _parser().parse_args()
    {"files": _files, "pack": _pack, "unpack": _unpack, "run": _run, "step": _step, "page": _page}[arguments.job](
        arguments
    )


def _files(arguments: argparse.Namespace) -> None:
    from benchmarks.gpu.files import write

    write(arguments.files)


def _pack(arguments: argparse.Namespace) -> None:
    from benchmarks.gpu.packing import pack

    pack(arguments.files, arguments.packed, arguments.weights)


def _unpack(arguments: argparse.Namespace) -> None:
    from benchmarks.gpu.packing import unpack

    unpack(arguments.packed, arguments.files)


def _run(arguments: argparse.Namespace) -> None:
    parts = arguments.out / "steps"
    why = _no_device()
    if why is None:
        found = steps.run_all(arguments.files, parts, arguments.budget, _say, arguments.again)
    else:
        _say(f"nothing is run: {why}")
        found = steps.all_skipped(parts, why)
    steps.write(arguments.out / "gpu.json", found)
    outcomes = Counter((one or {"outcome": "not done"})["outcome"] for one in found["steps"].values())
    _say(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))
    sys.exit(1 if outcomes["failed"] else 0)


def _step(arguments: argparse.Namespace) -> None:
    steps.write(arguments.json, steps.run_one(arguments.name, arguments.files))


def _page(arguments: argparse.Namespace) -> None:
    PAGE.write_text(with_figures(PAGE.read_text("utf-8"), arguments.result), encoding="utf-8")


def _no_device() -> str | None:
    """Why there is no GPU to be used here; None where there is one."""
    try:
        find_device(DEVICE)
    except EdgeseqError as error:
        return str(error)
    return None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    jobs = parser.add_subparsers(dest="job", required=True)
    made: dict[str, Any] = {name: jobs.add_parser(name) for name in ("files", "pack", "unpack", "run", "step", "page")}
    for name in ("files", "pack", "unpack", "run", "step"):
        made[name].add_argument("--files", type=Path, required=True, help="the folder with the files")
    for name in ("pack", "unpack"):
        made[name].add_argument("packed", type=Path, help="all of them in one, FILE.tar.xz")
    made["pack"].add_argument("--weights", choices=WEIGHTS, help="only these (default: all)")
    made["run"].add_argument("--out", type=Path, required=True, help="where results go; they are gone on with")
    made["run"].add_argument("--budget", type=float, default=540, help="seconds that may be taken (default: 540)")
    made["run"].add_argument("--again", action="store_true", help="do again what was done")
    made["step"].add_argument("name", choices=list(steps.STEPS))
    made["step"].add_argument("--json", type=Path, required=True)
    made["page"].add_argument("--result", type=Path, default=RESULT, help="gpu.json of a run")
    return parser


if __name__ == "__main__":
    main()
