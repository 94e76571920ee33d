"""``python -m benchmarks.study STAGE``: trains the study's models, exports them, compares them and writes its page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.study import appendix, jobs, records
from benchmarks.study.catalogue import QUESTIONS
from benchmarks.study.experiments import experiments, qualities
from benchmarks.study.exporting import export_all
from benchmarks.study.kinds import KINDS, TRANSLATORS
from benchmarks.study.measure import RESULTS, ROOT, measure
from benchmarks.study.page import write_page
from benchmarks.study.trying import Budget
from benchmarks.tasks.dataset import data_folder
from benchmarks.tasks.training import threads
from edgeseq.errors import UsageError


def main() -> None:
    """Run one stage."""
    arguments = _parser().parse_args()
    arguments.run(arguments)


def _train(arguments: argparse.Namespace) -> None:
    chosen = jobs.ladder if arguments.ladder else jobs.matrix
    budget = Budget(share=arguments.share, seed=arguments.seed, device=arguments.device)
    asked = list(chosen(arguments.task or (), arguments.kind or ()))
    jobs.train(asked, data_folder(arguments.data), arguments.out, budget, arguments.workers)


def _export(arguments: argparse.Namespace) -> None:
    every = [*jobs.matrix((), ()), *jobs.ladder((), ())]
    wanted = [job for job in every if not arguments.task or job.task in arguments.task]
    export_all(wanted, arguments.out, arguments.workers)


def _collect(arguments: argparse.Namespace) -> None:
    records.collect([*jobs.matrix((), ()), *jobs.ladder((), ())], arguments.out, arguments.results)


def _measure(arguments: argparse.Namespace) -> None:
    _collect(arguments)
    known = {**experiments(arguments.out), **{one.name: one for one in qualities()}}
    default = [one.name for one in qualities()] if arguments.quality else list(experiments(arguments.out))
    unknown = [name for name in arguments.only or () if name not in known]
    if unknown:
        raise UsageError("no such experiment", got=", ".join(unknown), wanted=", ".join(known))
    asked = [known[name] for name in arguments.only or default]
    counts = arguments.runs, arguments.steps
    failed = measure(asked, arguments.out, arguments.results, *counts, device=arguments.device)
    if failed:
        raise SystemExit("\n".join(failed))


def _appendix(arguments: argparse.Namespace) -> None:
    with threads(1):
        data = data_folder(arguments.data)
        appendix.train(data, arguments.out, arguments.results, arguments.share, _say)


def _page(arguments: argparse.Namespace) -> None:
    write_page(arguments.results, arguments.docs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    stages = parser.add_subparsers(required=True, metavar="STAGE")
    train = _stage(stages, "train", _train, "train every kind on every task")
    train.add_argument("--data", type=Path, help="folder with one folder per data set (default: EDGESEQ_DATA)")
    train.add_argument("--task", choices=QUESTIONS, action="append", help="a task, may be repeated (default: all)")
    train.add_argument("--kind", choices=[*KINDS, *TRANSLATORS], action="append", help="a kind, may be repeated")
    train.add_argument("--ladder", action="store_true", help="the smaller and larger models for equal quality instead")
    train.add_argument("--share", type=float, default=1.0, help="share of the catalogue's steps (default: 1)")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--device", default="cpu", help="of torch, cuda where there is one (default: cpu)")
    train.add_argument("--workers", type=int, default=2, help="models side by side (default: 2)")
    literature = _stage(stages, "appendix", _appendix, "train the literature's table at its setting")
    literature.add_argument("--data", type=Path, help="folder with one folder per data set (default: EDGESEQ_DATA)")
    literature.add_argument("--share", type=float, default=1.0, help="share of its steps (default: 1)")
    export = _stage(stages, "export", _export, "write the files of what is trained, quantized ones too")
    export.add_argument("--task", choices=QUESTIONS, action="append", help="a task, may be repeated (default: all)")
    export.add_argument("--workers", type=int, default=2, help="files side by side (default: 2)")
    measuring = _stage(stages, "measure", _measure, "run the experiments, each one call of edgeseq compare")
    measuring.add_argument("--only", action="append", metavar="NAME", help="an experiment, may be repeated")
    measuring.add_argument("--quality", action="store_true", help="what the files of every task are worth instead")
    measuring.add_argument("--runs", type=int, help="processes of each file, at most (default: each experiment's)")
    measuring.add_argument("--steps", type=int, help="steps of each process, at most (default: each experiment's)")
    measuring.add_argument("--device", default="cpu", help="of onnxruntime (default: cpu)")
    page = stages.add_parser("page", help="write docs/study.md and its figures from the results")
    page.set_defaults(run=_page)
    page.add_argument("--docs", type=Path, default=ROOT / "docs", help="where study.md goes (default: docs)")
    collected = _stage(stages, "collect", _collect, "write what training found")
    for stage in (collected, literature, measuring, page):
        stage.add_argument("--results", type=Path, default=RESULTS, help="where the results are")
    return parser


def _stage(stages: Any, name: str, run: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
    stage: argparse.ArgumentParser = stages.add_parser(name, help=text)
    stage.set_defaults(run=run)
    stage.add_argument(
        "--out", type=Path, required=True, help="where models and files are; what is there is gone on with"
    )
    return stage


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
