"""What ``bench`` and ``compare`` share: their options, and the experiment that these ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgeseq.cli import options
from edgeseq.cli.durations import parse_duration
from edgeseq.cli.files import say, write_report, write_whole
from edgeseq.cli.signals import stopped_cleanly
from edgeseq.cli.sizes import parse_share, parse_size
from edgeseq.cli.terminal import progress
from edgeseq.errors import UsageError
from edgeseq.files import check_folder

if TYPE_CHECKING:
    from edgeseq.lab.budgets import Budgets
    from edgeseq.lab.comparison import Comparison
    from edgeseq.lab.variants import Variant

Command = TypeVar("Command", bound=Callable[..., Any])

#: Seconds from step to step where neither the caller nor the file says.
PERIOD = 0.01
#: ``--streams max``: how many one core serves.
MOST_STREAMS = "max"


def parse_counts(text: str) -> tuple[int, ...]:
    """The whole numbers from 1 in ``1,16``; UsageError for anything else."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise UsageError("cannot read the numbers", got=repr(text), wanted="whole numbers from 1, as in 1,16")
    return tuple(int(part) for part in parts)


def parse_streams(text: str) -> tuple[int, ...] | str:
    """Numbers of streams, or ``max``."""
    return MOST_STREAMS if text == MOST_STREAMS else parse_counts(text)


def _counts(name: str, text: str) -> Callable[[Command], Command]:
    return click.option(name, callback=options.parsed(parse_counts), metavar="N[,N]", help=text)


def _duration(name: str, text: str) -> Callable[[Command], Command]:
    return click.option(name, callback=options.parsed(parse_duration), metavar="DURATION", help=text)


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    _duration(
        "--period",
        "Time from step to step in the paced part; that of the file's frames by default, 10ms where it has none.",
    ),
    _duration("--deadline", "Count the paced steps that take longer than this from the moment they were due."),
    click.option(
        "--max-miss",
        callback=options.parsed(parse_share),
        metavar="SHARE",
        help="The share of steps that may miss the deadline in each process, as in 0.1%; the exit code is 1 beyond it.",
    ),
    click.option(
        "--max-size",
        callback=options.parsed(parse_size),
        metavar="SIZE",
        help="What the file with its weights may have, as in 2MB; the exit code is 1 beyond it.",
    ),
    click.option(
        "--max-memory",
        callback=options.parsed(parse_size),
        metavar="SIZE",
        help="What a process may have resident at its peak, as in 64MB; the exit code is 1 beyond it.",
    ),
    click.option("--runs", type=options.COUNT, metavar="N", help="Fresh processes of each; 10 by default."),
    click.option("--steps", type=options.COUNT, metavar="N", help="Steps of each process and mode; 1,000 by default."),
    _duration("--duration", "Time so long in each mode, in place of a number of steps."),
    click.option(
        "--warmup",
        type=click.IntRange(min=0),
        metavar="N",
        help="Steps to leave out before; as many as the samples show to be by default.",
    ),
    _counts("--batch", "Streams in lock-step; 1 by default. 1,16 measures both."),
    _counts("--chunk", "Frames per step; the fewest that the file takes by default. 1,8 measures both."),
    _counts("--threads", "Threads inside one operator; the file's own by default, else 1. 1,2 measures both."),
    click.option(
        "--streams",
        callback=options.parsed(parse_streams),
        metavar="N[,N]|max",
        help="Independent streams that take turns, all due at once in every period; max searches how many one core "
        "serves with the 99th percentile within the period.",
    ),
    click.option("--pool", is_flag=True, help="Step the --streams together, as one pool."),
    click.option(
        "--at",
        callback=options.parsed(parse_counts),
        metavar="N[,N]",
        multiple=True,
        help="Also time steps around these positions of a stream.",
    ),
    click.option("--with-busy-thread", is_flag=True, help="Have a thread of Python compute beside the steps."),
    click.option("--floor/--no-floor", default=True, help="Measure what this machine's memory and arithmetic allow."),
    click.option("--seed", type=click.IntRange(min=0), metavar="N", default=0, help="Of the order of processes."),
    click.option(
        "--report",
        "report_path",
        type=options.FILE,
        metavar="OUT.HTML",
        help="Write a page with charts of everything found; needs matplotlib.",
    ),
    click.option(
        "--csv",
        "csv_folder",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="FOLDER",
        help="Write every table of the page as CSV.",
    ),
    click.option(
        "--raw", "raw_path", type=options.FILE, metavar="OUT.NPZ", help="Write every step of every process, in ns."
    ),
    options.with_device,
    options.allow_unverified,
    options.json_report,
)


def measuring(command: Command) -> Command:
    """Add the options of a measurement."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def budgets_of(asked: dict[str, Any]) -> Budgets:
    """The budgets in the options; checked before anything is measured."""
    from edgeseq.lab.budgets import Budgets

    if asked["max_miss"] is not None and asked["deadline"] is None:
        raise UsageError("--max-miss is a share of missed deadlines", wanted="--deadline beside it")
    return Budgets(asked["max_miss"], asked["max_size"], asked["max_memory"])


def check_written(paths: Sequence[Path], asked: dict[str, Any]) -> None:
    """UsageError where what is to be written has no place, or the place of something else: the files or each other."""
    wanted = [asked[name] for name in ("json_path", "raw_path", "report_path") if asked[name] not in (None, "-")]
    places = [Path(path).resolve() for path in (*paths, *wanted)]
    for number, path in enumerate(wanted, start=len(paths)):
        if places[number] in places[:number]:
            raise UsageError("two things cannot have one place", got=str(path), wanted="a file of its own")
    if asked["report_path"] is not None:
        from edgeseq.lab.report import check_report

        check_report(asked["report_path"])
    for path in wanted:
        check_folder(Path(path).absolute().parent)


def variants(paths: Sequence[Path], asked: dict[str, Any], budgets: Budgets) -> tuple[Variant, ...]:
    """What the options say is to be measured of these files; UsageError where ``budgets`` could not be judged by it."""
    from edgeseq.lab.variants import variants_of

    if asked["steps"] is not None and asked["duration"] is not None:
        raise UsageError("--steps and --duration say the same thing", wanted="one of them")
    streams = asked["streams"]
    axes = options.given(
        batch=asked["batch"],
        chunk=asked["chunk"],
        threads=asked["threads"],
        streams=None if streams == MOST_STREAMS else streams,
    )
    common = options.given(
        steps=asked["steps"],
        warmup=asked["warmup"],
        duration=asked["duration"],
        at=[position for part in asked["at"] for position in part] or None,
        allow_unverified=asked["allow_unverified"] or None,
        pool=asked["pool"] or None,
        busy_thread=asked["with_busy_thread"] or None,
    )
    found = variants_of(paths, axes, period=asked["period"], default_period=PERIOD, **common, **asked["place"])
    for variant in found:
        budgets.check(variant.settings)
    return found


def compared(variants: Sequence[Variant], asked: dict[str, Any], **more: Any) -> Comparison:
    """The experiment, with its progress at a terminal."""
    from edgeseq.lab.comparing import compare
    from edgeseq.runtime.measuring.measure import RUNS

    runs = asked["runs"] or RUNS
    with stopped_cleanly(), progress(runs * len(variants), "measuring") as bar:
        return compare(
            variants,
            runs,
            deadline=asked["deadline"],
            floor=asked["floor"],
            streams=asked["streams"] == MOST_STREAMS,
            seed=asked["seed"],
            progress=lambda *_: bar.update(1),
            **more,
        )


def write_files(comparison: Comparison, asked: dict[str, Any]) -> None:
    """The page and the raw samples, where they are asked for."""
    if asked["raw_path"] is not None:
        from edgeseq.lab.raw import raw_bytes

        data = raw_bytes(comparison)
        write_whole(asked["raw_path"], lambda file: file.write(data))
    if asked["report_path"] is not None:
        from edgeseq.lab.report import write_report as write_page

        write_page(comparison, asked["report_path"])
    if asked["csv_folder"] is not None:
        from edgeseq.lab.report import write_csv

        write_csv(comparison, asked["csv_folder"])


def finish(
    comparison: Comparison,
    budgets: Budgets,
    asked: dict[str, Any],
    more: dict[str, Any] | None = None,
    fail_above: float | None = None,
) -> None:
    """Judge, write what was asked for, and exit with 1 where a budget is missed."""
    from edgeseq.lab.budgets import judge, slower
    from edgeseq.lab.findings import find_all

    verdicts = [*judge(comparison, budgets), *slower(comparison, fail_above)]
    comparison = replace(comparison, sentences=tuple(verdict.sentence for verdict in verdicts))
    document = {
        **comparison.to_dict(),
        **(more or {}),
        "budgets": [vars(verdict) for verdict in verdicts],
        "findings": [{"subject": name, **vars(finding)} for name, finding in find_all(comparison)],
    }
    write_report(document, asked["json_path"])
    write_files(comparison, asked)
    for verdict in verdicts:
        if verdict.kept is False:
            click.echo(verdict.sentence, err=True)
        else:
            say(verdict.sentence, asked["json_path"])
    if any(verdict.kept is False for verdict in verdicts):
        click.get_current_context().exit(1)
