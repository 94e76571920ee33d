"""The code on the page ``docs/contract.md`` steps a file as the runtime does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from edgeseq import runtime
from edgeseq.contract import METADATA_KEY, Contract, resolve_shape
from tests import handmade

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
        {"kind": "conditioning", "shape": None, "base64": None, "value": None, "port": "h1", "index": 1},
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
