"""Bytes that nobody trusts: a snapshot comes of them, or an error that says why; no stream changes."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import ContractError, EdgeseqError, UsageError
from tests import handmade
from tests.handmade import Handmade

Load = Callable[[Handmade], runtime.Model]
HEAD = struct.Struct("<16sII")


def taken(load: Load) -> tuple[runtime.Stream, bytes]:
    stream = load(handmade.attention()).stream(on_missing="hold")
    stream.step(np.ones((1, 4, 2), np.float32))
    return stream, stream.snapshot().to_bytes()


def changed(data: bytes, change: Callable[[dict[str, Any]], object], values: bytes | None = None) -> bytes:
    """The bytes with another header, made whole again."""
    magic, version, length = HEAD.unpack_from(data)
    header = json.loads(data[HEAD.size : HEAD.size + length])
    change(header)
    text = json.dumps(header).encode()
    rest = data[HEAD.size + length : -4] if values is None else values
    body = HEAD.pack(magic, version, len(text)) + text + rest
    return body + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize("data", [b"", b"edgeseq.snapshot", b"\0" * 100, "text", None, np.zeros(9)])
def test_what_is_no_snapshot_is_refused(data: Any) -> None:
    with pytest.raises(UsageError):
        runtime.Snapshot.from_bytes(data)


def test_every_cut_and_every_changed_byte_is_noticed(load: Load) -> None:
    _, data = taken(load)
    for end in range(len(data)):
        with pytest.raises(UsageError):
            runtime.Snapshot.from_bytes(data[:end])
    for place in range(len(data)):
        with pytest.raises(UsageError):
            runtime.Snapshot.from_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    with pytest.raises(UsageError, match=r"^this is no whole snapshot: it was cut short or changed\. Take it with"):
        runtime.Snapshot.from_bytes(data + b"\0")


def test_a_newer_version_is_named(load: Load) -> None:
    _, data = taken(load)
    with pytest.raises(UsageError, match=r"^this snapshot has another version \(got 2, wanted 1\)\."):
        runtime.Snapshot.from_bytes(data[:16] + struct.pack("<I", 2) + data[20:])


def put(name: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda header: header.__setitem__(name, value)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no model": lambda header: header.pop("model"),
    "model is a number": put("model", 3),
    "position is negative": put("position", -1),
    "position is a truth value": put("position", True),
    "position is a fraction": put("position", 1.5),
    "position is huge": put("position", 2**70),
    "no arrays": put("arrays", None),
    "an array of objects": lambda header: header["arrays"][0].__setitem__(2, "object"),
    "an array of structures": lambda header: header["arrays"][0].__setitem__(2, "i4,i4"),
    "an array that is too large": lambda header: header["arrays"][0].__setitem__(3, [2**40, 2**40]),
    "an array of many axes": lambda header: header["arrays"][0].__setitem__(3, [1] * 33),
    "an axis below zero": lambda header: header["arrays"][0].__setitem__(3, [-1]),
    "an array twice": lambda header: header["arrays"].append(header["arrays"][0]),
    "an unknown group": lambda header: header["arrays"][0].__setitem__(0, "__class__"),
    "an array too few": lambda header: header["arrays"].pop(),
    "a total that is a text": put("total", "7"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_header_that_makes_no_sense_is_refused(load: Load, name: str) -> None:
    _, data = taken(load)
    runtime.Snapshot.from_bytes(changed(data, lambda header: None))
    with pytest.raises(UsageError, match=r"^this is no whole snapshot"):
        runtime.Snapshot.from_bytes(changed(data, CHANGES[name]))


MISFITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "another model": put("model", "sha256:0"),
    "other conditioning": put("conditioning", ""),
    "another batch": put("batch", 2),
    "further on than the cache": put("position", 5),
    "not as far as the cache": put("position", 3),
    "frames that wait": put("frames_waiting", 1),
    "more missing than given": put("frames_missing", 5),
    "a state of another name": lambda header: header["arrays"][0].__setitem__(1, "place"),
    "a state of another dtype": lambda header: header["arrays"][0].__setitem__(2, "uint64"),
    "held in place of a state": lambda header: header["arrays"][1].__setitem__(0, "held"),
    "a cache of another shape": lambda header: header["arrays"][1].__setitem__(3, [1, 2, 4]),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_snapshot_that_does_not_fit_changes_nothing(load: Load, name: str) -> None:
    stream, data = taken(load)
    with pytest.raises(EdgeseqError):
        stream.restore(runtime.Snapshot.from_bytes(changed(data, MISFITS[name])))
    assert stream.snapshot().to_bytes() == data


@pytest.mark.parametrize("position", [-1, 5, 2**40])
def test_a_position_that_points_elsewhere_is_refused(load: Load, position: int) -> None:
    """Kernels write the cache at the place that it names, some without a look at the cache's size."""
    stream, data = taken(load)
    length = HEAD.unpack_from(data)[2]
    values = bytearray(data[HEAD.size + length : -4])
    values[:8] = struct.pack("<q", position)
    with pytest.raises(ContractError, match=r"^the snapshot does not fit the model at state position "):
        stream.restore(runtime.Snapshot.from_bytes(changed(data, lambda header: None, bytes(values))))
    assert stream.snapshot().to_bytes() == data


def test_random_damage_under_a_right_sum_is_noticed_or_harmless(load: Load) -> None:
    stream, data = taken(load)
    random = np.random.default_rng(0)
    for _ in range(500):
        body = bytearray(data[:-4])
        for _ in range(random.integers(1, 4)):
            body[random.integers(len(body))] = random.integers(256)
        try:
            stream.restore(runtime.Snapshot.from_bytes(bytes(body) + struct.pack("<I", zlib.crc32(body))))
        except EdgeseqError:
            continue
        stream.step(np.ones((1, 1, 2), np.float32))
