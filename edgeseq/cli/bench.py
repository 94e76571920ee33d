"""``edgeseq bench``: how long one step takes, back to back and at the pace it will really be called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.durations import format_duration, parse_duration
from edgeseq.cli.files import say, write_report
from edgeseq.cli.sizes import format_share, parse_share
from edgeseq.cli.tables import format_bytes, table
from edgeseq.cli.terminal import progress
from edgeseq.errors import UsageError

if TYPE_CHECKING:
    from edgeseq.runtime.measuring import Deadline, Latency, Quantile, Series

#: Seconds from step to step where neither the caller nor the file says.
PERIOD = 0.01

_MODES = {"back_to_back": "back to back", "paced": "paced", "paced_step": "paced, the step alone"}


@click.command()
@options.onnx_file
@click.option(
    "--period",
    callback=options.parsed(parse_duration),
    metavar="DURATION",
    help="Time from step to step in the paced part; that of the file's frames by default, 10ms where it has none.",
)
@click.option(
    "--chunk", type=options.COUNT, metavar="N", help="Frames per step; the fewest that the file takes by default."
)
@click.option(
    "--deadline",
    callback=options.parsed(parse_duration),
    metavar="DURATION",
    help="Count the paced steps that take longer than this from the moment they were due.",
)
@click.option(
    "--max-miss",
    callback=options.parsed(parse_share),
    metavar="SHARE",
    help="The share of steps that may miss the deadline in each process, as in 0.1%; the exit code is 1 beyond it.",
)
@click.option("--steps", type=options.COUNT, metavar="N", help="Steps timed per process and mode; 1,000 by default.")
@click.option(
    "--runs", type=options.COUNT, metavar="N", default=3, show_default=True, help="Fresh processes, one after another."
)
@click.option("--warmup", type=click.IntRange(min=0), metavar="N", help="Steps made before; 100 by default.")
@click.option("--batch", type=options.COUNT, metavar="N", help="Streams in lock-step; 1 by default.")
@click.option(
    "--at", type=options.COUNT, metavar="N", multiple=True, help="Also time steps around position N. Repeatable."
)
@options.device
@options.threads
@options.allow_unverified
@options.json_report
@click.pass_context
def bench(
    context: click.Context,
    path: Path,
    period: float | None,
    chunk: int | None,
    deadline: float | None,
    max_miss: float | None,
    steps: int | None,
    runs: int,
    warmup: int | None,
    batch: int | None,
    at: tuple[int, ...],
    device: str | None,
    threads: int | None,
    allow_unverified: bool,
    json_path: str | None,
) -> None:
    """Measure how long one step takes, in fresh processes: back to back, and paced as a live signal would be.

    Paced times run from the moment a step was due to its answer. A percentile is only given where there are ten samples
    beyond it, and no share of missed deadlines is judged with fewer: --max-miss 0.1% needs --steps 10000.
    """
    measure = libraries.runtime().measure
    _check_judgement(deadline, max_miss, steps)
    chosen = options.given(
        allow_unverified=allow_unverified or None,
        chunk=chunk,
        deadline=deadline,
        steps=steps,
        warmup=warmup,
        batch=batch,
        at=at or None,
        device=device,
        threads=threads,
    )
    period = period or _file_period(path, chunk) or PERIOD
    with progress(runs, "measuring") as bar:
        latency: Latency = measure(path, period=period, runs=runs, progress=lambda *_: bar.update(1), **chosen)
    say(describe(path, latency), json_path)
    document = json.loads(latency.to_json())
    if latency.deadline is not None and max_miss is not None:
        document["judgement"] = {"max_miss": max_miss, "met": latency.deadline.meets(max_miss)}
    write_report(document, json_path)
    if latency.deadline is not None and max_miss is not None:
        text = judged(latency.deadline, max_miss)
        if latency.deadline.meets(max_miss):
            say(f"met: {text}", json_path)
        else:
            click.echo(f"missed: {text}", err=True)
            context.exit(1)


def _check_judgement(deadline: float | None, max_miss: float | None, steps: int | None) -> None:
    """Refuse, before anything is measured, what could not be judged afterwards."""
    from edgeseq.runtime.measuring.deadline import check_steps
    from edgeseq.runtime.measuring.measure import STEPS

    if max_miss is None:
        return
    if deadline is None:
        raise UsageError("--max-miss is a share of missed deadlines", wanted="--deadline beside it")
    check_steps(steps or STEPS, max_miss)


def _file_period(path: Path, chunk: int | None) -> float | None:
    """Seconds from step to step, as the file's frame period says."""
    from edgeseq.runtime import loading

    contract = loading.describe(path).contract
    frames = chunk or contract.chunk.multiple
    return None if contract.frame_period is None else frames * contract.frame_period


def judged(deadline: Deadline, max_miss: float) -> str:
    """The misses of the worst process against those that may be."""
    return (
        f"in the worst process {format_share(deadline.worst_share)} of the steps took longer than "
        f"{format_duration(deadline.deadline_ns / 1e9)}, at most {format_share(max_miss)} may"
    )


def describe(path: Path, latency: Latency) -> str:
    """A latency result as text."""
    settings = latency.settings
    lines = [
        f"{path}: {settings['runs']} process{'' if settings['runs'] == 1 else 'es'}, batch {settings['batch']}, "
        f"{settings['threads']} thread{'' if settings['threads'] == 1 else 's'}, {settings['device']}"
        f"{_frames(settings)}",
        f"{latency.machine['cpu']}, {latency.machine['usable_cores']} cores, "
        f"onnxruntime {latency.versions['onnxruntime']}",
        "",
        *table(
            ["step", "samples", "p50", "p90", "p99", "max", "p50 by process", "late"],
            [_row(series, settings.get("period_ns")) for series in latency.series],
        ),
        "",
        f"cold start  load {_range(latency.load_ns)}, first step {_range(latency.first_step_ns)}",
        f"memory      {format_bytes(latency.state_bytes)} of state per further stream{_peak(latency)}",
    ]
    if any(series.misses is not None for series in latency.series):
        lines.append("late        paced steps that took longer than the period, from the moment they were due")
    if latency.deadline is not None:
        lines.append(f"deadline    {_misses(latency.deadline)}")
    refusals = {quantile.refused for series in latency.series for quantile in series.quantiles.values()} - {None}
    lines += [f"note        {text}" for text in sorted(str(refusal) for refusal in refusals)]
    lines += [f"doubt       {text}" for text in latency.doubts]
    return "\n".join(lines)


def _frames(settings: Any) -> str:
    frames = settings.get("frames", 1)
    return "" if frames == 1 else f", {frames:,} frames per step"


def _misses(deadline: Deadline) -> str:
    missed, steps = sum(deadline.misses), sum(deadline.steps)
    text = f"{missed:,} of {steps:,} paced steps took longer than {format_duration(deadline.deadline_ns / 1e9)}"
    by_process = ", ".join(f"{count:,}" for count in deadline.misses)
    return text + (f" ({format_share(deadline.share)}; by process {by_process})" if missed else "")


def _row(series: Series, period_ns: int | None) -> list[str]:
    label = _MODES.get(series.mode, series.mode.replace("_", " "))
    if series.mode == "paced" and period_ns:
        label += f" at {format_duration(period_ns / 1e9)}"
    quantiles = [_time(series.quantiles[name]) for name in ("p50", "p90", "p99")]
    spread = _range(series.quantiles["p50"].runs_ns)
    late = "" if series.misses is None else f"{sum(series.misses):,}"
    samples = f"{len(series.counts)} x {min(series.counts):,}"
    return [label, samples, *quantiles, _time(series.max_ns, worst=True), spread, late]


def _time(quantile: Quantile, worst: bool = False) -> str:
    """The median across processes, or the worst of them; a dash where there are too few samples."""
    value = quantile.most_ns if worst else quantile.median_ns
    return "-" if value is None else format_duration(value / 1e9)


def _range(values: tuple[int, ...]) -> str:
    if not values:
        return "-"
    low, high = format_duration(min(values) / 1e9), format_duration(max(values) / 1e9)
    return low if low == high else f"{low} to {high}"


def _peak(latency: Latency) -> str:
    known = [peak for peak in latency.peak_rss_bytes if peak is not None]
    return f", {format_bytes(max(known))} in the whole process" if known else ""
