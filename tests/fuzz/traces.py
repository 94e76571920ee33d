"""Golden traces changed at random: their bytes, the JSON in them, their arrays and the headers of these."""

from __future__ import annotations

import io
import json
import random
import zipfile
from typing import Any

import numpy as np

from tests.fuzz.documents import HUGE, NUMBERS, anything, mangle_document, written

Random = random.Random
Entries = dict[str, bytes]

HEADERS = (
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
    "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 200 + "), }",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<U1000000000', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1L,), }",
    "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }",
    "__import__('os').abort()",
    "{" * 3000,
    "(" * 9000,
    "{'descr': '<f4'",
    "",
    "'\n",
)


def mangle_trace(generator: Random, data: bytes) -> bytes:
    """The bytes of a trace with its JSON, an array, a header or the archive around them changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {item.filename: archive.read(item) for item in archive.infolist()}
    return generator.choice([_head, _head, _array, _header, _names, _archive])(generator, entries)


def _packed(entries: Entries, method: int = zipfile.ZIP_STORED, more: tuple[tuple[str, bytes], ...] = ()) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in (*entries.items(), *more):
            # Without this the archive would hold the time of day.
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def _text(content: str) -> bytes:
    return _npy(np.frombuffer(content.encode("utf-8", "surrogatepass"), np.uint8))


def _head(generator: Random, entries: Entries) -> bytes:
    head = json.loads(np.load(io.BytesIO(entries["trace.npy"])).tobytes())
    if generator.random() < 0.4:
        head = mangle_document(generator, head)
    else:
        names = [*head["every"], "y", "output", "output.0", "z"]
        numbers = [*NUMBERS, *HUGE]
        key = generator.choice(["chunks", "every", "rtol", "digest", "version"])
        head[key] = {
            "chunks": generator.choice(
                [
                    [],
                    [generator.choice(numbers)],
                    [*head["chunks"], generator.choice(numbers)],
                    [1] * 50_000,
                    [1.5],
                    ["1"],
                    anything(generator),
                ]
            ),
            "every": {generator.choice(names): [generator.choice(numbers), generator.choice(numbers)]},
            "rtol": anything(generator),
            "digest": anything(generator),
            "version": anything(generator),
        }[key]
    return _packed(entries | {"trace.npy": _text(written(head))})


def _array(generator: Random, entries: Entries) -> bytes:
    """Another dtype, shape or value."""
    name = generator.choice(sorted(set(entries) - {"trace.npy"}) or ["trace.npy"])
    array = np.load(io.BytesIO(entries[name]))
    odd = generator.choice(["dtype", "axis", "cut", "value", "object", "empty", "wide", "fortran"])
    if odd == "dtype":
        array = array.astype(generator.choice(["float16", "float64", "int8", "bool", "complex64", "U8", "S3", ">f4"]))
    elif odd == "axis":
        array = generator.choice([array[None], array.reshape(-1), array.sum(), array.reshape(*array.shape, 1)])
    elif odd == "cut" and array.ndim:
        array = array.take(range(array.shape[-1] // 2), -1)
    elif odd == "value" and array.size and array.dtype.kind == "f":
        array.flat[generator.randrange(array.size)] = generator.choice([np.nan, np.inf, -np.inf, 1e30, -1])
    elif odd == "object":
        array = np.array([{"a": 1}, None], dtype=object)
    elif odd == "empty":
        array = np.zeros((*array.shape[:-1], 0), array.dtype)
    elif odd == "wide":
        array = np.zeros(generator.choice([(1,) * 30, (3_000_000,), (1, 200_000, 2)]), array.dtype)
    elif odd == "fortran":
        array = np.asfortranarray(array)
    return _packed(entries | {name: _npy(np.asarray(array))})


def _header(generator: Random, entries: Entries) -> bytes:
    name = generator.choice(sorted(entries))
    header = generator.choice(HEADERS).encode()
    version = generator.choice([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"])
    size = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    if generator.random() < 0.2:
        size = b"\xff" * len(size)
    return _packed(entries | {name: b"\x93NUMPY" + version + size + header + bytes(generator.choice([0, 4, 24]))})


def _names(generator: Random, entries: Entries) -> bytes:
    """Entries under other names: missing, outside, twice, none at all."""
    name = generator.choice(sorted(entries))
    content = entries.pop(name)
    odd = [
        "../../escaped.npy",
        "/etc/passwd.npy",
        "outputs/.npy",
        "outputs/z.npy",
        "inputs/x/y.npy",
        "allowed",
        "trace",
        name.upper(),
        "inputs/\x1b[2J.npy",
        "\u202e/x.npy",
    ]
    if generator.random() < 0.2:
        return _packed(entries)
    return _packed(entries | {generator.choice(odd): content})


def _archive(generator: Random, entries: Entries) -> bytes:
    """Compressed, crowded, doubled, encrypted or lying about its sizes."""
    odd = generator.choice(["deflated", "bzip2", "lzma", "bomb", "crowd", "locked", "lies", "comment"])
    methods = {"deflated": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
    if odd in methods:
        return _packed(entries, methods[odd])
    if odd == "bomb":
        return _packed(entries | {"inputs/x.npy": bytes(20 * 2**20)}, zipfile.ZIP_DEFLATED)
    if odd == "crowd":
        return _packed(entries, more=tuple((f"inputs/{index}.npy", b"") for index in range(500)))
    data = bytearray(_packed(entries))
    if odd == "comment":
        return bytes(data) + generator.randbytes(20)
    place = data.find(b"PK\x01\x02" if generator.random() < 0.5 else b"PK\x03\x04")
    for offset in range(20, 28) if odd == "lies" else [8, 6]:
        data[place + offset] = generator.choice([0, 1, 0xFF])
    return bytes(data)
