"""The protobuf wire format, as far as ONNX files need it: fields of a message, read and written. Standard library only.

Numbers of fields are those of onnx.proto, IR version 13.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeseq.errors import ModelFileError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
#: protobuf takes tags and sizes of at most five bytes and drops what is beyond 32 bits of a tag: with more, a field
#: would be one thing here and another there.
_MOST_BYTES = 5

Field = tuple[int, int, int, int]  # number, wire type, first and last byte of the payload


def fields_of(data: bytes, first: int, last: int, path: Path) -> Iterator[Field]:
    """The fields of the protobuf message in ``data[first:last]``; ModelFileError, naming ``path``, at damage."""
    while first < last:
        tag, first = read_varint(data, first, last, path, _MOST_BYTES)
        number, wire = tag >> 3, tag & 7
        if wire == BYTES:
            size, first = read_varint(data, first, last, path, _MOST_BYTES)
        elif wire == VARINT:
            size = read_varint(data, first, last, path, 10)[1] - first
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            raise damaged(path, f"byte {first} starts no field")
        if number == 0 or tag >= 2**32 or size > last - first:
            raise damaged(path, f"the field at byte {first} reaches beyond its end")
        yield number, wire, first, first + size
        first += size


def read_varint(data: bytes, first: int, last: int, path: Path, most: int = 10) -> tuple[int, int]:
    """The integer at ``first``, of at most so many bytes, and the place after it."""
    value = 0
    for index in range(first, min(first + most, last)):
        value |= (data[index] & 0x7F) << 7 * (index - first)
        if data[index] < 0x80:
            return value, index + 1
    raise damaged(path, f"a number at byte {first} has no end")


def varint(value: int) -> bytes:
    """A number from 0 as the wire has it."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def field(number: int, value: int | str | bytes) -> bytes:
    """One field: a number from 0, a text, or the bytes of a message."""
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    encoded = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | BYTES) + varint(len(encoded)) + encoded


def damaged(path: Path, why: str) -> ModelFileError:
    """What to raise where a file is not a whole ONNX file."""
    return ModelFileError(
        "cannot load the model",
        where=str(path),
        why=f"it is not a whole ONNX file: {why}",
        do="export it again if it was cut short or changed",
    )
