"""The code on the page ``docs/contract.md`` steps a file as the runtime does, and passes its golden trace."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

import edgeseq
from edgeseq import runtime
from edgeseq.contract import METADATA_KEY, Contract, resolve_shape
from edgeseq.runtime.golden import read_trace, trace_of, write_trace
from tests import handmade
from tests.models import BY_ID

Array = npt.NDArray[Any]
Feeds = dict[str, Array]

PAGE = Path(__file__).parent.parent / "docs" / "contract.md"


def page_code() -> dict[str, Any]:
    """What the page's Python defines."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def runner(path: str) -> tuple[dict[str, Any], Callable[[Feeds], Feeds]]:
    """The contract of a file as plain JSON, and the function ``run`` of the page."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = [value.name for value in session.get_inputs()]
    outputs = [value.name for value in session.get_outputs()]

    def run(feeds: Feeds) -> Feeds:
        values = session.run(outputs, {name: feeds[name] for name in inputs})
        return dict(zip(outputs, values, strict=True))

    return json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY]), run


def prologue(path: str, contract: dict[str, Any]) -> Callable[[Feeds], Feeds] | None:
    """The same for the second graph, where the contract names one."""
    if contract["prologue"] is None:
        return None
    file = Path(path).parent / contract["prologue"]["file"]
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = contract["prologue"]["outputs"]
    return lambda feeds: dict(
        zip(names, session.run(names, {name: feeds[name] for name in contract["prologue"]["inputs"]}), strict=True)
    )


def frames(contract: Contract, total: int, batch: int) -> Feeds:
    """Random frames for every frame port."""
    random = np.random.default_rng(7)
    arrays = {}
    for port in contract.with_role("frame"):
        shape = resolve_shape(port.shape, {"batch": batch, "time": int(total * port.ratio)})
        values = random.integers(0, 5, shape) if port.dtype == "int64" else random.standard_normal(shape)
        arrays[port.name] = values.astype(port.dtype)
    return arrays


def from_runtime(path: str, inputs: Feeds, conditioning: Feeds, batch: int) -> Feeds:
    """What a stream of the runtime gives for the same."""
    model = runtime.load(path)
    given = {name: array for name, array in conditioning.items() if name in {p.name for p in model.contract.ports}}
    stream = model.stream(batch=batch, conditioning=given or None)
    outputs = model.contract.with_role("output")

    def by_name(answer: Any) -> Feeds:
        return answer if isinstance(answer, dict) else {outputs[0].name: answer}

    first, last = by_name(stream.step(inputs)), by_name(stream.flush())
    return {
        port.name: last[port.name]
        if port.time_axis is None
        else np.concatenate([first[port.name], last[port.name]], port.time_axis)
        for port in outputs
    }


@pytest.mark.parametrize("total", [1, 2, 7])
@pytest.mark.parametrize(
    "make",
    [
        handmade.gru,
        handmade.causal_conv,
        handmade.left_context,
        handmade.centred_conv,
        handmade.centred_conv_then_sum,
        handmade.strided_conv,
        handmade.attention,
        handmade.scaled_sum,
        handmade.embedding,
    ],
)
def test_page_steps_as_the_runtime_does(make: Callable[[], handmade.Handmade], total: int, tmp_path: Path) -> None:
    path = make().save(tmp_path / "m.onnx")
    contract, run = runner(path)
    inputs = frames(make().contract, total, batch=3)
    conditioning: Feeds = {}
    if make is handmade.scaled_sum:
        conditioning = {
            "scale": np.full((3, 2), 0.5, np.float32),
            "start": np.full(1, 2, np.float32),
            "seed": np.full((3, 2), 7, np.float32),
        }
    stepped = page_code()["stream"](contract, run, inputs, total, {"batch": 3, "capacity": 16}, conditioning)
    expected = from_runtime(path, inputs, conditioning, batch=3)
    for name, array in expected.items():
        if name not in stepped:  # no call was needed
            assert array.size == 0
            continue
        assert stepped[name].dtype == array.dtype
        np.testing.assert_allclose(stepped[name], array, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        {"kind": "data", "shape": [1, 2], "base64": "AAAAPwAAgD8=", "value": None, "port": None},
        {"kind": "fill", "shape": None, "base64": None, "value": 1.5, "port": None},
        {"kind": "conditioning", "shape": None, "base64": None, "value": None, "port": "h0"},
        {"kind": "prologue", "shape": None, "base64": None, "value": None, "port": "h1", "index": 1},
    ],
    ids=lambda value: str(value["port"] or value["kind"]),
)
def test_page_reads_initial_values(value: dict[str, Any]) -> None:
    state = {"dtype": "float32", "shape": ["2*batch", 2], "initial": value}
    start = page_code()["initial"](
        state, {"batch": 2}, {"h0": np.full((4, 2), 9, np.float32), "h1": np.eye(2, dtype=np.float32)}
    )
    rows = {"data": [0.5, 1.0], "fill": [1.5, 1.5], "h0": [9, 9], "h1": [0, 1]}
    np.testing.assert_array_equal(start, np.array([rows[value["port"] or value["kind"]]] * 4, np.float32))
    assert start.dtype == np.float32


#: A state that is given, strides with look-ahead, caches, several outputs and summaries, an input at four frames per
#: base frame, axes of the model's own, known from an input or from the prologue alone, no batch, a fixed batch.
EXPORTED = (
    "gru-with-state",
    "strided-encoder",
    "gpt",
    "multi-task",
    "vocoder",
    "masked-memory",
    "speech-translation",
    "unbatched-smoother",
    "pair",
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Exports a row of the table of models, once; the path of the file, which is only read."""

    @functools.cache
    def export(name: str) -> str:
        path = tmp_path_factory.mktemp("page") / "m.onnx"
        edgeseq.export(BY_ID[name].build(), BY_ID[name].inputs, path)
        return str(path)

    return export


@pytest.mark.parametrize("name", EXPORTED)
def test_page_passes_the_golden_trace(name: str, exported: Callable[[str], str]) -> None:
    path = exported(name)
    contract, run = runner(path)
    outputs = [port["name"] for port in contract["ports"] if port["role"] == "output"]
    assert page_code()["check"](trace_of(path), contract, run, prologue(path, contract)) == []

    def a_thousandth_louder(feeds: Feeds) -> Feeds:
        return {key: value * 1.001 if key in outputs else value for key, value in run(feeds).items()}

    found = page_code()["check"](trace_of(path), contract, a_thousandth_louder, prologue(path, contract))
    assert found == outputs


@pytest.mark.parametrize("overlap", [False, True])
def test_page_passes_the_golden_trace_of_an_adopted_file(overlap: bool, tmp_path: Path) -> None:
    made, out = handmade.left_context(4) if overlap else handmade.gru(), tmp_path / "out.onnx"
    path = made.save_bare(tmp_path / "m.onnx")
    said: dict[str, Any] = {"overlap": {"x": 2}, "axes": {"x": "batch,time,2", "y": "batch,time,2"}}
    runtime.adopt(path, out=out, **(said if overlap else {"states": {"h": "h.next"}}))
    contract, run = runner(str(out))
    assert page_code()["check"](trace_of(out), contract, run) == []
    assert page_code()["check"](trace_of(out), contract, lambda feeds: {**run(feeds), "y": 2 * run(feeds)["y"]}) == [
        "y"
    ]


def test_page_sees_what_is_off(exported: Callable[[str], str], tmp_path: Path) -> None:
    """One wrong value in one frame, NaN in place of a number, a frame too many, the trace of another file."""
    path = exported("gru-with-state")
    contract, run = runner(path)
    trace = read_trace(trace_of(path))
    name, values = next(iter(trace.outputs.items()))

    def found(output: Array, **changes: Any) -> list[str]:
        changed = replace(trace, outputs={**trace.outputs, name: output}, **changes)
        write_trace(tmp_path / "changed.npz", changed)
        return list(page_code()["check"](tmp_path / "changed.npz", contract, run))

    assert found(values) == []
    for wrong in (np.nan, np.inf, float(values.flat[7]) + 1e-3):
        changed = values.copy()
        changed.flat[7] = wrong
        assert found(changed) == [name]
    longer = np.concatenate([values, values[:, :1]], axis=1)
    assert found(longer, allowed={**trace.allowed, name: np.ones((1, 1, 1))}) == [name]
    with pytest.raises(ValueError, match="belongs to another file"):
        found(values, digest="sha256:" + "0" * 64)


def test_page_compares_infinities_and_thinned_outputs() -> None:
    near = page_code()["near"]
    odd = np.array([np.nan, np.inf, -np.inf, 1.0])
    arrays = {"outputs/y": odd, "allowed/y": np.full(1, 0.1)}
    assert near("y", odd, arrays, {"every": {}, "rtol": 0.5})
    for place in range(3):
        other = odd.copy()
        other[place] = 1.0
        assert not near("y", other, arrays, {"every": {}, "rtol": 0.5})
    wide = np.array([[1.0, 9, 2, 9, 3]])
    arrays = {"outputs/y": np.array([[1.0, 2, 3]]), "allowed/y": np.zeros((1, 1))}
    assert near("y", wide, arrays, {"every": {"y": [1, 2]}, "rtol": 0})
    assert not near("y", wide, arrays, {"every": {"y": [1, 3]}, "rtol": 0})
