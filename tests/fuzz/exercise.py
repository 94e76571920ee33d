"""What is done with a changed file: everything that a user would do with one that he was given."""

from __future__ import annotations

import json
import math
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgeseq.cli.inspect import report
from edgeseq.cli.summary import describe as told
from edgeseq.contract import METADATA_KEY, Contract, Port, axis_parts, resolve_shape
from edgeseq.errors import EdgeseqError
from edgeseq.runtime import loading, providers
from edgeseq.runtime.golden import replay
from edgeseq.runtime.model import Model
from tests.fuzz.cases import Case

#: The most values that are made for one call: a user who is asked for more has been told by ``inspect``.
MOST_VALUES = 2**20
#: What named axes of conditioning arrays have.
OTHER_AXES = 3
LONGEST_MESSAGE = 10_000


#: The files that decide the answers, as onnxruntime was given them, and whether it could read them.
Opened = dict[tuple[bytes, ...], bool]
#: The model, the weights beside it, its prologue.
DECIDING = ("m.onnx", "m.onnx.data", "m.prologue.onnx")


class Bug(Exception):
    """Something that must not be possible."""


def exercise(case: Case, path: Path, graph: bytes | None) -> str:
    """Describe, load, stream, replay; in a word how far it came. Whatever it raises is a bug.

    ``graph`` is :func:`graph_of` the base.
    """
    opened: Opened = {}
    with _watched_sessions(path, opened):
        reached = _refusal(lambda: _inspect(path)) or _refusal(lambda: _load(path))
        if reached is None:
            reached = _refusal(lambda: _stream(path)) or "stepped"
            if case.kind == "trace":
                reached = _refusal(lambda: _replay(path)) or "replayed"
    if not case.untouched and case.kind != "renewed":
        for files, parsed in opened.items():
            seen = graph_of(dict(zip(DECIDING, files, strict=True)))
            # What neither protobuf nor onnxruntime can read holds no graph that could run.
            if seen != graph and (parsed or seen is not None):
                raise Bug("onnxruntime was asked to open a file that had been changed")
    return reached


def graph_of(files: Mapping[str, bytes]) -> bytes | None:
    """What decides the answers, as protobuf itself reads it: of both files, and the weights beside the model.

    None where it cannot be read.
    """
    model, data, prologue = (files.get(name, b"") for name in DECIDING)
    parts = [_read(content) for content in ([model, prologue] if prologue else [model])]
    return None if None in parts else b"".join([part for part in parts if part is not None]) + data


def _read(content: bytes) -> bytes | None:
    """Graph, operator sets, functions and contract of one file."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        return None
    for field in ("ir_version", "producer_name", "producer_version", "domain", "model_version", "doc_string"):
        model.ClearField(field)
    contracts = [entry.value for entry in model.metadata_props if entry.key == METADATA_KEY]
    model.ClearField("metadata_props")
    model.ClearField("training_info")
    model.DiscardUnknownFields()
    return bytes(model.SerializeToString(deterministic=True)) + "".join(contracts).encode()


@contextmanager
def _watched_sessions(path: Path, opened: Opened) -> Iterator[None]:
    """Collect what is given to onnxruntime, and whether it could read it."""
    names = vars(providers)
    original = names["open_session"]

    def open_session(*given: Any) -> Any:
        beside = [path.with_name(name) for name in DECIDING]
        content = tuple(file.read_bytes() if file.exists() else b"" for file in beside)
        opened[content] = False
        session = original(*given)
        opened[content] = True
        return session

    names["open_session"] = open_session
    try:
        yield
    finally:
        names["open_session"] = original


def _refusal(action: Callable[[], None]) -> str | None:
    """The word for an error of ours, None where there was none. Warnings are errors, and bugs."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            action()
    except EdgeseqError as error:
        check_error(error)
        return f"{action.__code__.co_names[0].strip('_')}: {type(error).__name__}"
    return None


def check_error(error: EdgeseqError) -> None:
    """Bug where the message is not a short readable text, or where memory ran out before we said no."""
    text = str(error)
    text.encode()
    if len(text) > LONGEST_MESSAGE:
        raise Bug(f"an error message of {len(text)} characters")
    check_readable(text)
    reason: BaseException | None = error
    while reason is not None:
        if isinstance(reason, MemoryError):
            raise Bug("memory ran out") from error
        reason = reason.__cause__ or reason.__context__


def check_readable(text: str) -> None:
    """Bug where a text would send more than text to a terminal."""
    odd = [sign for sign in text if sign != "\n" and unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")]
    odd += [
        sign for sign in text if unicodedata.bidirectional(sign) in ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI")
    ]
    if odd:
        raise Bug(f"the text holds {odd[0]!r}")


def _inspect(path: Path) -> None:
    described = loading.describe(path)
    check_readable(told(path, described.contract, described.doubt, described.file.size))
    json.dumps(report(path, described.contract, described.doubt, described.file.size), allow_nan=False).encode()


def _load(path: Path) -> None:
    loading.load(path)


def _replay(path: Path) -> None:
    json.dumps(replay(path).to_dict())


def _stream(path: Path) -> None:
    model = loading.load(path)
    repr(model)
    _walk(model, batch=1, on_missing="hold")
    _walk(model, batch=2, max_context=40, on_nonfinite="pass", on_missing="zero")


def _walk(model: Model, batch: int, **policies: Any) -> None:
    """A stream from opening to closing, each part for itself: one that refuses does not keep the next from trying."""
    conditioning = _conditioning(model.contract, batch)
    if conditioning is None:
        return
    stream = model.stream(batch=batch, conditioning=conditioning or None, **policies)
    sizes = {"batch": batch, **_axes(model.contract)}
    unit = math.lcm(*(port.ratio.denominator for port in model.contract.with_role("frame")))

    def step(base_frames: int) -> None:
        frames = _frames(model.contract, base_frames, sizes)
        if frames is None:
            return
        expected, before = stream.expect(base_frames), stream.frames_out
        answer = stream.step(frames)
        _check_counts(model.contract, expected, answer)
        if stream.frames_in < base_frames or (stream.frames_out == before and expected):
            raise Bug("the counters do not count")

    def twice() -> None:
        stream.reset()
        step(unit)
        stream.flush()
        stream.reset()

    parts: list[Callable[[], Any]] = [
        lambda: step(unit),
        lambda: step(unit),
        lambda: step(3 * unit),
        lambda: step(model.contract.chunk.multiple),
        lambda: stream.missing(unit),
        lambda: stream.missing(2 * unit),
        lambda: stream.expect(7),
        lambda: check_readable(repr(stream)),
        stream.flush,
        twice,
        stream.close,
    ]
    refused: EdgeseqError | None = None
    for part in parts:
        try:
            part()
        except EdgeseqError as error:
            check_error(error)
            refused = refused or error
    if refused is not None:
        raise refused


def _axes(contract: Contract) -> dict[str, int]:
    names = {axis_parts(axis)[1] for port in contract.ports for axis in port.shape if isinstance(axis, str)}
    return dict.fromkeys(names - {"batch", "time", "capacity"}, OTHER_AXES)


def _array(port: Port, sizes: dict[str, int]) -> Any:
    """Zeros for a port, or the least value it takes; None where nobody would make so many."""
    try:
        shape = resolve_shape(port.shape, sizes)
    except KeyError:
        return None
    if math.prod(shape) > MOST_VALUES:
        return None
    value = 0.0
    if port.range is not None and np.dtype(port.dtype).kind in "iu":
        info = np.iinfo(port.dtype)
        value = min(max(port.range[0], float(info.min)), float(info.max) / 2)
    return np.full(shape, value).astype(port.dtype)


def _frames(contract: Contract, base_frames: int, sizes: dict[str, int]) -> Any:
    arrays = {}
    for port in contract.with_role("frame"):
        count = base_frames * port.ratio
        if count > MOST_VALUES or count.denominator != 1:
            return None
        arrays[port.name] = _array(port, {**sizes, "time": int(count)})
    return None if any(array is None for array in arrays.values()) else arrays


def _conditioning(contract: Contract, batch: int) -> Any:
    """What must be given; None where nobody could."""
    sizes = {"batch": batch, **_axes(contract)}
    needed = [port for port in contract.with_role("conditioning") if port.default is None]
    arrays = {port.name: _array(port, sizes) for port in needed}
    return None if any(array is None for array in arrays.values()) else arrays


def _check_counts(contract: Contract, expected: int | dict[str, int], answer: Any) -> None:
    """Bug where a step does not return as many frames as was said."""
    timed = [port for port in contract.with_role("output") if port.time_axis is not None]
    answers = answer if isinstance(answer, dict) else {contract.with_role("output")[0].name: answer}
    counts = {port.name: answers[port.name].shape[port.time_axis or 0] for port in timed}
    said = expected if isinstance(expected, dict) else {port.name: expected for port in timed}
    if counts != said:
        raise Bug(f"expect said {said}, step returned {counts}")
