"""``python -m benchmarks.study STAGE``: trains the study's models, exports them, compares them and writes its page."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.study import jobs
from benchmarks.study.catalogue import QUESTIONS
from benchmarks.study.kinds import KINDS, TRANSLATORS
from benchmarks.study.trying import Budget
from benchmarks.tasks.dataset import data_folder


def main() -> None:
    """Run one stage."""
    arguments = _parser().parse_args()
    arguments.run(arguments)


def _train(arguments: argparse.Namespace) -> None:
    chosen = jobs.ladder if arguments.ladder else jobs.matrix
    budget = Budget(share=arguments.share, seed=arguments.seed, device=arguments.device)
    asked = list(chosen(arguments.task or (), arguments.kind or ()))
    jobs.train(asked, data_folder(arguments.data), arguments.out, budget, arguments.workers)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    stages = parser.add_subparsers(required=True, metavar="STAGE")
    train = stages.add_parser("train", help="train every kind on every task")
    train.set_defaults(run=_train)
    train.add_argument("--data", type=Path, help="folder with one folder per data set (default: EDGESEQ_DATA)")
    train.add_argument("--out", type=Path, required=True, help="where TASK/KIND/ go; what is there is gone on with")
    train.add_argument("--task", choices=QUESTIONS, action="append", help="a task, may be repeated (default: all)")
    train.add_argument("--kind", choices=[*KINDS, *TRANSLATORS], action="append", help="a kind, may be repeated")
    train.add_argument("--ladder", action="store_true", help="the smaller and larger models for equal quality instead")
    train.add_argument("--share", type=float, default=1.0, help="share of the catalogue's steps (default: 1)")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--device", default="cpu", help="of torch, cuda where there is one (default: cpu)")
    train.add_argument("--workers", type=int, default=2, help="models side by side (default: 2)")
    return parser


if __name__ == "__main__":
    main()
