"""ONNX files that try to be read as one thing and run as another, or to make the reader work too hard."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from edgeseq import runtime
from edgeseq.errors import ModelFileError
from edgeseq.modelfile import read_model_file
from edgeseq.wire import varint
from tests import handmade


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(handmade.gru().save(tmp_path / "m.onnx"))


def longer(value: int, size: int) -> bytes:
    """A varint of more bytes than it needs."""
    encoded = bytearray(varint(value))
    encoded[-1] |= 0x80
    return bytes(encoded) + b"\x80" * (size - len(encoded) - 1) + b"\x00"


#: A field 7, a graph, under tags and sizes that protobuf cuts to 32 bits or does not read.
HIDDEN = {
    "tag beyond 32 bits": varint((7 << 3 | 2) + (1 << 32)),
    "tag beyond 35 bits": varint((7 << 3 | 2) + (1 << 35)),
    "tag of six bytes": longer(7 << 3 | 2, 6),
    "tag of ten bytes": longer(7 << 3 | 2, 10),
}


def graph_of_one_weight() -> bytes:
    """A graph that protobuf would merge into the model's own."""
    return bytes(onnx.GraphProto(initializer=[onnx.helper.make_tensor("hidden", 1, [1], [7.0])]).SerializeToString())


@pytest.mark.parametrize("tag", HIDDEN)
def test_a_graph_hidden_behind_an_odd_tag_is_refused(tag: str, path: Path) -> None:
    """onnxruntime 1.31.1 takes the first of these for more of the graph, and the digest would not have seen it."""
    graph = graph_of_one_weight()
    path.write_bytes(path.read_bytes() + HIDDEN[tag] + varint(len(graph)) + graph)
    with pytest.raises(ModelFileError, match=r"^cannot load the model at .*: it is not a whole ONNX file: "):
        read_model_file(path)


def test_a_size_of_many_bytes_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes() + varint(14 << 3 | 2) + longer(0, 6))
    with pytest.raises(ModelFileError, match=r"a number at byte .* has no end"):
        read_model_file(path)


def test_two_graphs_are_refused(path: Path) -> None:
    graph = graph_of_one_weight()
    path.write_bytes(path.read_bytes() + varint(7 << 3 | 2) + varint(len(graph)) + graph)
    with pytest.raises(ModelFileError, match="it does not hold one graph"):
        read_model_file(path)


def test_a_model_of_countless_fields_is_refused(path: Path) -> None:
    """Two bytes each in the file, a hundred and more each in a list of them."""
    path.write_bytes(path.read_bytes() + b"\x28\x01" * 70_000)
    with pytest.raises(ModelFileError, match="it has more than 65536 parts"):
        runtime.load(path)


@pytest.mark.parametrize("location", ["*/_ORT_MEM_ADDR_/*", "m?.data", "m.data:stream", '"m.data"', "a|b", "<in>"])
def test_places_that_are_no_files_are_refused(location: str, path: Path) -> None:
    """The first is onnxruntime's own name for an address in memory; the others mean something to Windows."""
    (path.parent / Path(location).parent).mkdir(parents=True, exist_ok=True)
    (path.parent / location).write_bytes(bytes(10_000))
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        onnx.external_data_helper.set_external_data(tensor, location, 4096, len(tensor.raw_data))
        tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=r"^the model names data outside its folder at "):
        runtime.load(path)


#: What stands in a tensor's external_data beside its location, and what is said of it.
PLACES = {
    "two locations": ([("location", "m.data")], "a tensor has two values for 'location'"),
    "two offsets": ([("offset", "0"), ("offset", "8")], "a tensor has two values for 'offset'"),
    "an offset below nothing": ([("offset", "-4096")], "a tensor has no valid place in 'm.data'"),
    "a length in hexadecimal": ([("length", "0x10")], "a tensor has no valid place in 'm.data'"),
    "a length in other digits": ([("length", "\u0663")], "a tensor has no valid place in 'm.data'"),
    "a length of many digits": ([("length", "9" * 5000)], "a tensor has no valid place in 'm.data'"),
    "an offset beyond the end": ([("offset", "10001")], "is cut short"),
    "both together beyond the end": ([("offset", "6000"), ("length", "6000")], "is cut short"),
    "64 bits that wrap around": ([("offset", str(2**63 - 1)), ("length", str(2**63 - 1))], "no valid place"),
}


@pytest.mark.parametrize("case", PLACES)
def test_places_in_the_weights_are_checked(case: str, path: Path) -> None:
    entries, message = PLACES[case]
    path.with_name("m.data").write_bytes(bytes(10_000))
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in [("location", "m.data"), *entries]:
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=message):
        runtime.load(path)
