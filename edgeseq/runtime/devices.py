"""Where tensors live: the only place where CPU and CUDA differ."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.errors import ProviderError, UsageError
from edgeseq.runtime.engine import onnxruntime

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Device:
    """A place for tensors: ``kind`` is ``cpu`` or ``cuda``, ``index`` counts the GPUs.

    ``provider``: another execution provider that takes its tensors from there, such as OpenVINO's.
    """

    kind: str
    index: int = 0
    provider: str | None = None

    def __str__(self) -> str:
        place = self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"
        return place if self.provider is None else f"{place}, {self.provider}"

    @property
    def shares_memory(self) -> bool:
        """Whether a buffer's memory can be written and read as a numpy array."""
        return self.kind == "cpu"

    @property
    def providers(self) -> list[Any]:
        """The onnxruntime execution providers of a session on this device; the CPU's takes what is left over."""
        first: list[Any] = [] if self.provider is None else [self.provider]
        if self.kind == "cuda":
            first.append(("CUDAExecutionProvider", {"device_id": str(self.index)}))
        return [*first, *(["CPUExecutionProvider"] if "CPUExecutionProvider" not in first else [])]

    def place(self, array: Array) -> Buffer:
        """A buffer that holds ``array``: on CPU its very memory, else a copy on the device."""
        array = np.asarray(array, order="C")  # ascontiguousarray would give a scalar an axis
        value = onnxruntime().OrtValue.ortvalue_from_numpy(array, self.kind, self.index)
        return Buffer(value, array if self.shares_memory else None, array.shape, array.dtype)

    def check_session(self, session: Any) -> None:
        """Refuse a session that fell back to the CPU."""
        wanted = self.provider or ("CUDAExecutionProvider" if self.kind == "cuda" else "CPUExecutionProvider")
        if wanted not in session.get_providers():
            hint = "check the driver and the libraries it needs"
            raise ProviderError(
                f"onnxruntime could not use {self}",
                got=", ".join(session.get_providers()),
                wanted=wanted,
                do=f"{hint}: pip install 'edgeseq[gpu]'" if wanted == "CUDAExecutionProvider" else hint,
            )


class Buffer:
    """One tensor on a device, at an address that never changes."""

    __slots__ = ("array", "dtype", "shape", "value")

    def __init__(self, value: Any, array: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.value = value
        self.array = array
        self.shape = shape
        self.dtype = dtype

    @property
    def memory(self) -> Array | None:
        """What the graph is given, where ``array`` is a part of it; None on other devices than the CPU."""
        return self.array

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def write(self, source: Array) -> None:
        """Copy ``source`` in, repeated along its axes of size 1."""
        if self.array is not None:
            self.array[...] = source
        else:
            self.value.update_inplace(np.asarray(np.broadcast_to(source, self.shape), dtype=self.dtype, order="C"))

    def read(self) -> Array:
        """The values: on CPU the memory itself, which the next run may overwrite, else a copy."""
        return self.array if self.array is not None else np.asarray(self.value.numpy())


def find_device(text: str, provider: str | None = None) -> Device:
    """The device that ``text`` names, with an execution provider by its onnxruntime name if given.

    Raises UsageError, or ProviderError where there is no such device or provider here.
    """
    device = parse_device(text)
    if provider is None:
        return device
    available = onnxruntime().get_available_providers()
    if provider not in available:
        raise ProviderError(
            f"provider {provider!r} is not available",
            got=", ".join(available),
            do="install the onnxruntime that has it, one wheel only",
        )
    return replace(device, provider=provider)


def parse_device(text: str) -> Device:
    """The device written ``cpu``, ``cuda`` or ``cuda:1``; UsageError or ProviderError where there is no such device."""
    match = re.fullmatch(r"(cpu)|(cuda)(?::([0-9]{1,3}))?", text) if isinstance(text, str) else None
    if match is None:
        raise UsageError("unknown device", got=repr(text), wanted=" or ".join(available_devices()))
    if match[1]:
        return Device("cpu")
    if "CUDAExecutionProvider" not in onnxruntime().get_available_providers():
        raise ProviderError(
            f"device {text} is not available",
            why="this onnxruntime has no CUDAExecutionProvider",
            got=", ".join(onnxruntime().get_available_providers()),
            do="run pip uninstall -y onnxruntime, then pip install 'edgeseq[gpu]', or use device='cpu'",
        )
    return Device("cuda", int(match[3] or 0))


def available_devices() -> list[str]:
    """Names of the devices that :func:`parse_device` takes here."""
    cuda = "CUDAExecutionProvider" in onnxruntime().get_available_providers()
    return ["'cpu'", "'cuda'", "'cuda:N'"] if cuda else ["'cpu'"]
