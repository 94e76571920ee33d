"""What is said about contracts that are broken, and that the schema refuses them too."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from edgeseq.contract import Contract
from edgeseq.errors import ContractError
from tests.golden.contracts import ATTENTION, LOOKAHEAD, TRANSLATION
from tests.test_contract import VALIDATOR

DROP = object()

#: Where in a golden contract, what is put there (DROP: nothing), what the reader says after "broken contract at ".
BROKEN: list[tuple[Contract, str, Any, str]] = [
    (ATTENTION, "format", "onnx", "contract.format (got 'onnx', wanted 'edgeseq.contract')."),
    (ATTENTION, "version", 0, "contract.version (got 0, wanted an integer from 1)."),
    (ATTENTION, "ports", {}, "contract.ports (got {}, wanted a list)."),
    (ATTENTION, "ports.0", 3, "contract.ports[0] (got 3, wanted an object)."),
    (ATTENTION, "ports.0.name", "", "contract.ports[0].name (got '', wanted a non-empty string)."),
    (
        ATTENTION,
        "ports.0.role",
        "input",
        "contract.ports[0].role (got 'input', wanted one of conditioning, constant, control, frame, output).",
    ),
    (
        ATTENTION,
        "ports.0.dtype",
        "float",
        "contract.ports[0].dtype (got 'float', wanted one of bool, float16, float32, float64, int16, int32, int64, "
        "int8, uint16, uint32, uint64, uint8).",
    ),
    (
        ATTENTION,
        "ports.0.shape",
        ["batch", -1],
        "contract.ports[0].shape (got ['batch', -1], wanted a list of sizes and axis names such as "
        '["batch", "time", 64]).',
    ),
    (
        ATTENTION,
        "ports.0.shape",
        DROP,
        'contract.ports[0].shape (got None, wanted a list of sizes and axis names such as ["batch", "time", 64]).',
    ),
    (
        ATTENTION,
        "ports.0.time_axis",
        None,
        "contract.ports[0].time_axis (got None, wanted the axis along which frames arrive).",
    ),
    (
        ATTENTION,
        "ports.0.ratio",
        "0",
        'contract.ports[0].ratio (got \'0\', wanted a positive ratio such as "1" or "3/2").',
    ),
    (ATTENTION, "rules", [], "contract.rules (got [], wanted an object of non-empty strings)."),
    (
        ATTENTION,
        "rules",
        {"mylib::scan": ""},
        "contract.rules (got {'mylib::scan': ''}, wanted an object of non-empty strings).",
    ),
    (ATTENTION, "ports.0.delay", True, "contract.ports[0].delay (got True, wanted an integer from 0)."),
    (ATTENTION, "ports.0.range", [0], "contract.ports[0].range (got [0], wanted two numbers or null)."),
    (
        ATTENTION,
        "ports.4.length",
        None,
        "contract.ports[4].length (got None, wanted a length exactly where the output has a time axis).",
    ),
    (
        LOOKAHEAD,
        "ports.3.length.at",
        [0, "1"],
        "contract.ports[3].length.at (got [0, '1'], wanted a list of 2 integers or nulls).",
    ),
    (LOOKAHEAD, "ports.1.control", "clock", "contract.ports[1].control (got 'clock', wanted 'remaining')."),
    (
        ATTENTION,
        "states.0.kind",
        "cache",
        "contract.states[0].kind (got 'cache', wanted one of conv, delay, kv, position, recurrent, summary).",
    ),
    (ATTENTION, "states.0.start", -1, "contract.states[0].start (got -1, wanted an integer from 0)."),
    (ATTENTION, "states.0.in_place", 1, "contract.states[0].in_place (got 1, wanted true or false)."),
    (
        ATTENTION,
        "states.0.initial.kind",
        "random",
        "contract.states[0].initial.kind (got 'random', wanted one of conditioning, data, fill, prologue, zeros).",
    ),
    *(
        (
            TRANSLATION,
            "prologue.file",
            name,
            f"contract.prologue.file (got {name!r}, wanted the name of an .onnx file in the model's own folder).",
        )
        for name in (
            "../m.onnx",
            "/m.onnx",
            "a/b.onnx",
            "a\\b.onnx",
            "c:m.onnx",
            ".onnx",
            "..onnx",
            "m.bin",
            "a\t.onnx",
        )
        if name.isprintable()
    ),
    (
        TRANSLATION,
        "prologue.inputs",
        [],
        "contract.prologue.inputs (got [], wanted at least one name, none twice, of at most 1024 characters).",
    ),
    (
        TRANSLATION,
        "prologue.outputs",
        ["bridge.value", 3],
        "contract.prologue.outputs (got ['bridge.value', 3], wanted a list of names).",
    ),
    (TRANSLATION, "prologue", 3, "contract.prologue (got 3, wanted an object)."),
    (TRANSLATION, "version", 1, "contract.version (got 1, wanted 2, since there is a prologue)."),
    (ATTENTION, "states.4.initial.index", -1, "contract.states[4].initial.index (got -1, wanted an integer from 0)."),
    (LOOKAHEAD, "states.3.initial.value", None, "contract.states[3].initial.value (got None, wanted a number)."),
    (
        LOOKAHEAD,
        "states.1.initial.shape",
        ["batch"],
        "contract.states[1].initial.shape (got ['batch'], wanted a list of sizes).",
    ),
    (ATTENTION, "chunk", DROP, "contract.chunk (got None, wanted an object)."),
    (ATTENTION, "chunk.multiple", 0, "contract.chunk.multiple (got 0, wanted an integer from 1)."),
    (ATTENTION, "max_context", 0, "contract.max_context (got 0, wanted an integer from 1)."),
    (ATTENTION, "frame_period", "8ms", "contract.frame_period (got '8ms', wanted a number or null)."),
    (ATTENTION, "frame_period", 0, "contract.frame_period (got 0, wanted from 1e-09 to 1e+09 seconds, or null)."),
    (
        ATTENTION,
        "frame_period",
        10**400,
        f"contract.frame_period (got {str(10**400)[:57]}..., wanted from 1e-09 to 1e+09 seconds, or null).",
    ),
    (ATTENTION, "mode", "exact", "contract.mode (got 'exact', wanted an object)."),
    (
        ATTENTION,
        "ports.0.name",
        "x" * 1025,
        f"contract.ports[0].name (got '{'x' * 56}..., wanted at most 1024 characters).",
    ),
    (
        ATTENTION,
        "rules",
        {"mylib::scan": "x" * 1025},
        "contract.rules (got {'mylib::scan': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..., wanted at most 1024 "
        "characters each).",
    ),
    (
        ATTENTION,
        "ports.0.shape",
        ["9999999999*batch", "time"],
        "contract.ports[0].shape (got ['9999999999*batch', 'time'], wanted a list of sizes and axis names such as "
        '["batch", "time", 64]).',
    ),
    (
        ATTENTION,
        "ports.0.shape",
        ["batch", "t" * 101],
        f"contract.ports[0].shape (got ['batch', '{'t' * 46}..., wanted a list of sizes and axis names such as "
        '["batch", "time", 64]).',
    ),
    (
        ATTENTION,
        "ports.0.shape",
        [1] * 33,
        "contract.ports[0].shape (got [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,..., wanted at most 32 "
        "axes).",
    ),
    (
        LOOKAHEAD,
        "ports.3.length.period",
        2**18 + 1,
        "contract.ports[3].length.period (got 262145, wanted at most 262144).",
    ),
    (ATTENTION, "quantization", [], "contract.quantization (got [], wanted an object)."),
    (ATTENTION, "quantization.kind", 8, "contract.quantization.kind (got 8, wanted a non-empty string)."),
    (ATTENTION, "quantization.config", [], "contract.quantization.config (got [], wanted an object)."),
    (ATTENTION, "quantization.source", "", "contract.quantization.source (got '', wanted a non-empty string)."),
    (ATTENTION, "quantization.one_frame", 1, "contract.quantization.one_frame (got 1, wanted true or false)."),
    (ATTENTION, "quantization.nodes", {}, "contract.quantization.nodes (got {}, wanted a list)."),
    (ATTENTION, "quantization.nodes.0", "a", "contract.quantization.nodes[0] (got 'a', wanted an object)."),
    (
        ATTENTION,
        "quantization.nodes.0.scheme",
        DROP,
        "contract.quantization.nodes[0].scheme (got None, wanted a non-empty string).",
    ),
    (
        ATTENTION,
        "quantization.nodes.0.bytes_after",
        -1,
        "contract.quantization.nodes[0].bytes_after (got -1, wanted an integer from 0).",
    ),
    (
        ATTENTION,
        "quantization.nodes.0.snr_db",
        "40",
        "contract.quantization.nodes[0].snr_db (got '40', wanted a number or null).",
    ),
    (
        ATTENTION,
        "quantization.left.0.why",
        None,
        "contract.quantization.left[0].why (got None, wanted a non-empty string).",
    ),
    (
        ATTENTION,
        "quantization.file_bytes_after",
        1.5,
        "contract.quantization.file_bytes_after (got 1.5, wanted an integer from 0).",
    ),
    (
        ATTENTION,
        "quantization.outputs.logits",
        "good",
        "contract.quantization.outputs (got {'logits': 'good'}, wanted numbers or nulls by the name of the output).",
    ),
    (
        ATTENTION,
        "quantization.long_run.windows.1",
        [10, 100],
        "contract.quantization.long_run.windows (got [[0, 10, 38.5], [10, 100]], wanted a list of [first step, step "
        "after the last, decibels or null]).",
    ),
    (
        ATTENTION,
        "quantization.long_run.verdict",
        DROP,
        "contract.quantization.long_run.verdict (got None, wanted a non-empty string).",
    ),
    (
        ATTENTION,
        "quantization.speed.float_us",
        [],
        "contract.quantization.speed.float_us (got [], wanted a list of microseconds).",
    ),
    (
        ATTENTION,
        "quantization.speed.quantized_us.0",
        -1,
        "contract.quantization.speed.quantized_us (got [-1, 6.5], wanted a list of microseconds).",
    ),
    (
        ATTENTION,
        "quantization.speed.ratio",
        -2,
        "contract.quantization.speed.ratio (got -2, wanted a number that is not negative).",
    ),
    (
        ATTENTION,
        "quantization.task.metric",
        3,
        "contract.quantization.task.metric (got 3, wanted a non-empty string).",
    ),
    (ATTENTION, "quantization.task.float", None, "contract.quantization.task.float (got None, wanted a number)."),
    (ATTENTION, "session", 2, "contract.session (got 2, wanted an object)."),
    (ATTENTION, "session.threads", 0, "contract.session.threads (got 0, wanted an integer from 1)."),
    (ATTENTION, "session.spinning", 1, "contract.session.spinning (got 1, wanted true or false)."),
    (ATTENTION, "session.machine", DROP, "contract.session.machine (got None, wanted an object)."),
    (ATTENTION, "session.machine.cpu", "", "contract.session.machine.cpu (got '', wanted a non-empty string)."),
    (ATTENTION, "session.machine.cores", DROP, "contract.session.machine.cores (got None, wanted an integer from 1)."),
    (ATTENTION, "session.minimized", None, "contract.session.minimized (got None, wanted a non-empty string)."),
    (ATTENTION, "session.measured", [], "contract.session.measured (got [], wanted an object)."),
    (ATTENTION, "onnxruntime", DROP, "contract.onnxruntime (got None, wanted a non-empty string)."),
]

#: What the schema cannot see: contradictions between fields, numbers that do not fit.
CONTRADICTORY: list[tuple[Contract, str, Any, str]] = [
    (
        ATTENTION,
        "session.threads",
        10**9,
        "contract.session.threads (got 1000000000, wanted at most the 4 cores of its machine).",
    ),
    (
        LOOKAHEAD,
        "ports.3.ratio",
        "2",
        "contract.ports[3].length (got {'period': 2, 'frames': 2, 'at': [0, None]}, wanted frames per period as in "
        "ratio, 2).",
    ),
    (ATTENTION, "ports.0.range", [2, 1], "contract.ports[0].range (got [2, 1], wanted the smaller number first)."),
    (
        ATTENTION,
        "ports.0.range",
        [0, 10**400],
        f"contract.ports[0].range (got [0, {'1' + '0' * 52}..., wanted two numbers or null).",
    ),
    (ATTENTION, "ports.0.default", 0.5, "contract.ports[0].default (got 0.5, wanted a value of dtype int64, or null)."),
    (
        ATTENTION,
        "ports.0.default",
        2**63,
        "contract.ports[0].default (got 9223372036854775808, wanted a value of dtype int64, or null).",
    ),
    (
        LOOKAHEAD,
        "states.3.initial.value",
        1e39,
        "contract.states[3].initial.value (got 1e+39, wanted a value of dtype float32, or null).",
    ),
    (
        LOOKAHEAD,
        "states.3.initial.value",
        10**400,
        f"contract.states[3].initial.value (got {str(10**400)[:57]}..., wanted a number or null).",
    ),
    (
        ATTENTION,
        "ports.0.time_axis",
        2,
        "contract.ports[0].time_axis (got 2, wanted an axis of shape ['batch', 'time']).",
    ),
    (
        LOOKAHEAD,
        "ports.3.length.at",
        [0],
        "contract.ports[3].length.at (got [0], wanted a list of 2 integers or nulls).",
    ),
    (ATTENTION, "ports.1.name", "token", "contract: names stand twice: token."),
    (ATTENTION, "states.1.name", "position", "contract: names stand twice: position."),
    (
        LOOKAHEAD,
        "states.1.start",
        3,
        "contract.states, up.history.start (got 3, wanted a multiple of chunk.multiple = 2).",
    ),
    (
        ATTENTION,
        "states.3.initial.port",
        "token",
        "contract.states, rnn.0.h.initial (got 'token', wanted the name of a conditioning port).",
    ),
    (ATTENTION, "chunk.max_batched", 1, "contract.chunk (got 1, wanted at least 2)."),
    (
        TRANSLATION,
        "prologue.inputs",
        ["tgt"],
        "contract.prologue.inputs (got 'tgt', wanted names of conditioning ports).",
    ),
    (
        TRANSLATION,
        "prologue.outputs",
        ["bridge.value"],
        "contract, encoder.value: a constant has either a default or a prologue that computes it.",
    ),
    (
        TRANSLATION,
        "prologue.outputs",
        ["bridge.value", "encoder.value", "src"],
        "contract, src: a constant has either a default or a prologue that computes it.",
    ),
    (
        TRANSLATION,
        "ports.2.default",
        0.5,
        "contract, encoder.value: a constant has either a default or a prologue that computes it.",
    ),
    (
        ATTENTION,
        "ports.3.default",
        None,
        "contract, scale: a constant has either a default or a prologue that computes it.",
    ),
    (
        TRANSLATION,
        "states.0.initial.port",
        "src",
        "contract.states, decoder.h.initial (got 'src', wanted one of the prologue's outputs).",
    ),
]


def broken(contract: Contract, where: str, value: Any) -> dict[str, Any]:
    """The contract's document with one place changed."""
    document: dict[str, Any] = copy.deepcopy(json.loads(contract.to_json()))
    *path, last = [int(word) if word.isdigit() else word for word in where.split(".")]
    place: Any = document
    for word in path:
        place = place[word]
    if value is DROP:
        del place[last]
    else:
        place[last] = value
    return document


def identify(case: Any) -> str:
    return "DROP" if case is DROP else str(case) if isinstance(case, str) and len(case) < 30 else ""


@pytest.mark.parametrize(("contract", "where", "value", "message"), [*BROKEN, *CONTRADICTORY], ids=identify)
def test_reader_refuses(contract: Contract, where: str, value: Any, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        Contract.from_json(json.dumps(broken(contract, where, value)))
    assert str(caught.value) == f"broken contract at {message}"


@pytest.mark.parametrize(("contract", "where", "value"), [case[:3] for case in BROKEN], ids=identify)
def test_schema_refuses_too(contract: Contract, where: str, value: Any) -> None:
    assert not VALIDATOR.is_valid(broken(contract, where, value))


@pytest.mark.parametrize("role", ["frame", "output"])
def test_both_ends_are_needed(role: str) -> None:
    document = json.loads(ATTENTION.to_json())
    document["ports"] = [port for port in document["ports"] if port["role"] != role]
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(ContractError, match=f"wanted at least one port with role '{role}'"):
        Contract.from_json(json.dumps(document))


def test_a_newer_version_is_refused_with_the_remedy() -> None:
    document = broken(ATTENTION, "version", 3)
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(ContractError) as caught:
        Contract.from_json(json.dumps(document), where="m.onnx")
    assert str(caught.value) == (
        "contract is newer than this edgeseq at m.onnx (got version 3, wanted version 2 or older). "
        "Update edgeseq, or export the file again with this version."
    )


@pytest.mark.parametrize("text", ["", "{", "nul", "[" * 100_000])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match=r"^cannot read the contract at m[.]onnx: it is not JSON: "):
        Contract.from_json(text, where="m.onnx")


@pytest.mark.parametrize("text", ["null", "3", "[]", '"edgeseq.contract"'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match=r"^broken contract at contract \(got .*wanted an object\)"):
        Contract.from_json(text)
