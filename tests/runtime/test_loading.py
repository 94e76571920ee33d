"""Files that cannot be loaded: what each of them is told."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import onnx
import pytest

from edgeseq import runtime
from edgeseq.contract import METADATA_KEY, Chunk, Contract, Initial, Length, Port, State
from edgeseq.errors import ContractError, EdgeseqError, ModelFileError, ProviderError, UsageError
from edgeseq.runtime import engine
from tests import handmade


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(handmade.gru().save(tmp_path / "m.onnx"))


def refusal(error: type[EdgeseqError], path: Any, **arguments: Any) -> str:
    with pytest.raises(error) as caught:
        runtime.load(path, **arguments)
    return str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "no.onnx"
    assert refusal(ModelFileError, path) == f"there is no file at {str(path)!r}. Check the path."
    assert "there is no file" in refusal(ModelFileError, "a\0b")


def test_a_folder(tmp_path: Path) -> None:
    assert refusal(ModelFileError, tmp_path) == f"cannot load a folder at {tmp_path}. Name the .onnx file in it."


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "e.onnx").touch()
    assert refusal(ModelFileError, tmp_path / "e.onnx").startswith("the file is empty at ")


@pytest.mark.parametrize("content", [b"hello, world", b"\x00" * 100, b"PK\x03\x04" + b"x" * 50])
def test_a_file_that_is_not_onnx(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    assert refusal(EdgeseqError, tmp_path / "x.onnx").startswith("cannot load the model at ")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    message = refusal(EdgeseqError, path)
    assert re.match("cannot load the model|the file carries no contract", message), message


def test_a_name_that_is_not_text(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"h.next", b"\xffnext"))
    assert refusal(ModelFileError, path).startswith("cannot load the model at ")


def test_no_path_at_all() -> None:
    assert refusal(UsageError, 3) == "path must be a str or a Path (got int)."


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs permissions")
def test_a_file_that_may_not_be_read(path: Path) -> None:
    path.chmod(0)
    assert refusal(ModelFileError, path).startswith("the file may not be read at ")


def test_a_file_without_contract(path: Path) -> None:
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    assert refusal(ContractError, path) == (
        f"the file carries no contract at {path}: its metadata has no entry 'edgeseq.contract'. "
        "Export the model with edgeseq: edgeseq export MODEL --input ... -o m.onnx; or, if its states are inputs and "
        "outputs already, give it a contract: edgeseq adopt FILE."
    )


def test_a_broken_contract_names_the_file(path: Path) -> None:
    model = onnx.load(path)
    model.metadata_props[0].value = "{"
    onnx.save(model, path)
    assert refusal(ContractError, path).startswith(f"cannot read the contract at {path}, metadata {METADATA_KEY}")


def _port(name: str, **changes: Any) -> Callable[[Contract], Contract]:
    def change(contract: Contract) -> Contract:
        ports = tuple(replace(port, **changes) if port.name == name else port for port in contract.ports)
        return replace(contract, ports=ports)

    return change


def _state(**changes: Any) -> Callable[[Contract], Contract]:
    return lambda contract: replace(contract, states=(replace(contract.states[0], **changes),))


def _more_ports(*ports: Port) -> Callable[[Contract], Contract]:
    return lambda contract: replace(contract, ports=contract.ports + ports)


DISAGREE: dict[str, tuple[Callable[[Contract], Contract], str]] = {
    "input the graph lacks": (
        _more_ports(Port("z", "frame", "float32", ("batch", "time"), time_axis=1)),
        "the contract names inputs that the graph lacks: z",
    ),
    "output the graph lacks": (
        _more_ports(Port("z", "output", "float32", ("batch", 3))),
        "the contract names outputs that the graph lacks: z",
    ),
    "conditioning the graph lacks": (
        _more_ports(Port("z", "conditioning", "float32", ("batch", 3))),
        "the contract names inputs that the graph lacks: z",
    ),
    "state left out": (
        lambda contract: replace(contract, states=()),
        "the graph has inputs that the contract does not name: h",
    ),
    "state of another name": (
        _state(output="g"),
        "the contract names outputs that the graph lacks: g",
    ),
    "dtype": (_port("x", dtype="float64"), "input x has another dtype (got float32, wanted float64)"),
    "state dtype": (_state(dtype="int64"), "input h has another dtype (got float32, wanted int64)"),
    "rank": (_port("x", shape=("batch", "time")), "input x has another rank (got 3, wanted 2)"),
    "size": (
        _port("x", shape=("batch", "time", 5)),
        "input x has another shape (got [batch, time, 4], wanted [batch, time, 5])",
    ),
    "output size": (
        _port("y", shape=("batch", "time", 9)),
        "output y has another shape (got [batch, time, 8], wanted [batch, time, 9])",
    ),
    "axis of no known size": (
        _state(shape=(1, "batch", "length")),
        "input h has another shape (got [1, batch, 8], wanted [1, batch, length])",
    ),
    "time axis": (_port("x", time_axis=0), "the time axis of x is not called time (got [batch, time, 4])"),
    "overlap": (_port("y", overlap=3), "y overlaps a previous call, and has none (got overlap 3)"),
    "ratio": (
        _port("y", ratio=Fraction(1, 2), length=Length(2, 1, (0, 0))),
        "y has no whole number of frames in a chunk (got ratio 1/2)",
    ),
}


@pytest.mark.parametrize("case", DISAGREE)
def test_contract_and_graph_disagree(tmp_path: Path, case: str) -> None:
    change, message = DISAGREE[case]
    made = handmade.gru()
    path = made.save(tmp_path / "m.onnx", change(made.contract))
    assert refusal(ContractError, path) == (
        f"contract and graph disagree at {path}: {message}. Export the model again; do not edit one without the other."
    )


INITIAL: dict[str, tuple[Initial, str]] = {
    "shape": (Initial("data", shape=(1, 1, 3), base64="AAAAAAAAAAAAAAAA"), "got shape [1, 1, 3]"),
    "length": (Initial("data", shape=(1, 1, 8), base64="AAAA"), "buffer size must be a multiple of element size"),
    "not base64": (Initial("data", shape=(1, 1, 8), base64="?"), "Only base64 data is allowed"),
}


@pytest.mark.parametrize("case", INITIAL)
def test_an_initial_value_must_fill_its_state(tmp_path: Path, case: str) -> None:
    made = handmade.gru()
    initial, message = INITIAL[case]
    path = made.save(tmp_path / "m.onnx", _state(initial=initial)(made.contract))
    text = refusal(ContractError, path)
    assert text.startswith("broken contract at states, h.initial")
    assert message in text


def test_inline_data_is_repeated_along_the_batch(tmp_path: Path) -> None:
    """float32 1.0 in base64, little-endian, for every unit: a GRU that starts at 1."""
    made = handmade.gru(hidden=1)
    data = Initial("data", shape=(1, 1, 1), base64="AACAPw==")
    started = made.save(tmp_path / "a.onnx", _state(initial=data)(made.contract))
    filled = made.save(tmp_path / "b.onnx", _state(initial=Initial("fill", value=1.0))(made.contract))
    x = handmade._floats(0, 2, 3, 4)
    answers = [runtime.load(path).stream(batch=2).step(x) for path in (started, filled)]
    assert str(answers[0]) == str(answers[1])


def test_a_graph_with_fixed_batch_is_refused(tmp_path: Path) -> None:
    made = handmade.embedding()
    fixed = replace(made, graph=made.graph.replace("int64[batch,time] tokens", "int64[1,time] tokens"))
    assert "input tokens has another shape (got [1, time], wanted [batch, time])" in refusal(
        ContractError, fixed.save(tmp_path / "m.onnx")
    )


def test_an_older_onnxruntime_is_refused(tmp_path: Path) -> None:
    made = handmade.embedding().with_contract(onnxruntime=">=999.0")
    message = refusal(ProviderError, made.save(tmp_path / "m.onnx"))
    assert message.startswith("onnxruntime is too old for this file (got ")
    odd = handmade.embedding().with_contract(onnxruntime="new")
    assert "contract.onnxruntime" in refusal(ContractError, odd.save(tmp_path / "n.onnx"))


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:0", "", None, 0])
def test_an_unknown_device(path: Path, device: Any) -> None:
    assert refusal(UsageError, path, device=device).startswith(f"unknown device (got {device!r}, wanted 'cpu'")


def test_an_absent_device(path: Path) -> None:
    if "CUDAExecutionProvider" in engine.onnxruntime().get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    message = refusal(ProviderError, path, device="cuda:0")
    assert message.startswith("device cuda:0 is not available: this onnxruntime has no CUDAExecutionProvider")
    assert "pip install 'edgeseq[gpu]'" in message


@pytest.mark.parametrize("threads", [0, -1, 1.0, "2", True])
def test_threads_is_a_count(path: Path, threads: Any) -> None:
    assert refusal(UsageError, path, threads=threads).startswith("threads must be a whole number from 1")


def test_more_threads_give_the_same(path: Path) -> None:
    x = handmade._floats(0, 1, 3, 4)
    one, two = (runtime.load(path, threads=threads).stream().step(x) for threads in (1, 2))
    assert str(one) == str(two)


def test_a_call_of_no_known_size(tmp_path: Path) -> None:
    """A chunk limit below the multiple would make a call of no frames: the contract refuses it."""
    made = handmade.strided_conv()
    contract = replace(made.contract, chunk=Chunk(multiple=2, max=1))
    assert "broken contract" in refusal(ContractError, made.save(tmp_path / "m.onnx", contract))


def test_a_state_of_size_zero_is_refused(tmp_path: Path) -> None:
    """onnxruntime aborts the process on tensors without elements."""
    graph = """empty (float[batch,time,1] x, float[batch,0] s) => (float[batch,time,1] y, float[batch,0] "s.next") {
        y = Identity(x)
        "s.next" = Identity(s)
    }"""
    frame = Port("x", "frame", "float32", ("batch", "time", 1), time_axis=1)
    made = handmade.Handmade(
        graph,
        {},
        Contract(
            ports=(frame, replace(frame, name="y", role="output", length=Length())),
            states=(State("s", "s", "s.next", "conv", "float32", ("batch", 0)),),
        ),
        lambda x: (x,),
    )
    assert "state s has an axis of size 0 (got [batch, 0])" in refusal(ContractError, made.save(tmp_path / "m.onnx"))
