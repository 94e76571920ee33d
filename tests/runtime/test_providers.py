"""Devices, providers and their options: what is refused, and in which words."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from edgeseq import runtime
from edgeseq.cli import main
from edgeseq.errors import EdgeseqError, ProviderError, UsageError
from edgeseq.runtime import cuda, devices, providers
from edgeseq.runtime.devices import CUDA, Device, find_device
from edgeseq.runtime.engine import onnxruntime
from edgeseq.runtime.opening import Opening
from tests import handmade

#: A provider of onnxruntime's ordinary wheels that takes no node of these models, as a GPU's does of some.
IDLE = "AzureExecutionProvider"
needs_idle = pytest.mark.skipif(IDLE not in onnxruntime().get_available_providers(), reason=f"needs {IDLE}")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return handmade.gru().save(tmp_path / "m.onnx")


@pytest.fixture
def gpu_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """An onnxruntime that says it has CUDA."""
    fake = SimpleNamespace(get_available_providers=lambda: [CUDA, "CPUExecutionProvider"], cuda_version="13.0")
    monkeypatch.setattr(devices, "onnxruntime", lambda: fake)
    monkeypatch.setattr(cuda, "onnxruntime", lambda: fake)
    monkeypatch.setattr("edgeseq.runtime.cuda.sys", SimpleNamespace(platform="linux"))


REFUSED: dict[str, tuple[dict[str, Any], type[EdgeseqError], str]] = {
    "options of nobody": ({"provider_options": {"a": 1}}, UsageError, "Name it with provider="),
    "no dict": ({"provider": "CPUExecutionProvider", "provider_options": "a=1"}, UsageError, "must be a dict"),
    "no plain value": ({"provider": "CPUExecutionProvider", "provider_options": {"a": []}}, UsageError, "'a': []"),
    "unknown provider": ({"provider": "NoProvider"}, ProviderError, "'NoProvider' is not available"),
    "unknown option": (
        {"provider": "CPUExecutionProvider", "provider_options": {"a": 1}},
        ProviderError,
        "CPUExecutionProvider takes no option 'a'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(path: str, case: str) -> None:
    given, kind, words = REFUSED[case]
    with pytest.raises(kind) as caught:
        runtime.load(path, **given)
    assert words in str(caught.value)


@pytest.mark.usefixtures("gpu_wheel")
def test_what_a_gpu_wheel_refuses() -> None:
    with pytest.raises(UsageError, match=r"device='cuda:0'"):
        find_device("cpu", CUDA)
    with pytest.raises(UsageError, match="device_id is said by the device"):
        find_device("cuda:0", options={"device_id": 1})


def test_providers_of_a_device() -> None:
    assert Device("cpu").providers == ["CPUExecutionProvider"]
    options = (("enable_cuda_graph", "1"), ("use_tf32", "1"))
    assert Device("cuda", 1, options=options).providers == [
        (CUDA, {"device_id": "1", "use_tf32": "1", "enable_cuda_graph": "1"}),
        "CPUExecutionProvider",
    ]
    tensorrt = Device("cuda", 1, "TensorrtExecutionProvider", (("trt_fp16_enable", "1"),))
    assert tensorrt.providers == [
        ("TensorrtExecutionProvider", {"trt_fp16_enable": "1"}),
        (CUDA, {"device_id": "1", "use_tf32": "0"}),
        "CPUExecutionProvider",
    ]
    assert Device("cuda").strict
    assert not Device("cuda", cpu_nodes=True).strict
    assert not tensorrt.strict


@needs_idle
def test_nodes_on_the_cpu_are_named(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime's own strictness, and its own list, over a provider that takes nothing."""
    idle = Device("cpu", provider=IDLE, cpu_nodes=True)
    assert providers.on_cpu(providers.open_on(idle, str(path))) == ["Transpose", "GRU", "Squeeze", "Transpose"]
    monkeypatch.setattr(Device, "strict", True)
    with pytest.raises(ProviderError) as caught:
        providers.open_on(idle, str(path))
    assert "4 nodes of this model would run on the CPU" in str(caught.value)
    assert "Transpose, GRU" in str(caught.value)
    assert "--allow-cpu-nodes" in str(caught.value)


@needs_idle
def test_a_provider_that_takes_nothing_is_no_silent_run_on_the_cpu(path: str) -> None:
    with pytest.raises(ProviderError) as caught:
        runtime.load(path, provider=IDLE)
    assert f"{IDLE} takes no node of this model at {path}: all of it would run on the CPU." in str(caught.value)
    assert runtime.load(path, provider=IDLE, allow_cpu_nodes=True).device.provider == IDLE


@needs_idle
def test_a_broken_file_is_called_so_on_every_provider(tmp_path: Path) -> None:
    whole = Path(handmade.gru().save(tmp_path / "m.onnx")).read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EdgeseqError, match="cannot load the model"):
        providers.open_on(Device("cpu", provider=IDLE), str(tmp_path / "cut.onnx"))


def test_a_session_that_fell_back_is_refused() -> None:
    session = SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])
    with pytest.raises(ProviderError, match=r"could not use cuda:0.*edgeseq\[gpu\]"):
        providers.check_used(Device("cuda"), session)


class Driver:
    """NVIDIA's driver as far as it is asked: its version, and how many GPUs there are."""

    def __init__(self, version: int, count: int) -> None:
        self._version, self._count = version, count

    def cuDriverGetVersion(self, pointer: Any) -> int:
        return self._fill(pointer, self._version)

    def cuDeviceGetCount(self, pointer: Any) -> int:
        return self._fill(pointer, self._count)

    def cuInit(self, flags: int) -> int:
        return flags

    def _fill(self, pointer: Any, value: int) -> int:
        ctypes.cast(pointer, ctypes.POINTER(ctypes.c_int))[0] = value
        return 0


MISSING: dict[str, tuple[dict[str, Any], str]] = {
    "driver": ({}, "there is no NVIDIA driver"),
    "libraries": ({"libcuda.so.1": Driver(13000, 1)}, "libraries of CUDA are missing: libcudart.so.13"),
    "newer driver": ({"libcuda.so.1": Driver(12040, 1), "libc": 1}, "the driver is too old: it takes CUDA up to 12.4"),
    "gpu": ({"libcuda.so.1": Driver(13000, 0), "libc": 1}, "the driver finds no GPU"),
    "second gpu": (
        {"libcuda.so.1": Driver(13000, 1), "libc": 1},
        "not available: the last GPU of this machine is cuda:0",
    ),
}


@pytest.mark.usefixtures("gpu_wheel")
@pytest.mark.parametrize("case", MISSING)
def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    there, words = MISSING[case]

    def library(name: str) -> Any:
        found = [value for start, value in there.items() if name.startswith(start)]
        return found[0] if found else f"{name}: cannot open shared object file"

    monkeypatch.setattr(cuda, "_library", library)
    monkeypatch.setattr(cuda, "preload", lambda: None)
    with pytest.raises(ProviderError) as caught:
        find_device("cuda:1")
    assert words in str(caught.value)
    assert "device='cpu'" in str(caught.value)


def test_the_command_line_hands_options_on(path: str) -> None:
    named = ["verify", str(path), "--allow-unverified", "--provider", "CPUExecutionProvider"]
    found = CliRunner().invoke(main, [*named, "--provider-option", "a=1"])
    assert found.exit_code == 1
    assert "takes no option 'a'" in found.output
    found = CliRunner().invoke(main, [*named, "--provider-option", "a=1", "--provider-option", "a=2"])
    assert found.exit_code == 2
    assert "stands twice" in found.output
    found = CliRunner().invoke(main, ["verify", str(path), "--model", "m:f", "--provider-option", "a=1"])
    assert found.exit_code == 2
    assert "--provider-option is for the replay" in found.output


def session_that_reads(**places: str) -> Any:
    """A session whose inputs are read in the named memories."""
    return SimpleNamespace(
        get_inputs=lambda: [SimpleNamespace(name=name) for name in places],
        get_input_memory_infos=lambda: [SimpleNamespace(name=place) for place in places.values()],
    )


def test_inputs_lie_where_the_graph_reads_them() -> None:
    """An input bound elsewhere is copied when it is bound, and what is written to it later is never seen."""
    session = session_that_reads(x="Cuda", position="Cpu")
    there, here = Device("cuda"), Device("cpu", provider="OtherExecutionProvider")
    contract: Any = SimpleNamespace()
    opening = Opening(contract, there, session, "", {}, {})
    assert opening.device_of("x") is there
    assert opening.device_of("position").kind == "cpu"
    with pytest.raises(ProviderError, match="reads its inputs in memory of its own"):
        providers._check_memory(here, session, "m.onnx")
    providers._check_memory(here, session_that_reads(x="Cpu"), "m.onnx")
