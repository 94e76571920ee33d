"""The checks on a GPU, each a function that raises AssertionError where something is not as it has to be.

A check takes the folder with the files of ``benchmarks.gpu.files`` and returns what it saw.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.cases import DEVICE, NETWORKS, WEIGHTS
from edgeseq import runtime
from edgeseq.errors import EdgeseqError
from edgeseq.runtime.engine import onnxruntime
from edgeseq.runtime.measuring.machine import machine, versions
from edgeseq.runtime.measuring.randoms import random_frames

ROOT = Path(__file__).resolve().parent.parent.parent
#: A file of each kind for checks that need no size.
SMALL = ("gru-1x128-fp32", "lstm-1x128-fp32", "gpt-6x384-portable-fp32", "gru-1x128-fp16")
#: How far an answer may be from that of the CPU: onnxruntime's kernels add in another order.
NEAR = 1e-3

Check = Callable[[Path], dict[str, Any]]


class Skipped(Exception):
    """A check that cannot be made here, and why."""


def here(files: Path) -> dict[str, Any]:
    """The machine, its GPU and the versions."""
    asked = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False) if shutil.which(asked[0]) else None
    built = str(getattr(onnxruntime(), "cuda_version", None))
    return {
        "gpu": told.stdout.strip() if told else None,
        "machine": machine(),
        "versions": {**versions(), "onnxruntime's CUDA": built},
    }


def loads(files: Path) -> dict[str, Any]:
    """Every file, strictly and with nodes on the CPU allowed: what the strictness says is kept, word by word."""
    seen: dict[str, Any] = {}
    for name in _names(files):
        path = files / f"{name}.onnx"
        try:
            seen[name] = {"strict": str(runtime.load(path, DEVICE).device)}
        except EdgeseqError as error:
            seen[name] = {"strict": str(error)}
            model = runtime.load(path, DEVICE, allow_cpu_nodes=True)
            seen[name] |= {"with nodes on the CPU": str(model.device), "uncaptured": model.device.uncaptured}
    return seen


def refuses(files: Path) -> dict[str, Any]:
    """An option that nobody knows, a GPU that is not there, a pool: each is an error that says so."""
    path = files / f"{SMALL[0]}.onnx"
    said = {}
    calls: dict[str, Callable[[], Any]] = {
        "unknown option": lambda: runtime.load(path, DEVICE, provider_options={"no_such_option": "1"}),
        "no such GPU": lambda: runtime.load(path, "cuda:99"),
        "pool": lambda: _load(files, SMALL[0]).pool(4),
    }
    for name, call in calls.items():
        try:
            call()
        except EdgeseqError as error:
            said[name] = str(error)
        assert name in said, f"{name} was taken"
    return said


def laws(files: Path) -> dict[str, Any]:
    """tests/runtime/test_devices.py, whose laws over hand-made graphs run on CUDA where there is one."""
    for module in ("pytest", "onnx"):
        if not _importable(module):
            raise Skipped(f"there is no {module} here")
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "tests/runtime/test_devices.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return {"said": done.stdout[-1500:]}


def golden(files: Path) -> dict[str, Any]:
    """The golden trace of every file: its module's own outputs."""
    seen = {}
    for name in _names(files):
        found = runtime.replay(files / f"{name}.onnx", device=DEVICE, allow_cpu_nodes=True)
        seen[name] = found.to_dict()["outputs"]
        assert found.passed, f"{name} is too far off: {seen[name]}"
    return seen


def as_on_the_cpu(files: Path) -> dict[str, Any]:
    """100 steps, one frame each and some of several, beside the CPU's."""
    cpu = {name: runtime.load(files / f"{name}.onnx") for name in _small(files)}
    return {name: _near(name, _steps(_load(files, name)), _steps(cpu[name])) for name in _small(files)}


def captured(files: Path) -> dict[str, Any]:
    """The same with and without CUDA graph: the same bits."""
    seen = {}
    for name in _small(files):
        model = _load(files, name)
        if model.device.graphs is None:
            seen[name] = f"not captured: {model.device.uncaptured}"
            continue
        with_graph, without = _steps(model), _steps(_load(files, name, cuda_graph=False))
        same = all(np.array_equal(one, other) for one, other in zip(with_graph, without, strict=True))
        assert same, f"{name}: other answers with CUDA graph"
        seen[name] = f"{model.device.graphs.made} graphs, the same bits"
    if all(said.startswith("not") for said in seen.values()):
        raise Skipped("; ".join(f"{name} is {said}" for name, said in seen.items()))
    return seen


def grows(files: Path) -> dict[str, Any]:
    """A transformer past the 256 places that its caches start with."""
    name = "gpt-6x384-portable-fp32"
    if name not in _small(files):
        raise Skipped("there is no file of it")
    return {name: _near(name, _steps(_load(files, name), 600), _steps(runtime.load(files / f"{name}.onnx"), 600))}


def goes_back(files: Path) -> dict[str, Any]:
    """Snapshots, forks and what was taken on the CPU: what follows is what followed there."""
    seen = {}
    for name in _small(files):
        model, cpu = _load(files, name), runtime.load(files / f"{name}.onnx")
        given = [random_frames(model.contract, 1, 1, np.random.default_rng(i)) for i in range(40)]
        stream, ours = model.stream(), cpu.stream()
        for frames in given[:20]:
            stream.step(frames)
            ours.step(frames)
        taken, twin = stream.snapshot(), stream.fork()
        after = [np.asarray(stream.step(frames)) for frames in given[20:]]
        stream.restore(taken)
        for other in (stream, twin):
            again = [np.asarray(other.step(frames)) for frames in given[20:]]
            assert all(map(np.array_equal, after, again)), f"{name}: other answers after a restore or a fork"
        stream.restore(runtime.Snapshot.from_bytes(ours.snapshot().to_bytes()))
        from_cpu = [np.asarray(stream.step(frames)) for frames in given[20:]]
        seen[name] = _near(name, from_cpu, [np.asarray(ours.step(frames)) for frames in given[20:]])
    return seen


def on_the_device(files: Path) -> dict[str, Any]:
    """Frames and answers on the GPU, by torch's tensors: no way by the host, the same bits."""
    if not _importable("torch"):
        raise Skipped("there is no torch here")
    import torch

    if not torch.cuda.is_available():
        raise Skipped("this torch has no CUDA")
    model = _load(files, "gru-1x128-fp32")
    given = [random_frames(model.contract, 4, 1, np.random.default_rng(i))["x"] for i in range(50)]
    host = model.stream(4)
    wanted = [np.asarray(host.step(frames)) for frames in given]
    stream: Any = model.stream(4, outputs="device", on_nonfinite="pass")
    got = [torch.utils.dlpack.from_dlpack(stream.step(torch.from_numpy(frames).cuda())) for frames in given]
    assert all(tensor.is_cuda for tensor in got)
    assert all(np.array_equal(one.cpu().numpy(), other) for one, other in zip(got, wanted, strict=True))
    stream.reset()
    out = torch.empty_like(got[0])
    for frames, other in zip(given, wanted, strict=True):
        stream.step(torch.from_numpy(frames).cuda(), out=out)
        assert np.array_equal(out.cpu().numpy(), other)
    return {"torch": torch.__version__, "steps": 2 * len(given)}


def threads(files: Path) -> dict[str, Any]:
    """Eight streams in four threads at once, captured while others run."""
    model = _load(files, "gru-1x128-fp32")
    wanted = _steps(model)
    failed: list[str] = []

    def run() -> None:
        for _ in range(2):
            try:
                same = all(map(np.array_equal, _steps(model), wanted))
            except EdgeseqError as error:
                failed.append(str(error))
                continue
            if not same:
                failed.append("other answers")

    workers = [threading.Thread(target=run) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failed, "; ".join(failed[:3])
    return {"streams": 8, "graphs": model.device.graphs.made if model.device.graphs else 0}


def finding(files: Path) -> dict[str, Any]:
    """What the lab says of GRUs on both devices: up to which file the GPU loses."""
    from edgeseq.lab.comparing import compare
    from edgeseq.lab.findings import find_across
    from edgeseq.lab.variants import Variant
    from edgeseq.runtime.measuring.measure import settings_for

    def variant(name: str, device: str) -> Variant:
        path, allowed = files / f"{name}-fp32.onnx", device != "cpu"
        return Variant(f"{name}, {device}", settings_for(path, device=device, steps=300, allow_cpu_nodes=allowed))

    names = ("gru-1x128", "gru-1x512", "gru-2x1024")
    variants = [variant(name, device) for name in names for device in ("cpu", DEVICE)]
    found = compare(variants, runs=3, floor=False)
    medians = {one.name: one.latency.of("back_to_back").p50_ns for one in found.subjects}
    return {"findings": [vars(one) for one in find_across(found)], "p50_ns": medians}


CHECKS: dict[str, tuple[Check, int]] = {
    "here": (here, 60),
    "loads": (loads, 240),
    "refuses": (refuses, 90),
    "laws": (laws, 180),
    "golden": (golden, 240),
    "as on the CPU": (as_on_the_cpu, 180),
    "captured": (captured, 180),
    "grows": (grows, 120),
    "goes back": (goes_back, 180),
    "on the device": (on_the_device, 120),
    "threads": (threads, 180),
    "finding": (finding, 420),
}


def _names(files: Path) -> list[str]:
    names = [network.file(weights, gpu) for network in NETWORKS for weights in WEIGHTS for gpu in (False, True)]
    return [name.removesuffix(".onnx") for name in dict.fromkeys(names) if (files / name).exists()]


def _small(files: Path) -> list[str]:
    """Those of ``SMALL`` that are there; Skipped where none is."""
    found = [name for name in SMALL if (files / f"{name}.onnx").exists()]
    if not found:
        raise Skipped("there are no files: python -m benchmarks.gpu files")
    return found


def _load(files: Path, name: str, **more: Any) -> runtime.Model:
    return runtime.load(files / f"{name}.onnx", DEVICE, allow_cpu_nodes=True, **more)


def _steps(model: runtime.Model, count: int = 100, batch: int = 2) -> list[Any]:
    """The answers of a stream: single frames, one piece of five in between, and what is owed at the end."""
    given = random_frames(model.contract, batch, count, np.random.default_rng(0))
    stream, answers, begin = model.stream(batch), [], 0
    while begin < count:
        size = 5 if begin == 40 else 1
        answers.append(np.asarray(stream.step({name: part[:, begin : begin + size] for name, part in given.items()})))
        begin += size
    return [*answers, np.asarray(stream.flush())]


def _near(name: str, got: list[Any], wanted: list[Any]) -> float:
    """The largest difference; AssertionError where it is too large."""
    found = max(float(np.max(np.abs(one - other), initial=0)) for one, other in zip(got, wanted, strict=True))
    most = max(1.0, *(float(np.max(np.abs(other), initial=0)) for other in wanted))
    assert found <= NEAR * most, f"{name}: {found:.2g} from the CPU"
    return found


def _importable(module: str) -> bool:
    tried = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False)
    return tried.returncode == 0
