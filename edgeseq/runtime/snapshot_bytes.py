"""A snapshot as bytes: a line that says what it is, its counts and the list of its arrays as JSON, their values, a sum.

    "edgeseq.snapshot" | version, 4 bytes | length of the JSON, 4 bytes | JSON | values, array by array | CRC-32

Whole numbers and values are little-endian, values in row-major order. Nothing in it is executed or believed: sizes are
held against the bytes that there are before anything is allocated.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from typing import Any

import numpy as np

from edgeseq.errors import UsageError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.snapshots import GROUPS, Snapshot
from edgeseq.strict_json import read_json

MAGIC = b"edgeseq.snapshot"
VERSION = 1
_HEAD = struct.Struct("<16sII")
_SUM = struct.Struct("<I")
_COUNTS = ("batch", "position", "frames_waiting", "frames_missing")
_DTYPES = frozenset(
    ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
)  # fmt: skip
_MOST_AXES = 32


def write_snapshot(snapshot: Snapshot) -> bytes:
    """The bytes of a snapshot."""
    arrays = snapshot.arrays()
    header = {name: getattr(snapshot, name) for name in ("model", "conditioning", *_COUNTS, "total")}
    header["holds"] = snapshot.held is not None
    header["arrays"] = [[group, name, str(array.dtype), list(array.shape)] for group, name, array in arrays]
    text = json.dumps(header).encode()
    pieces = [_HEAD.pack(MAGIC, VERSION, len(text)), text]
    pieces += [array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes() for _, _, array in arrays]
    body = b"".join(pieces)
    return body + _SUM.pack(zlib.crc32(body))


def read_snapshot(data: bytes | bytearray | memoryview) -> Snapshot:
    """The snapshot in ``data``; UsageError where it is none, is damaged or of a newer version."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise UsageError("a snapshot is read from bytes", got=type(data).__name__)
    whole = bytes(data)
    try:
        header, values = _parts(whole)
        return _snapshot(header, values)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError("this is no whole snapshot", why=_first(error), do="take it with to_bytes() again") from None


def _first(error: Exception) -> str:
    """What is wrong, in few words: a part of it may come from the bytes."""
    return f"its field {str(error)[:60]} is missing" if isinstance(error, KeyError) else str(error)[:200]


def _parts(whole: bytes) -> tuple[dict[str, Any], memoryview]:
    """The header, and the values."""
    if len(whole) < _HEAD.size + _SUM.size or not whole.startswith(MAGIC):
        raise ValueError("it does not begin like one")
    _, version, length = _HEAD.unpack_from(whole)
    if version != VERSION:
        raise UsageError(
            "this snapshot has another version",
            got=version,
            wanted=VERSION,
            do="read it with the edgeseq that wrote it",
        )
    body = memoryview(whole)[: -_SUM.size]
    if _SUM.unpack_from(whole, len(body))[0] != zlib.crc32(body):
        raise ValueError("it was cut short or changed")
    header = read_json(bytes(body[_HEAD.size : _HEAD.size + length]))
    if not isinstance(header, dict):
        raise ValueError("its header is not an object")
    return header, body[_HEAD.size + length :]


def _snapshot(header: dict[str, Any], values: memoryview) -> Snapshot:
    groups: dict[str, dict[str, Array]] = {group: {} for group in GROUPS}
    offset = 0
    for group, name, dtype, shape in header["arrays"]:
        array = _array(str(dtype), shape, values[offset:])
        if group not in groups or not isinstance(name, str) or name in groups[group]:
            raise ValueError("an array in it has no place")
        groups[group][name] = array
        offset += array.nbytes
    if offset != len(values):
        raise ValueError("it holds more than its arrays")
    given: dict[str, Any] = {**groups, "held": groups["held"] if header["holds"] is True else None}
    given |= {name: _count(header[name], name) for name in _COUNTS}
    given["total"] = None if header["total"] is None else _count(header["total"], "total")
    return Snapshot(model=_text(header["model"]), conditioning=_text(header["conditioning"]), **given)


def _array(dtype: str, shape: Any, values: memoryview) -> Array:
    """An array over the first bytes of ``values``, for reading only."""
    if dtype not in _DTYPES or not isinstance(shape, list) or len(shape) > _MOST_AXES:
        raise ValueError("an array in it is not one of numbers")
    count = math.prod(_count(size, "an axis") for size in shape)
    kind = np.dtype(dtype).newbyteorder("<")
    if count * kind.itemsize > len(values):
        raise ValueError("an array in it has not as many values as its shape says")
    flat = np.frombuffer(values, np.uint8 if dtype == "bool" else kind, count)
    if dtype == "bool" and (flat > 1).any():
        raise ValueError("a truth value in it is neither 0 nor 1")
    array = flat.astype(dtype, copy=True).reshape(shape)
    array.flags.writeable = False
    return array


def _count(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError(f"{name} is not a count")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a digest in it is not a text")
    return value
