"""What CUDA needs on this machine: the driver, a GPU, NVIDIA's libraries; and which of them is not there."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import sys
from typing import Any

from edgeseq.errors import ProviderError
from edgeseq.runtime.devices import EXTRA
from edgeseq.runtime.engine import onnxruntime

#: The driver's library. It comes with the driver, never from a package index.
DRIVER = "libcuda.so.1"


@functools.cache
def preload() -> None:
    """Load the libraries of NVIDIA's packages, where these are installed: no search path of the system has them."""
    load = getattr(onnxruntime(), "preload_dlls", None)
    if load is not None:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            load()


def check_cuda(index: int) -> None:
    """ProviderError that says what is not there where GPU number ``index`` cannot be used."""
    found = _missing(index)
    if found is not None:
        why, do = found
        raise ProviderError(f"device cuda:{index} is not available", why=why, do=f"{do}, or use device='cpu'")


def _missing(index: int) -> tuple[str, str] | None:
    """What is not there and what to do; None where nothing is known to be missing."""
    if sys.platform != "linux":
        return None
    driver = _library(DRIVER)
    if isinstance(driver, str):
        return f"there is no NVIDIA driver: {driver}", f"install the driver; the rest comes with {EXTRA}"
    preload()
    absent = [name for name in _needed() if isinstance(_library(name), str)]
    if absent:
        return f"libraries of CUDA are missing: {', '.join(absent)}", f"run {EXTRA}"
    return _no_gpu(driver, index)


def _no_gpu(driver: Any, index: int) -> tuple[str, str] | None:
    """What the driver says of its version and of its GPUs."""
    version, count = ctypes.c_int(0), ctypes.c_int(0)
    wanted = _cuda_version()
    driver.cuDriverGetVersion(ctypes.byref(version))
    if 0 < version.value < wanted[0] * 1000:
        has = f"{version.value // 1000}.{version.value % 1000 // 10}"
        return (
            f"the driver is too old: it takes CUDA up to {has}, this onnxruntime is built for {wanted[0]}.{wanted[1]}",
            "install a newer driver",
        )
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the driver finds no GPU that can be used", "check nvidia-smi, and what the container is given"
    if index >= count.value:
        return f"the last GPU of this machine is cuda:{count.value - 1}", "name one that is there"
    return None


def _needed() -> list[str]:
    """The libraries without which onnxruntime's CUDA provider is not loaded. cuDNN is not one: some models need it."""
    major = _cuda_version()[0]
    return [f"libcudart.so.{major}", f"libcublas.so.{major}", f"libcublasLt.so.{major}"] if major else []


def _cuda_version() -> tuple[int, int]:
    """The CUDA that this onnxruntime is built for; zeros where it does not say."""
    parts = str(getattr(onnxruntime(), "cuda_version", "")).split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) > 1 and all(part.isdecimal() for part in parts[:2]) else (0, 0)


def _library(name: str) -> Any:
    """The library, or why it cannot be loaded."""
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        return str(error)
