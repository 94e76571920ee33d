"""Bytes changed at random: any file, and the fields of a protobuf message."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeseq.wire import fields_of, varint

Random = random.Random

#: Bytes that mean something to a parser: ends of ranges, tags, numbers without an end.
TELLING = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff" * 9 + b"\x01",
    b"\xff" * 10,
    b"\x80" * 9 + b"\x01",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\x07",
    b"\x00" * 8,
    b"\xff\xff\xff\xff",
    b"\x0b\x0c",
    b"location",
    b"../../secret",
    b"PK\x05\x06",
    b"\x93NUMPY",
    b"\n",
    b"\xed\xa0\x80",
)


def mangle(generator: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """``data`` with one to four changes; ``others`` are files of which parts are spliced in."""
    for _ in range(generator.randint(1, 4)):
        data = generator.choice(_CHANGES)(generator, data, others)
    return data


def mangle_fields(generator: Random, data: bytes) -> bytes:
    """An ONNX file with one field, of the model or of its graph, dropped, doubled, moved or tagged in an odd way."""
    inside = generator.random() < 0.5
    first, last = _graph(data) if inside else (0, len(data))
    fields = list(fields_of(data, first, last, Path("m.onnx")))
    parts = [_encoded(number, wire, data[begin:end]) for number, wire, begin, end in fields]
    chosen = generator.randrange(len(parts))
    number, wire, begin, end = fields[chosen]
    change = generator.choice(["drop", "double", "move", "retag", "longer", "renumber"])
    if change == "drop":
        del parts[chosen]
    elif change == "double":
        parts.insert(generator.randrange(len(parts) + 1), parts[chosen])
    elif change == "move":
        parts.insert(generator.randrange(len(parts)), parts.pop(chosen))
    else:
        odd = {
            "retag": _longer(number << 3 | wire, generator.randint(1, 4)),
            "longer": varint((number << 3 | wire) + (generator.randint(1, 7) << 32)),
            "renumber": varint(generator.choice([1, 5, 7, 8, 14, 20, 25, 2**29 - 1]) << 3 | wire),
        }[change]
        payload = data[begin:end]
        changed = odd + (varint(len(payload)) if wire == 2 else b"") + payload
        if generator.random() < 0.5:
            parts[chosen] = changed
        else:
            parts.append(changed)
    content = b"".join(parts)
    return _with_graph(data, content) if inside else content


def mangle_graph(generator: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """An ONNX file with one to four changes inside its graph, and nowhere else."""
    begin, end = _graph(data)
    return _with_graph(data, mangle(generator, data[begin:end], others))


def _graph(data: bytes) -> tuple[int, int]:
    fields = fields_of(data, 0, len(data), Path("m.onnx"))
    return next((begin, end) for number, _, begin, end in fields if number == 7)


def _with_graph(data: bytes, graph: bytes) -> bytes:
    begin, end = _graph(data)
    # The old length stands right before the graph.
    return data[: begin - len(varint(end - begin))] + varint(len(graph)) + graph + data[end:]


def _encoded(number: int, wire: int, payload: bytes) -> bytes:
    return varint(number << 3 | wire) + (varint(len(payload)) if wire == 2 else b"") + payload


def _longer(value: int, more: int) -> bytes:
    """A varint with ``more`` bytes than it needs."""
    encoded = bytearray(varint(value))
    encoded[-1] |= 0x80
    return bytes(encoded) + b"\x80" * (more - 1) + b"\x00"


def _span(generator: Random, data: bytes) -> tuple[int, int]:
    begin = generator.randrange(len(data) + 1)
    return begin, min(len(data), begin + generator.choice([1, 2, 4, 8, 33, 500]))


def _flip(generator: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    if not data:
        return data
    place = generator.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << generator.randrange(8)]) + data[place + 1 :]


def _insert(generator: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    place = generator.randrange(len(data) + 1)
    return data[:place] + generator.randbytes(generator.choice([1, 3, 17])) + data[place:]


def _tell(generator: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    begin, new = generator.randrange(len(data) + 1), generator.choice(TELLING)
    end = begin + generator.choice([0, 1, len(new)])
    return data[:begin] + new + data[end:]


def _delete(generator: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    begin, end = _span(generator, data)
    return data[:begin] + data[end:]


def _double(generator: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    begin, end = _span(generator, data)
    return data[:end] + data[begin:end] + data[end:]


def _truncate(generator: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    return data[: generator.randrange(len(data) + 1)]


def _splice(generator: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = generator.choice([data, *others])
    begin, end = _span(generator, other)
    place = generator.randrange(len(data) + 1)
    return data[:place] + other[begin:end] + data[place + generator.choice([0, end - begin]) :]


def _swap(generator: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    (a, b), (c, d) = sorted((_span(generator, data), _span(generator, data)))
    return data if c < b else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


_CHANGES: tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flip,
    _flip,
    _flip,
    _tell,
    _insert,
    _delete,
    _double,
    _truncate,
    _splice,
    _swap,
)
