"""An ONNX file as bytes: its metadata, its digest, the data files it names. Read without any ONNX library.

onnxruntime can abort the process on a hostile graph, so whatever can be checked is checked here, before it sees the
file. Only the protobuf wire format is read, and of its messages only what leads to tensors. Standard library only.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeseq.errors import ModelFileError
from edgeseq.wire import BYTES, VARINT, Field, damaged, field, fields_of, read_varint

# ModelProto: ir_version 1, producer 2 and 3, doc_string 6, graph 7, opset_import 8, metadata_props 14, functions 25.
_GRAPH, _OPSETS, _METADATA, _FUNCTIONS = 7, 8, 14, 25
_DIGESTED = (_GRAPH, _OPSETS, _FUNCTIONS)
_BLOCK = 2**20

#: Where tensors hang in each message: field number -> the message it holds. onnx.proto, IR version 13.
_CHILDREN: Mapping[str, Mapping[int, str]] = {
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
}
_EXTERNAL_DATA = 13
_DEEPEST = 64
#: A model has a handful of fields of its own, one for each operator set, function and metadata entry. Millions of empty
#: ones would take a hundred times the file's size to list.
_MOST_FIELDS = 2**16


@dataclass(frozen=True)
class ModelFile:
    """What an ONNX file says of itself.

    ``digest`` is ``sha256:`` and 64 hexadecimal digits over graph, operator sets, functions and external data;
    metadata is left out (``docs/contract.md`` has the recipe). ``external`` names the data files, which lie in the
    same folder. ``size`` counts the bytes of all of them together.
    """

    path: Path
    metadata: Mapping[str, str]
    digest: str
    external: tuple[str, ...]
    size: int


def read_model_file(path: str | os.PathLike[str], data: bytes | None = None) -> ModelFile:
    """Read and check the file at ``path``; ``data`` are its bytes where they have been read already.

    Raises ModelFileError where it is not a whole ONNX file, where a data file that it names is missing, too short or
    lies outside its folder, or where the operating system refuses.
    """
    where = Path(path)
    data = _contents(where) if data is None else data
    fields = _top_level(data, where)
    if sum(number == _GRAPH for number, *_ in fields) != 1:
        raise damaged(where, "it does not hold one graph")
    external = _external(data, fields, where)
    digest = hashlib.sha256()
    for number, _, first, last in sorted(fields, key=lambda field: field[0]):
        if number in _DIGESTED:
            digest.update(number.to_bytes(8, "little") + (last - first).to_bytes(8, "little"))
            digest.update(memoryview(data)[first:last])
    size = len(data)
    for name in external:
        size += _digest_file(where.parent / name, name, digest)
    return ModelFile(where, dict(_metadata(data, fields, where)), f"sha256:{digest.hexdigest()}", external, size)


def operator_sets(path: str | os.PathLike[str]) -> dict[str, int]:
    """The versions of the operator sets that a file imports, by domain; ``ai.onnx`` for the empty one."""
    where = Path(path)
    data = _contents(where)
    found: dict[str, int] = {}
    for number, wire, first, last in _top_level(data, where):
        if number == _OPSETS and wire == BYTES:
            domain, version = _operator_set(data, first, last, where)
            found[domain or "ai.onnx"] = version
    return found


def with_metadata(data: bytes, key: str, value: str, where: str | os.PathLike[str]) -> bytes:
    """The bytes of an ONNX file with one metadata entry set; everything else stays as it is, byte for byte."""
    path = Path(where)
    entry = field(_METADATA, field(1, key) + field(2, value))
    before: list[bytes] = []
    after: list[bytes] = []
    start = 0
    for number, _, first, last in _top_level(data, path):
        whole, start = data[start:last], last
        if number == _METADATA and _entry(data, first, last, path)[0] == key:
            continue
        (after if number > _METADATA else before).append(whole)
    return b"".join([*before, entry, *after])


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, MemoryError) as error:
        why = error.strerror if isinstance(error, OSError) else "there is no memory for it"
        raise ModelFileError("cannot read the model", where=str(path), why=why) from None


def _top_level(data: bytes, path: Path) -> list[Field]:
    fields = list(itertools.islice(fields_of(data, 0, len(data), path), _MOST_FIELDS + 1))
    if len(fields) > _MOST_FIELDS:
        raise damaged(path, f"it has more than {_MOST_FIELDS} parts")
    return fields


def _metadata(data: bytes, fields: list[Field], path: Path) -> Iterator[tuple[str, str]]:
    seen = set()
    for number, wire, first, last in fields:
        if number == _METADATA and wire == BYTES:
            key, value = _entry(data, first, last, path)
            if key in seen:
                raise damaged(path, f"its metadata has two entries {key!r}")
            seen.add(key)
            yield key, value


def _entry(data: bytes, first: int, last: int, path: Path) -> tuple[str, str]:
    """A StringStringEntryProto: key 1, value 2."""
    found = {1: b"", 2: b""}
    for number, wire, begin, end in fields_of(data, first, last, path):
        if number in found and wire == BYTES:
            found[number] = data[begin:end]
    try:
        return found[1].decode(), found[2].decode()
    except UnicodeDecodeError as error:
        raise damaged(path, f"a name in it is not UTF-8 ({error.reason})") from None


def _operator_set(data: bytes, first: int, last: int, path: Path) -> tuple[str, int]:
    """An OperatorSetIdProto: domain 1, version 2."""
    domain, version = b"", 0
    for number, wire, begin, end in fields_of(data, first, last, path):
        if (number, wire) == (1, BYTES):
            domain = data[begin:end]
        elif (number, wire) == (2, VARINT):
            version = read_varint(data, begin, end, path)[0]
    return domain.decode(errors="replace"), version


def _external(data: bytes, fields: list[Field], path: Path) -> tuple[str, ...]:
    """The data files that the model's tensors name, each checked, in the order of their names."""
    roots = {_GRAPH: "graph", _FUNCTIONS: "function"}
    entries: list[dict[str, str]] = []
    for number, wire, first, last in fields:
        if number in roots and wire == BYTES:
            entries += _tensors(data, first, last, roots[number], path)
    return tuple(sorted({_checked(entry, path) for entry in entries}))


def _tensors(data: bytes, first: int, last: int, kind: str, path: Path, depth: int = 0) -> Iterator[dict[str, str]]:
    """The external_data of every tensor inside a message. Parts that do not hold the word are passed over unread."""
    if data.find(b"location", first, last) < 0:
        return
    if depth > _DEEPEST:
        raise damaged(path, f"its graphs are nested more than {_DEEPEST} deep")
    entry: dict[str, str] = {}
    for number, wire, begin, end in fields_of(data, first, last, path):
        child = _CHILDREN.get(kind, {}).get(number)
        if child is not None and wire == BYTES:
            yield from _tensors(data, begin, end, child, path, depth + 1)
        elif kind == "tensor" and number == _EXTERNAL_DATA and wire == BYTES:
            key, value = _entry(data, begin, end, path)
            if key in entry:
                raise damaged(path, f"a tensor has two values for {key!r}")
            entry[key] = value
    if entry:
        yield entry


def _checked(entry: Mapping[str, str], path: Path) -> str:
    """The name of a tensor's data file; ModelFileError where it lies outside the folder or is too short."""
    name = entry.get("location", "")
    parts = name.split("/")
    # onnxruntime has a place of its own, "*/_ORT_MEM_ADDR_/*": it takes the offset for an address in memory.
    if not name or name.startswith("/") or ".." in parts or any(sign in name for sign in '\\:\0*?"<>|'):
        raise _outside(path, name)
    folder, file = os.path.realpath(path.parent), os.path.realpath(path.parent / name)
    if os.path.commonpath([folder, file]) != folder:
        raise _outside(path, name)
    if not os.path.isfile(file):
        raise ModelFileError(
            "a file with the model's weights is missing",
            where=str(path),
            wanted=repr(name),
            do="copy it into the same folder",
        )
    numbers = [entry.get("offset", "0"), entry.get("length", "0")]
    if not all(number.isascii() and number.isdigit() and len(number) < 19 for number in numbers):
        raise damaged(path, f"a tensor has no valid place in {name!r}")
    wanted, size = sum(map(int, numbers)), os.path.getsize(file)
    if wanted > size:
        raise ModelFileError(
            "a file with the model's weights is cut short",
            where=os.fspath(path.parent / name),
            got=f"{size} bytes",
            wanted=f"at least {wanted}",
            do="copy it again",
        )
    return name


def _outside(path: Path, name: str) -> ModelFileError:
    return ModelFileError(
        "the model names data outside its folder",
        where=str(path),
        got=repr(name),
        wanted="a file beside it or below",
        do="do not trust this file",
    )


def _digest_file(path: Path, name: str, digest: hashlib._Hash) -> int:
    """Add a data file to the digest; its size."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            encoded = name.encode()
            digest.update(len(encoded).to_bytes(8, "little") + encoded + size.to_bytes(8, "little"))
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise ModelFileError("cannot read the model's weights", where=str(path), why=error.strerror) from None
    return size
