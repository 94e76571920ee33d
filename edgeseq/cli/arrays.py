"""Arrays between files and ports: what ``edgeseq run`` reads, shapes and writes."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgeseq.cli.files import write_whole
from edgeseq.contract import Contract, Port
from edgeseq.errors import UsageError
from edgeseq.io.wav import read_wav, write_wav

Array = npt.NDArray[Any]


def read(path: Path, port: Port) -> tuple[Array, bool, int | None]:
    """The array for a port, with its batch axis; whether the file had one; the sample rate of sound."""
    if path.suffix.lower() == ".wav":
        samples, rate = read_wav(path)
        return shape_sound(samples, port, str(path)), False, rate
    if path.suffix != ".npy":
        raise UsageError("cannot read an input", where=str(path), got=path.suffix or "no suffix", wanted=".npy or .wav")
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise UsageError("no such input file", got=str(path)) from None
    except (ValueError, OSError, EOFError) as error:
        raise UsageError("cannot read an input", where=str(path), why=str(error)) from None
    return *with_batch(array, port), None


def with_batch(array: Array, port: Port) -> tuple[Array, bool]:
    """The array with a batch axis, and whether it had one; the runtime says what else is wrong with its shape."""
    axis = batch_axis(port)
    if axis is None or array.ndim != len(port.shape) - 1:
        return array, axis is not None
    return np.expand_dims(array, axis), False


def batch_axis(port: Port) -> int | None:
    """Where ``batch`` stands in the port's shape."""
    return port.shape.index("batch") if "batch" in port.shape else None


def shape_sound(samples: npt.NDArray[np.float32], port: Port, where: str) -> Array:
    """Samples ``[frames, channels]`` in the order of the port's axes; UsageError where the port is not for sound.

    ``where`` is the file they came from.
    """
    channels = samples.shape[1]
    batch, time = batch_axis(port), port.time_axis
    others = [axis for index, axis in enumerate(port.shape) if index not in (batch, time)]
    if time is None or port.dtype != "float32" or others not in ([], [channels]) or (not others and channels != 1):
        raise UsageError(
            f"input {port.name!r} does not take this sound",
            where=where,
            got=f"{channels} channel{'s' if channels > 1 else ''} for {port.dtype}[{','.join(map(str, port.shape))}]",
            wanted="one float32 sample per frame and channel",
            do="make the frames yourself and give them as .npy",
        )
    array = samples[:, 0] if not others else samples
    if others and time > next(i for i in range(len(port.shape)) if i not in (batch, time)):
        array = array.T
    return np.ascontiguousarray(array if batch is None else np.expand_dims(array, batch))


def check_output(path: Path, contract: Contract, rate: Fraction | None) -> None:
    """UsageError where the outputs cannot go into such a file; asked before the work starts."""
    outputs = contract.with_role("output")
    if path.suffix not in (".npy", ".npz", ".wav"):
        raise UsageError("cannot write outputs", got=path.suffix or "no suffix", wanted=".npy, .npz or .wav")
    if path.suffix != ".npz" and len(outputs) > 1:
        raise UsageError(f"{len(outputs)} outputs do not fit into one array", got=path.name, wanted="a .npz file")
    if path.suffix == ".wav" and (rate is None or outputs[0].time_axis is None):
        why = "the input is no sound" if rate is None else f"output {outputs[0].name!r} has no time axis"
        raise UsageError("cannot write sound", why=why, wanted="a .npy file")
    if not path.parent.is_dir():
        raise UsageError("no such folder", got=str(path.parent))


def write(path: Path, outputs: Mapping[str, Array], contract: Contract, rate: Fraction | None, batched: bool) -> None:
    """Write the outputs, without the batch axis where the input came without one."""
    ports = {port.name: port for port in contract.with_role("output")}
    arrays = {name: array if batched else _without_batch(array, ports[name]) for name, array in outputs.items()}
    first = next(iter(arrays))

    def put(file: BinaryIO) -> None:
        if path.suffix == ".npz":
            np.savez(file, **arrays)  # type: ignore[arg-type]
        elif path.suffix == ".npy":
            np.save(file, arrays[first])
        else:
            sound, own_rate = _sound(arrays[first], ports[first], rate or Fraction(0))
            write_wav(file, sound, own_rate)

    write_whole(path, put)


def _without_batch(array: Array, port: Port) -> Array:
    axis = batch_axis(port)
    return array if axis is None else array[(slice(None),) * axis + (0,)]


def _sound(array: Array, port: Port, rate: Fraction) -> tuple[Array, int]:
    """``[frames, channels]`` and the rate of an output that has lost its batch axis, from base frames per second."""
    batch, time = batch_axis(port), port.time_axis or 0
    if batch is not None and batch < time:
        time -= 1
    if array.ndim > 2 or array.dtype.kind != "f":
        raise UsageError(
            "cannot write sound",
            got=f"{array.dtype}{list(array.shape)}",
            wanted="frames of float samples, or a .npy file",
        )
    samples = np.moveaxis(array, time, 0).reshape(array.shape[time], -1)
    return samples, round(rate * port.ratio)
