"""``edgeseq bench``: how long one step takes, back to back and at the pace it will really be called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseq.cli import libraries, measuring, options
from edgeseq.cli.files import say, write_report
from edgeseq.cli.measured.describing import describe
from edgeseq.cli.signals import stopped_cleanly
from edgeseq.cli.terminal import progress
from edgeseq.errors import UsageError

if TYPE_CHECKING:
    from edgeseq.lab.variants import Variant


@click.command()
@options.onnx_file
@measuring.measuring
@click.option("--per-op", is_flag=True, help="Show where the time of a step goes, operator by operator.")
@click.option(
    "--self-check",
    is_flag=True,
    help="In place of measuring: find what differences this machine can show, with this file against itself, and keep "
    "that for every later result.",
)
@click.option(
    "--rounds", type=options.COUNT, metavar="N", help="Rounds of processes of the --self-check; 100 by default."
)
def bench(path: Path, **asked: Any) -> None:
    """Measure how long one step takes, in fresh processes: back to back, and paced as a live signal would be.

    Paced times run from the moment a step was due to its answer. A percentile is only given where there are ten samples
    beyond it in every process, and no share of missed deadlines is judged with fewer: --max-miss 0.1% needs --steps
    10000. docs/measuring.md says how all of it is done.
    """
    libraries.runtime()
    measuring.check_written([path], asked)
    budgets = measuring.budgets_of(asked)
    variants = measuring.variants([path], asked, budgets)
    if asked["self_check"]:
        if len(variants) > 1:
            raise UsageError("a self-check is of one way to step", got=f"{len(variants)} ways", wanted="one value each")
        _self_check(variants[0], asked)
        return
    if asked["rounds"] is not None:
        raise UsageError("--rounds are those of a self-check", wanted="--self-check beside it")
    operators = _per_op(variants[0]) if asked["per_op"] else None
    comparison = measuring.compared(variants, asked)
    say(describe(comparison), asked["json_path"])
    if operators is not None:
        from edgeseq.lab.per_op import describe as describe_operators

        say(f"\n{describe_operators(operators)}", asked["json_path"])
    more = None if operators is None else {"per_op": operators.to_dict()}
    measuring.finish(comparison, budgets, asked, more)


def _per_op(variant: Variant) -> Any:
    from edgeseq.lab.per_op import profile

    settings = variant.settings
    if settings.device != "cpu":
        raise UsageError("operators are profiled on the CPU", got=settings.device, wanted="--per-op without --device")
    return profile(
        settings.path,
        batch=settings.streams if settings.pool else settings.batch,
        threads=settings.threads,
        frames=settings.frames,
        allow_unverified=settings.allow_unverified,
    )


def _self_check(variant: Variant, asked: dict[str, Any]) -> None:
    from edgeseq.lab.selfcheck.checking import DELAYS, ROUNDS, self_check
    from edgeseq.lab.selfcheck.stored import store
    from edgeseq.runtime.measuring.measure import RUNS

    rounds = asked["rounds"] or ROUNDS
    processes = 2 * rounds * (2 + len(DELAYS))
    with stopped_cleanly(), progress(processes, "checking") as bar:
        found = self_check(
            variant.settings,
            asked["runs"] or min(RUNS, rounds),
            rounds,
            seed=asked["seed"],
            progress=lambda *_: bar.update(1),
        )
    place = store(found)
    from edgeseq.cli.measured.describing import describe_self_check

    say(f"{describe_self_check(found)}\nkept in {place}", asked["json_path"])
    write_report(found, asked["json_path"])
