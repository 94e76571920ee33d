"""The three laws as checks of a finished file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from edgeseq.errors import ModelFileError
from edgeseq.exporters.verification.bench import Bench, Worst
from edgeseq.exporters.verification.reference import Reference
from edgeseq.exporters.verification.windows import Windows
from edgeseq.exporters.verification.yardstick import FACTOR, Found, Yardstick
from edgeseq.runtime.loading import describe, load
from edgeseq.verification.drawing import Calibration, Draws
from edgeseq.verification.independence import futures, neighbours, reset
from edgeseq.verification.report import Check, Verification
from edgeseq.verification.sizes import accepted, past_of
from edgeseq.verification.streams import Runs, random_chunks

_CHUNKINGS = 3
#: The largest chunk of the long run.
_LARGE_CHUNK = 64
#: Of the shortest lengths, so many are tried.
_SHORT = 8


def check_laws(
    path: str | Path,
    model: nn.Module,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    calibration: Calibration | None = None,
    rules: Mapping[str, Any] | None = None,
) -> Verification:
    """Run every law on the file at ``path``, changed or not, against the module; see :func:`verify`."""
    digest = describe(path).file.digest
    runs = Runs(load(path, allow_unverified=True))
    reference = Reference(model, runs.contract)
    draws = Draws(runs.contract, calibration)
    bench = Bench(runs, reference, draws, Yardstick(atol or 0.0, rtol or 0.0), rules)
    checks = tuple(law(bench) for law in (LAWS_OF_SEQUENCES if runs.contract.whole_sequences else LAWS))
    settings = {
        "frames": bench.frames,
        "batch": bench.batch,
        "chunkings": _CHUNKINGS,
        "horizon": bench.horizon,
        "inputs": "random" if not draws.samples else f"calibration for {', '.join(sorted(draws.samples))}",
        "atol": atol,
        "rtol": rtol,
        "factor": FACTOR,
        "reference": reference.precision,
    }
    if describe(path).file.digest != digest:
        raise ModelFileError("the file changed while it was being verified", where=str(path), do="verify it again")
    return Verification(checks, settings, digest)


def concatenation(bench: Bench) -> Check:
    """Steps and flush, concatenated, are the whole; the lengths of every remainder included."""
    worst = Worst("concatenation")
    names = bench.named(timed=True)
    if not names:
        return worst.check("no output has a time axis: nothing to compare")
    multiple = bench.contract.chunk.multiple
    lengths = {accepted(bench.contract, max(bench.contract.min_frames, bench.frames - r)) for r in range(multiple + 1)}
    lengths |= {accepted(bench.contract, min(bench.frames, bench.contract.min_frames + multiple))}
    for seed, frames in enumerate(sorted(lengths, reverse=True)):
        inputs, longer = bench.beginning(seed, frames)
        for trial in range(_CHUNKINGS if seed == 0 else 1):
            chunks = random_chunks(frames, 10 * seed + trial) if trial else [1] * frames
            streamed = bench.runs.whole(inputs, chunks)
            for output, found in bench.compare(streamed, inputs, names, longer):
                worst.add(output, found, f"{frames} frames in chunks of {_shown(chunks)}")
    return worst.check(f"{len(lengths)} lengths up to {bench.frames} frames")


def prefix(bench: Bench) -> Check:
    """An output without time is, after t frames, what the module gives for those t frames."""
    worst = Worst("prefix")
    names = bench.named(timed=False)
    if not names:
        return worst.check("every output has a time axis")
    inputs = bench.inputs(101)
    contract = bench.contract
    late = [name for name in names if contract.port(name).delay or contract.chunk.multiple > 1]
    chunks = [1] * min(4, bench.frames) + random_chunks(max(0, bench.frames - 4), 7)
    steps = [
        (taken, streamed)
        for taken, streamed in bench.runs.summaries(inputs, chunks)
        if taken >= contract.min_frames and taken % contract.chunk.multiple == 0
    ]
    bench.compare_history(worst, steps, inputs, [name for name in names if name not in late], "after {} frames")
    ends = range(max(contract.min_frames, bench.frames - contract.chunk.multiple), bench.frames + 1)
    flushed = [
        (frames, bench.runs.whole(past_of(contract, inputs, frames), random_chunks(frames, frames)))
        for frames in ends
        if accepted(contract, frames) == frames
    ]
    before = [taken for taken, _ in steps if accepted(contract, taken) == taken]
    bench.compare_history(worst, flushed, inputs, names, "flushed after {} frames", before)
    return worst.check(f"after {len(steps)} steps and at the end")


def long_run(bench: Bench) -> Check:
    """A sequence as long as the module can be run on still gives what the module gives, in windows if need be."""
    worst, frames = Worst("long run"), bench.horizon["frames"]
    inputs = bench.long_inputs(frames)
    streamed = bench.runs.whole(inputs, random_chunks(frames, 11, largest=_LARGE_CHUNK))
    compared = frames if bench.named(timed=True) else 0
    for output, found in bench.compare(streamed, inputs, bench.named(timed=True)):
        worst.add(output, found, f"{frames} frames")
        if isinstance(found, Found) and found.compared is not None:
            compared = min(compared, found.compared)
    if not bench.amplifying and (summaries := bench.named(timed=False)):
        bench.compare_end(worst, streamed, inputs, frames, summaries)
    done = f"{frames:,} frames, bounded by {bench.horizon['limit']}"
    if bench.amplifying and worst.failure is None:
        windows = Windows(bench.runs.model, bench.reference.model, bench.rules)
        for width, count, output, found in windows.compare(inputs, frames, bench.plain):
            worst.add(output, found, f"in {count:,} windows of {width} frames")
        bench.horizon["windows"] = {"whole": compared, "frames": windows.widths}
        done += f"; the model amplifies rounding: from frame {compared} on in windows of {windows.told()} frames"
    return worst.check(done)


def _shown(chunks: list[int]) -> str:
    text = ", ".join(map(str, chunks[:12]))
    return "1" if set(chunks) == {1} else text + (", ..." if len(chunks) > 12 else "")


def sequences(bench: Bench) -> Check:
    """Whole sequences of many lengths, the shortest among them, give what the module gives."""
    worst, least = Worst("sequences"), bench.contract.min_frames
    wanted = {
        *range(least, least + _SHORT),
        *(bench.frames - rest for rest in range(bench.contract.chunk.multiple + 1)),
    }
    lengths = sorted({accepted(bench.contract, frames) for frames in wanted if least <= frames <= bench.frames})
    for seed, frames in enumerate(lengths):
        if accepted(bench.contract, frames) == frames >= least:
            inputs, longer = bench.beginning(seed, frames)
            streamed = bench.runs.whole(inputs, [frames])
            for output, found in bench.compare(streamed, inputs, list(streamed), longer):
                worst.add(output, found, f"{frames} frames")
    return worst.check(f"{len(lengths)} lengths up to {bench.frames} frames")


LAWS: tuple[Callable[[Bench], Check], ...] = (concatenation, prefix, neighbours, futures, reset, long_run)
LAWS_OF_SEQUENCES: tuple[Callable[[Bench], Check], ...] = (sequences, neighbours, long_run)
