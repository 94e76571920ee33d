"""``edgeseq bench``: how long one step takes, back to back and at the pace it will really be called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.durations import format_duration, parse_duration
from edgeseq.cli.files import say, write_report
from edgeseq.cli.tables import format_bytes, table
from edgeseq.cli.terminal import progress

if TYPE_CHECKING:
    from edgeseq.runtime.measuring import Latency, Quantile, Series

_MODES = {"back_to_back": "back to back", "paced": "paced", "paced_step": "paced, the step alone"}


@click.command()
@options.onnx_file
@click.option(
    "--period",
    callback=options.parsed(parse_duration),
    metavar="DURATION",
    default="10ms",
    show_default=True,
    help="Time from step to step in the paced part.",
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
@options.json_report
def bench(
    path: Path,
    period: float,
    steps: int | None,
    runs: int,
    warmup: int | None,
    batch: int | None,
    at: tuple[int, ...],
    device: str | None,
    threads: int | None,
    json_path: str | None,
) -> None:
    """Measure how long one step takes, in fresh processes: back to back, and paced as a live signal would be.

    Paced times run from the moment a step was due to its answer. A percentile is only given where there are ten samples
    beyond it.
    """
    chosen = options.given(steps=steps, warmup=warmup, batch=batch, at=at or None, device=device, threads=threads)
    measure = libraries.runtime().measure
    with progress(runs, "measuring") as bar:
        latency: Latency = measure(path, period=period, runs=runs, progress=lambda *_: bar.update(1), **chosen)
    say(describe(path, latency), json_path)
    write_report(json.loads(latency.to_json()), json_path)


def describe(path: Path, latency: Latency) -> str:
    """A latency result as text."""
    settings = latency.settings
    lines = [
        f"{path}: {settings['runs']} process{'' if settings['runs'] == 1 else 'es'}, batch {settings['batch']}, "
        f"{settings['threads']} thread{'' if settings['threads'] == 1 else 's'}, {settings['device']}",
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
    refusals = {quantile.refused for series in latency.series for quantile in series.quantiles.values()} - {None}
    lines += [f"note        {text}" for text in sorted(str(refusal) for refusal in refusals)]
    lines += [f"doubt       {text}" for text in latency.doubts]
    return "\n".join(lines)


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
