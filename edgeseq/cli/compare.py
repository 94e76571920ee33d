"""``edgeseq compare``: several files in one interleaved experiment, one table, one sentence for each budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseq.cli import libraries, measuring, options
from edgeseq.cli.files import say
from edgeseq.cli.measured.describing import describe
from edgeseq.cli.sizes import parse_share
from edgeseq.errors import UsageError

if TYPE_CHECKING:
    from edgeseq.lab.comparison import Comparison


#: Options that say how files are measured, and mean nothing for results alone.
_MEASURED = (
    *("period", "runs", "steps", "duration", "warmup", "batch", "chunk", "threads", "streams", "pool", "at"),
    *("with_busy_thread", "metric"),
)


@click.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=options.FILE)
@measuring.measuring
@click.option(
    "--data",
    type=options.FILE,
    metavar="FILE.NPZ",
    help="Data for the --metric: an array for every input of the files, and what the metric reads.",
)
@click.option(
    "--metric",
    metavar="MODULE:FUNCTION",
    help="What a file is worth: a function of its streamed outputs by name and of the data, as in metrics.py:accuracy.",
)
@click.option(
    "--fail-above",
    callback=options.parsed(parse_share),
    metavar="SHARE",
    help="The exit code is 1 where a file's median step is visibly slower than the first one's by more, as in 10%.",
)
@click.option("--other-machines", is_flag=True, help="Set results of different machines side by side all the same.")
def compare(paths: tuple[Path, ...], **asked: Any) -> None:
    """Compare files, or results that --json wrote, with the first of them.

    ONNX files are measured together: in every round one fresh process of each, in random order. What is called
    different is so with 99 % confidence over the processes; the rest has no visible difference. Results (.json) are
    compared as they are; where there are files beside them, these are measured now.
    """
    libraries.runtime()
    measuring.check_written(paths, asked)
    budgets = measuring.budgets_of(asked)
    task = _task(asked)
    results = [path for path in paths if path.suffix == ".json"]
    files = [path for path in paths if path.suffix != ".json"]
    earlier = _read(results)
    _check(files, earlier, asked)
    if not files:
        comparison = _joined(earlier, asked)
    else:
        measured = measuring.compared(measuring.variants(files, asked, budgets), asked, task=task)
        before = paths.index(results[0]) < paths.index(files[0]) if results else False
        comparison = _joined([*earlier, measured] if before else [measured, *earlier], asked)
    say(describe(comparison), asked["json_path"])
    measuring.finish(comparison, budgets, asked, fail_above=asked["fail_above"])


def _check(files: list[Path], earlier: list[Comparison], asked: dict[str, Any]) -> None:
    """UsageError, before anything is measured, for what would be ignored or could not be judged afterwards."""
    given = [name for name in _MEASURED if asked[name] not in (None, False, ())]
    if not files and given:
        option = f"--{given[0].replace('_', '-')}"
        raise UsageError("results are compared as they are", got=option, wanted="a file to measure beside them")
    if earlier and asked["raw_path"] is not None:
        raise UsageError("results do not hold the single steps", wanted="files alone beside --raw")
    from edgeseq.lab.budgets import check_judged, check_slower

    for subject in (subject for comparison in earlier for subject in comparison.subjects):
        check_judged(subject, asked["deadline"], asked["max_miss"])
    if asked["fail_above"] is not None and files:
        steps = None if asked["duration"] is not None else asked["steps"]
        check_slower(len(files) + len(earlier), asked["runs"], steps)


def _task(asked: dict[str, Any]) -> Any:
    """The metric and its data; None where neither is asked for."""
    if (asked["data"] is None) != (asked["metric"] is None):
        raise UsageError("--data and --metric belong together", wanted="both, or none")
    if asked["metric"] is None:
        return None
    from edgeseq.cli.data import read_data, read_metric
    from edgeseq.verification.task import Task

    return Task(read_metric(asked["metric"]), read_data(asked["data"]), name=asked["metric"])


def _read(paths: list[Path]) -> list[Comparison]:
    from edgeseq.lab.comparison import read_any

    found = []
    for path in paths:
        try:
            found.append(read_any(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise UsageError("no such result", got=str(path)) from None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError("cannot read the result", where=str(path), why=str(error)) from None
        except UsageError as error:
            raise UsageError(f"{path} cannot be compared", why=str(error)) from None
    return found


def _joined(found: list[Comparison], asked: dict[str, Any]) -> Comparison:
    from edgeseq.lab.joining import joined

    return found[0] if len(found) == 1 else joined(found, other_machines=asked["other_machines"])
