"""Frames from a device and answers left on it, over a stand-in: a device whose memory the host does not see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import NonFiniteInput, ShapeError, UsageError
from edgeseq.runtime import device_stream
from edgeseq.runtime.device_arrays import DeviceArray
from edgeseq.runtime.devices import Device, Staged
from tests import handmade


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> Device:
    monkeypatch.setattr(Device, "shares_memory", False)
    return Device("cpu")


def there(device: Device, array: Any) -> DeviceArray:
    return DeviceArray.of(device, np.ascontiguousarray(array))


MADE = {
    "gru": handmade.gru(),
    "centred_conv": handmade.centred_conv(),
    "strided_conv": handmade.strided_conv(),
    "attention": handmade.attention(),
}


def stepped(stream: Any, made: handmade.Handmade, x: Any, give: Any) -> Any:
    multiple = made.contract.chunk.multiple
    parts = [stream.step(give(x[:, i : i + multiple])) for i in range(0, x.shape[1], multiple)]
    return [*parts, stream.flush()]


@pytest.mark.parametrize("policy", ["raise", "pass"])
@pytest.mark.parametrize("name", MADE)
def test_frames_and_answers_on_the_device(tmp_path: Path, apart: Device, name: str, policy: str) -> None:
    made = MADE[name]
    features: Any = made.contract.ports[0].shape[-1]
    x = np.random.default_rng(0).standard_normal((2, 24, features)).astype(np.float32)
    model = runtime.load(made.save(tmp_path / "m.onnx"))
    wanted = stepped(model.stream(batch=2), made, x, lambda frames: frames)
    stream: Any = model.stream(batch=2, outputs="device", on_nonfinite=policy)
    for give in (lambda frames: there(apart, frames), lambda frames: frames):
        got = stepped(stream, made, x, give)
        assert {type(part) for part in got} == {DeviceArray}
        for one, other in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(one.numpy(), other)
        stream.reset()


def test_a_repeated_step_makes_no_way_by_the_host(
    tmp_path: Path, apart: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).standard_normal((2, 8, 4)).astype(np.float32)
    model = runtime.load(handmade.gru().save(tmp_path / "m.onnx"))
    wanted: Any = model.run(x)
    stream: Any = model.stream(batch=2, outputs="device", on_nonfinite="pass")
    np.testing.assert_array_equal(stream.step(there(apart, x[:, :1])).numpy(), wanted[:, :1])
    monkeypatch.setattr(device_stream, "fetched", lambda *_: pytest.fail("frames were fetched"))
    monkeypatch.setattr(Staged, "upload", lambda _: pytest.fail("frames were copied there"))
    monkeypatch.setattr(Staged, "download", lambda _: pytest.fail("answers were copied back"))
    first = stream.step(there(apart, x[:, 1:2]))
    out = there(apart, np.zeros((2, 1, 8), np.float32))
    assert stream.step(there(apart, x[:, 2:3]), out=out) is out
    np.testing.assert_allclose(first.numpy(), wanted[:, 1:2], atol=1e-6)
    np.testing.assert_allclose(out.numpy(), wanted[:, 2:3], atol=1e-6)
    np.testing.assert_array_equal(np.from_dlpack(first), first.numpy())


def test_out_on_the_device_that_does_not_fit_changes_nothing(tmp_path: Path, apart: Device) -> None:
    x = np.zeros((1, 4, 4), np.float32)
    stream: Any = runtime.load(handmade.gru().save(tmp_path / "m.onnx")).stream(on_nonfinite="pass")
    out = there(apart, np.zeros((1, 2, 8), np.float32))
    for _ in range(2):
        with pytest.raises(ShapeError, match="out for y does not fit"):
            stream.step(there(apart, x[:, :1]), out=out)
        stream.step(x[:, :1])
    assert stream.step(there(apart, x[:, 2:]), out=out) is out
    assert stream.position == 4


def test_frames_on_the_device_are_searched_where_that_is_asked_for(tmp_path: Path, apart: Device) -> None:
    x = np.zeros((1, 1, 4), np.float32)
    bad = there(apart, np.full_like(x, np.nan))
    model = runtime.load(handmade.gru().save(tmp_path / "m.onnx"))
    stream: Any = model.stream()
    stream.step(there(apart, x))
    with pytest.raises(NonFiniteInput):
        stream.step(bad)
    assert stream.position == 1


def test_several_outputs_and_a_summary(tmp_path: Path, apart: Device) -> None:
    x = np.random.default_rng(0).standard_normal((1, 6, 2)).astype(np.float32)
    model = runtime.load(handmade.scaled_sum().save(tmp_path / "m.onnx"))
    given = {"scale": np.full((1, 2), 2, np.float32)}
    wanted: Any = model.run({"a": x, "b": x}, given)
    stream: Any = model.stream(conditioning=given, outputs="device", on_nonfinite="pass")
    answers = [stream.step(a=there(apart, x[:, i : i + 1]), b=x[:, i : i + 1]) for i in range(6)]
    np.testing.assert_allclose(np.concatenate([a["y"].numpy() for a in answers], 1), wanted["y"], rtol=1e-6)
    np.testing.assert_allclose(answers[-1]["sum"].numpy(), wanted["sum"], rtol=1e-6)
    np.testing.assert_allclose(stream.flush()["sum"].numpy(), wanted["sum"], rtol=1e-6)


def test_forks_and_snapshots_stay_on_the_device(tmp_path: Path, apart: Device) -> None:
    x = np.random.default_rng(0).standard_normal((1, 6, 4)).astype(np.float32)
    model = runtime.load(handmade.gru().save(tmp_path / "m.onnx"))
    stream: Any = model.stream(outputs="device")
    stream.step(x[:, :3])
    here, twin = stream.snapshot(), stream.fork()
    one = stream.step(x[:, 3:])
    stream.restore(here)
    for other in (twin.step(x[:, 3:]), stream.step(x[:, 3:])):
        assert isinstance(other, DeviceArray)
        np.testing.assert_array_equal(other.numpy(), one.numpy())


def test_the_cpu_has_no_outputs_on_a_device(tmp_path: Path) -> None:
    model = runtime.load(handmade.gru().save(tmp_path / "m.onnx"))
    with pytest.raises(UsageError, match="those of a GPU"):
        model.stream(outputs="device")
    with pytest.raises(UsageError, match="unknown outputs"):
        model.stream(outputs="gpu")
