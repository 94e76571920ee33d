"""Golden traces that lie about their size, run code or break what reads them: each is refused in words."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import ContractError, EdgeseqError, ModelFileError
from edgeseq.runtime.golden import Trace, read_trace, trace_of, write_trace
from edgeseq.runtime.npz import read_npz
from edgeseq.sealing import sidecar_of
from tests.fuzz.bases import write_bases

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases")
    write_bases(folder, exported=False)
    return folder


@pytest.fixture
def path(bases: Path, tmp_path: Path) -> Path:
    for item in (bases / "gru").iterdir():
        (tmp_path / item.name).write_bytes(item.read_bytes())
    return tmp_path / "m.onnx"


def npy(header: str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode()
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version[0] == 1 else 4, "little") + text + content


def archive(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "array",
    [
        np.float32(3),
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.zeros((2, 0, 3), np.uint8),
        np.array([True, False]),
        np.arange(3, dtype=np.int64),
        np.ones((1,) * 20, np.float16),
    ],
    ids=lambda array: f"{array.dtype}{list(array.shape)}",
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0)], ids=str)
def test_what_numpy_writes_is_read(array: Array, version: tuple[int, int], tmp_path: Path) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), version)
    (read,) = read_npz(archive(tmp_path / "a.npz", {"a.npy": file.getvalue()}), 10_000).values()
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(read, array)


NO_ARRAYS = {
    "a terabyte": (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }\n"), "as many values"),
    "a pickle": (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", b"\x80\x04."), "of numbers"),
    "a record": (npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (), }\n", bytes(4)), "of numbers"),
    "text": (npy("{'descr': '<U9', 'fortran_order': False, 'shape': (), }\n", bytes(36)), "of numbers"),
    "a program": (npy("__import__('os').abort()"), "of numbers"),
    "a negative size": (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n"), "of numbers"),
    "no header": (b"\x93NUMPY\x01\x00\xff\xff", "of numbers"),
    "another version": (npy("{}", version=b"\x09\x00"), "an entry is not an array"),
    "nothing": (b"", "an entry is not an array"),
    "a value short": (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", bytes(7)), "as many values"),
}


@pytest.mark.parametrize("case", NO_ARRAYS)
def test_what_is_no_array_of_numbers_is_refused(case: str, tmp_path: Path) -> None:
    content, message = NO_ARRAYS[case]
    with pytest.raises(ValueError, match=message):
        read_npz(archive(tmp_path / "a.npz", {"a.npy": content}), 10_000)


def test_archives_that_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "a.npz"
    with pytest.raises(ValueError, match="an entry is compressed"):
        read_npz(archive(place, {"a.npy": bytes(9000)}, zipfile.ZIP_DEFLATED), 10_000)
    with pytest.raises(ValueError, match="it has 9108 bytes, more than 1000"):
        read_npz(archive(place, {"a.npy": bytes(9000)}), 1000)
    with pytest.raises(ValueError, match="it has 5000 entries, more than 4096"):
        read_npz(archive(place, {f"{index}": b"" for index in range(5000)}), 10**6)
    place.write_bytes(archive(place, {"a.npy": b"", "b.npy": b""}).read_bytes().replace(b"b.npy", b"a.npy"))
    with pytest.raises(ValueError, match="an entry stands in it twice"):
        read_npz(place, 10_000)
    archive(place, {"a" * 5000: b""})
    place.write_bytes(place.read_bytes().replace(b"aaa", b"bbb", 1))
    with pytest.raises(ValueError, match=r"^it is not a whole archive: File name in directory .{1,200}$"):
        read_npz(place, 20_000)
    lying = bytearray(archive(place, {"a.npy": bytes(100)}).read_bytes())
    at = lying.find(b"PK\x01\x02")
    # The compressed and the plain size in the list at the end: zipfile makes room for two gigabytes of the first alone.
    for field, message in ((20, "an entry is compressed"), (24, "its entries are larger than itself")):
        lying[at + field : at + field + 4] = (2**32 - 2).to_bytes(4, "little")
        place.write_bytes(lying)
        with pytest.raises(ValueError, match=message):
            read_npz(place, 10_000)


def head(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update(changes)


#: What stands in the JSON of a trace, and what is said of it.
HEADS = {
    "an axis of a billion": (head(every={"y": [10**9, 2]}), "what it keeps of 'y' is broken"),
    "a negative axis": (head(every={"y": [-1, 2]}), "what it keeps of 'y' is broken"),
    "a step of nothing": (head(every={"y": [2, 0]}), "what it keeps of 'y' is broken"),
    "half a place": (head(every={"y": [2]}), "what it keeps of 'y' is broken"),
    "an output that is not there": (head(every={"z": [0, 1]}), "what it keeps of 'z' is broken"),
    "no list of chunks": (head(chunks="12"), "its chunks are not numbers from 1"),
    "no chunks": (head(chunks=[]), "its chunks are not numbers from 1"),
    "half a chunk": (head(chunks=[1.5]), "its chunks are not numbers from 1"),
    "a tolerance below nothing": (head(rtol=-1), "its digest or its rtol is broken"),
    "a tolerance that is a word": (head(rtol="1"), "its digest or its rtol is broken"),
    "a digest that is none": (head(digest=None), "its digest or its rtol is broken"),
    "a later version": (head(version=2), "it is not edgeseq.golden 1"),
}


@pytest.mark.parametrize("case", HEADS)
def test_heads_that_are_refused(case: str, path: Path) -> None:
    change, message = HEADS[case]
    arrays = dict(np.load(trace_of(path)))
    document = json.loads(arrays["trace"].tobytes())
    change(document)
    arrays["trace"] = np.frombuffer(json.dumps(document).encode(), np.uint8)
    np.savez(trace_of(path), **arrays)
    with pytest.raises(ModelFileError) as caught:
        runtime.replay(path)
    assert str(caught.value) == (
        f"cannot read the golden trace at {trace_of(path)}: {message}. Export the model again."
    )


@pytest.mark.parametrize(
    "allowed",
    [np.full((1, 1, 1), np.nan), np.full((1, 1, 1), np.inf), np.full((1, 1, 1), -1.0), np.ones(1), np.ones((1, 5, 1))],
    ids=["nan", "infinite", "negative", "rank", "shape"],
)
def test_what_is_allowed_must_be_a_tolerance(allowed: Array, path: Path) -> None:
    """With NaN allowed, nothing would ever be too far off."""
    trace = read_trace(trace_of(path))
    write_trace(trace_of(path), replace(trace, allowed={"y": allowed}))
    with pytest.raises(ModelFileError, match="what it allows for 'y' is broken"):
        read_trace(trace_of(path))


def changed(**parts: Any) -> Callable[[Trace], Trace]:
    return lambda trace: replace(trace, **parts)


#: Traces that are whole but do not fit the model.
UNFIT = {
    "an axis too few": (changed(inputs={"x": np.zeros(12, np.float32)}), "another shape of x than its chunks"),
    "frames too few": (changed(inputs={"x": np.zeros((1, 3, 4), np.float32)}), "another shape of x than its chunks"),
    "chunks too many": (changed(chunks=(12, 10**18)), "another shape of x than its chunks"),
    "another input": (changed(inputs={"z": np.zeros((1, 12, 4), np.float32)}), "other inputs or outputs"),
    "another dtype": (changed(inputs={"x": np.zeros((1, 12, 4))}), "x has the wrong dtype"),
    "an output of words": (changed(outputs={"y": np.zeros((1, 12, 8), np.int64)}), "another dtype or shape"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_traces_that_do_not_fit(case: str, path: Path) -> None:
    change, message = UNFIT[case]
    trace = change(read_trace(trace_of(path)))
    write_trace(trace_of(path), trace)
    with pytest.raises(EdgeseqError, match=message):
        runtime.replay(path)


def test_an_infinite_tolerance_hides_nothing_finite(path: Path) -> None:
    """The largest rtol times a large output overflows to infinity: that is no NaN, and hides no other place."""
    trace = read_trace(trace_of(path))
    values = trace.outputs["y"].copy()
    values[0, 0, 0], values[0, 3, 0] = 3e38, np.inf
    write_trace(trace_of(path), replace(trace, outputs={"y": values}, rtol=1e300))
    assert runtime.replay(path).outputs["y"].place == (0, 3, 0)


def test_a_sidecar_in_another_encoding_or_said_twice(path: Path) -> None:
    text = runtime.load(path).contract.to_json()
    for content in (text.encode("utf-16"), text.replace("{", '{"format": "x", ', 1).encode()):
        sidecar_of(path).write_bytes(content)
        with pytest.raises(ContractError, match=r"^cannot read the contract beside the model at "):
            runtime.load(path)
    sidecar_of(path).write_text(text)
    runtime.load(path)
