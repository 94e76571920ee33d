"""``edgeseq run``: a file of frames through a stream, frame by frame, as a device would do it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.durations import format_rate, rate_of
from edgeseq.cli.files import say, write_report
from edgeseq.cli.terminal import progress
from edgeseq.contract import Contract
from edgeseq.errors import UsageError
from edgeseq.io.rates import same_rate

if TYPE_CHECKING:
    from edgeseq.cli.arrays import Array


@click.command()
@options.onnx_file
@click.argument("source", metavar="[INPUT]", required=False, type=options.FILE)
@options.named_files("An input by its name, where the file has several; conditioning too. Repeatable.")
@click.option("-o", "--output", type=options.FILE, required=True, help=".npy, .wav, or .npz for several outputs.")
@click.option(
    "--chunk", type=options.COUNT, metavar="N", help="Frames per call; the fewest that the file takes by default."
)
@options.with_device
@options.threads
@options.allow_unverified
@options.json_report
def run(
    path: Path,
    source: Path | None,
    named: tuple[tuple[str, str], ...],
    output: Path,
    chunk: int | None,
    place: dict[str, Any],
    threads: int | None,
    allow_unverified: bool,
    json_path: str | None,
) -> None:
    """Run INPUT (.npy, or .wav of PCM) through a stream, a few frames at a time, and write what comes out.

    An array may have a batch axis or none; the output then has one or none as well. Sound has to have the sample rate
    that the model was exported with, where it was exported with one.
    """
    from edgeseq.cli import arrays

    model = libraries.runtime().load(path, allow_unverified=allow_unverified, **place, **options.given(threads=threads))
    contract: Contract = model.contract
    files = _sources(contract, source, named)
    inputs, batched, rate = _read(files, contract)
    arrays.check_output(output, contract, rate)
    total = _base_frames(inputs, contract, files)
    _check_frames(inputs, total, contract, files)
    outputs = _stream(model, inputs, total, chunk or contract.chunk.multiple)
    arrays.write(output, outputs, contract, rate, batched)
    shapes = {name: list(array.shape) for name, array in outputs.items()}
    say(f"{total:,} frames in, {', '.join(f'{name} {shape}' for name, shape in shapes.items())} -> {output}", json_path)
    document = {"format": "edgeseq.run", "version": 1, "path": str(path), "output": str(output)}
    write_report({**document, "frames": total, "shapes": shapes}, json_path)


def _check_frames(inputs: dict[str, Array], total: int, contract: Contract, files: dict[str, Path]) -> None:
    """UsageError that names the file where its frames are too few, too many or not finite; asked before any is run."""
    import numpy as np

    from edgeseq.runtime.schedule import accepted_lengths

    where = ", ".join(str(files[port.name]) for port in contract.with_role("frame"))
    lengths = [port.length(total) for port in contract.with_role("output") if port.length is not None]
    if total < contract.min_frames or None in lengths:
        raise UsageError(
            "the model takes no input of this length",
            where=where,
            got=f"{total:,} frames",
            wanted=accepted_lengths(contract),
        )
    if contract.max_context is not None and total > contract.max_context:
        raise UsageError(
            "the input is longer than the model's context",
            where=where,
            got=f"{total:,} frames",
            wanted=f"at most {contract.max_context:,}",
            do="cut it into pieces, or export a model with room for more",
        )
    for name, array in inputs.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            place = [int(index) for index in np.argwhere(~np.isfinite(array))[0]]
            raise UsageError(
                f"{name} is not finite",
                where=f"{files[name]}, {place}",
                got=array[tuple(place)],
                do="repair the recording",
            )


def _sources(contract: Contract, source: Path | None, named: tuple[tuple[str, str], ...]) -> dict[str, Path]:
    """Which file goes into which port."""
    frame_ports = [port.name for port in contract.with_role("frame")]
    known = frame_ports + [port.name for port in contract.with_role("conditioning")]
    files = {name: Path(file) for name, file in named}
    if len(files) < len(named):
        raise UsageError("an input stands twice", got=", ".join(name for name, _ in named), wanted="each once")
    if source is not None:
        if frame_ports[0] in files:
            raise UsageError(f"two files for input {frame_ports[0]!r}", got=f"{source} and {files[frame_ports[0]]}")
        files[frame_ports[0]] = source
    unknown = sorted(set(files) - set(known))
    missing = [name for name in frame_ports if name not in files]
    if unknown:
        raise UsageError("no such input", got=", ".join(unknown), wanted=", ".join(known))
    if missing:
        raise UsageError("an input is missing", got=", ".join(files) or "none", wanted=", ".join(missing))
    return files


def _read(files: dict[str, Path], contract: Contract) -> tuple[dict[str, Array], bool, Fraction | None]:
    """Arrays by port, whether the frames came with a batch axis, and the base frames per second of sound."""
    from edgeseq.cli import arrays

    inputs: dict[str, Array] = {}
    batched = False
    rates: dict[str, int] = {}
    for name, file in files.items():
        port = contract.port(name)
        inputs[name], had_batch, rate = arrays.read(file, port)
        batched |= had_batch and port.role == "frame"
        if rate is not None:
            _check_rate(file, rate, port.ratio, contract.frame_period)
            rates[name] = rate
    base = [rate / contract.port(name).ratio for name, rate in rates.items()]
    if len(set(base)) > 1:
        got = ", ".join(f"{files[name]} {format_rate(rate)}" for name, rate in rates.items())
        raise UsageError("sounds of sample rates that do not fit together", got=got, do="resample them")
    return inputs, batched, base[0] if base else None


def _check_rate(file: Path, rate: int, ratio: Fraction, period: float | None) -> None:
    """Refuse sound of another rate than that of a port with ``ratio`` samples per base frame of ``period`` seconds."""
    if period is None or same_rate(rate, float(ratio) / period):
        return
    wanted = format_rate(rate_of(period / ratio))
    raise UsageError(
        "wrong sample rate", where=str(file), got=format_rate(rate), wanted=wanted, do=f"resample it to {wanted}"
    )


def _base_frames(inputs: dict[str, Array], contract: Contract, files: dict[str, Path]) -> int:
    """How many base frames the inputs hold; UsageError where they disagree or hold none."""
    counts = {}
    for port in contract.with_role("frame"):
        axis, array = port.time_axis, inputs[port.name]
        if axis is None or array.ndim != len(port.shape):
            raise UsageError(
                f"input {port.name!r} has the wrong rank",
                where=str(files[port.name]),
                got=list(array.shape),
                wanted=f"[{', '.join(map(str, port.shape))}], with or without batch",
            )
        fits = zip(array.shape, port.shape, strict=True)
        if any(isinstance(wanted, int) and got != wanted for got, wanted in fits):
            raise UsageError(
                f"input {port.name!r} has the wrong shape",
                where=str(files[port.name]),
                got=list(array.shape),
                wanted=f"[{', '.join(map(str, port.shape))}], with or without batch",
            )
        counts[port.name] = array.shape[axis] / port.ratio
    total = next(iter(counts.values()))
    if set(counts.values()) != {total} or total.denominator != 1:
        raise UsageError("inputs of different lengths", got=", ".join(f"{name} {n}" for name, n in counts.items()))
    if total == 0:
        where = ", ".join(str(files[name]) for name in counts)
        raise UsageError("the input holds no frames", where=where, wanted="at least one")
    return int(total)


def _stream(model: Any, inputs: dict[str, Array], total: int, chunk: int) -> dict[str, Array]:
    """All outputs of a stream that is given ``chunk`` base frames at a time and flushed."""
    import numpy as np

    contract: Contract = model.contract
    outputs = contract.with_role("output")
    parts: dict[str, list[Array]] = {port.name: [] for port in outputs}
    stream = _open(model, inputs)

    def keep(answer: Any) -> None:
        for name, array in (answer if isinstance(answer, dict) else {outputs[0].name: answer}).items():
            if contract.port(name).time_axis is None:
                parts[name].clear()  # only the last value counts
            parts[name].append(array)

    with progress(total, "streaming") as bar:
        for start in range(0, total, chunk):
            end = min(start + chunk, total)
            keep(_step(stream, contract, inputs, start, end))
            bar.update(end - start)
        keep(stream.flush())
    return {
        port.name: parts[port.name][0] if port.time_axis is None else np.concatenate(parts[port.name], port.time_axis)
        for port in outputs
    }


def _open(model: Any, inputs: dict[str, Array]) -> Any:
    from edgeseq.cli import arrays

    contract: Contract = model.contract
    first = contract.with_role("frame")[0]
    axis = arrays.batch_axis(first)
    batch = 1 if axis is None else inputs[first.name].shape[axis]
    ports = contract.with_role("conditioning")
    missing = [port.name for port in ports if port.default is None and port.name not in inputs]
    if missing:
        raise UsageError(f"input {missing[0]!r} is missing", do=f"give it with --input {missing[0]}=FILE.npy")
    conditioning = {port.name: inputs[port.name] for port in ports if port.name in inputs}
    return model.stream(batch=batch, **options.given(conditioning=conditioning or None))


def _step(stream: Any, contract: Contract, inputs: dict[str, Array], start: int, end: int) -> Any:
    chunks = {}
    for port in contract.with_role("frame"):
        axis = port.time_axis or 0
        own = slice(int(start * port.ratio), int(end * port.ratio))
        chunks[port.name] = inputs[port.name][(slice(None),) * axis + (own,)]
    return stream.step(**chunks) if len(chunks) > 1 else stream.step(*chunks.values())
