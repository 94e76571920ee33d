"""python -m benchmarks.peers install | prepare | measure | evidence | page   (docs/peers.md says what of)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from dataclasses import fields
from fnmatch import fnmatch
from pathlib import Path

from benchmarks.peers import measuring
from benchmarks.peers.cases import CASES
from benchmarks.peers.install import install
from benchmarks.peers.measuring import Settings
from benchmarks.peers.preparing import prepare, prepared
from benchmarks.peers.result import Result
from benchmarks.peers.table import ENGINES, ENVIRONMENTS, ROOT

RESULT = ROOT / "benchmarks" / "results" / "peers.json"
PAGE = ROOT / "docs" / "peers.md"
JOBS = ("install", "prepare", "measure", "evidence", "page", "all")


def main() -> None:
    """Do the job; ``all`` does them one after another."""
    arguments = _parser().parse_args()
    engines = [ENGINES[name] for name in _chosen(arguments.engines, ENGINES)]
    cases = [CASES[name] for name in _chosen(arguments.cases, CASES)]
    work: Path = arguments.work
    for job in JOBS[:-1] if arguments.job == "all" else (arguments.job,):
        if job == "install":
            for name, reason in install(engines).items():
                say(f"{name}: {reason}")
        elif job == "prepare":
            work.mkdir(parents=True, exist_ok=True)
            prepare(engines, cases, work, say)
        elif job == "measure":
            wanted = {(engine.module, case.slug) for engine in engines for case in cases}
            ready = [item for item in prepared(work) if (item.engine, item.case) in wanted]
            found = measuring.measure(ready, work, _settings(arguments), say)
            if arguments.go_on:
                there = Result.from_json(arguments.json.read_text(encoding="utf-8"))
                found = measuring.go_on(there, Result.from_json(found.to_json()))
            write(arguments.json, found.to_json())
        elif job == "evidence":
            from benchmarks.peers.evidence import COMPARED, gather

            result = Result.from_json(arguments.json.read_text(encoding="utf-8"))
            timed = {(item.engine, item.case) for item in result.subjects if item.refused is None}
            whole = [case for case in cases if all((engine, case.slug) in timed for engine in COMPARED)]
            evidence = gather([case for case in whole if case.kind != "Silero"], work, arguments.evidence_steps)
            write(arguments.json, result.with_evidence(evidence).to_json())
        else:
            from benchmarks.peers.page import page

            write(arguments.page, page(Result.from_json(arguments.json.read_text(encoding="utf-8"))))


def write(path: Path, text: str) -> None:
    """Write under another name first."""
    written = path.with_name(f"{path.name}.part")
    written.write_text(text, encoding="utf-8")
    os.replace(written, path)


def say(line: str) -> None:
    """What happens, for who waits."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _settings(arguments: argparse.Namespace) -> Settings:
    given = {field.name: getattr(arguments, field.name) for field in fields(Settings) if hasattr(arguments, field.name)}
    return Settings(**{**given, "paced": tuple(_chosen(arguments.paced, CASES))})


def _chosen(patterns: str, names: Iterable[str]) -> list[str]:
    known = list(names)
    wanted = patterns.split(",")
    for pattern in wanted:
        if pattern and not any(fnmatch(name, pattern) for name in known):
            raise SystemExit(f"there is no {pattern!r} among {', '.join(known)}")
    return [name for name in known if any(fnmatch(name, pattern) for pattern in wanted)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Other engines on the same files or the same weights.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    default = Settings()
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--engines", default="*", help=f"patterns, with commas between: {', '.join(ENGINES)}")
    parser.add_argument("--cases", default="*", help=f"patterns: {', '.join(CASES)}")
    parser.add_argument("--paced", default="*", help="patterns of the cases that are paced too; empty for none")
    parser.add_argument("--runs", type=int, default=default.runs, help="processes per engine and case")
    parser.add_argument("--slow-runs", type=int, default=default.slow_runs, help="the same for engines slow on a case")
    parser.add_argument("--slow-s", type=float, default=default.slow_s, help="seconds of a process that is slow")
    parser.add_argument("--minutes", type=float, help="begin no round that would end after so many minutes")
    parser.add_argument("--go-on", action="store_true", help="add the rounds to the result that is there")
    parser.add_argument("--steps", type=int, default=default.steps, help="timed steps back to back")
    parser.add_argument("--gpt-steps", type=int, default=default.gpt_steps, help="the same for the GPT")
    parser.add_argument("--paced-steps", type=int, default=default.paced_steps, help="timed steps, one each 10 ms")
    parser.add_argument("--warmup", type=int, default=default.warmup, help="untimed steps")
    parser.add_argument("--evidence-steps", type=int, default=1_000, help="steps of each measurement of evidence")
    parser.add_argument("--work", type=Path, default=ENVIRONMENTS / "work", help="where prepared files are kept")
    parser.add_argument("--json", type=Path, default=RESULT, help="the result")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page")
    return parser


if __name__ == "__main__":
    main()
