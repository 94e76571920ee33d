"""Where tensors live: the only place where CPU and CUDA differ."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeseq.errors import ProviderError, UsageError
from edgeseq.runtime.engine import onnxruntime

if TYPE_CHECKING:
    from edgeseq.runtime.capture import Graphs

Array = npt.NDArray[Any]
#: onnxruntime's provider for NVIDIA GPUs, and all that need such a GPU.
CUDA = "CUDAExecutionProvider"
#: How to get it.
EXTRA = "pip install 'edgeseq[gpu]', which brings onnxruntime-gpu with its CUDA and cuDNN libraries"
_NVIDIA = (CUDA, "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider")
#: Held by what touches a GPU's memory: while a CUDA graph is captured, no other thread of the process may.
BUSY = threading.RLock()
#: DLPack's numbers of the kinds of memory.
_DLPACK = {"cpu": 1, "cuda": 2}


@dataclass(frozen=True)
class Device:
    """A place for tensors: ``kind`` is ``cpu`` or ``cuda``, ``index`` counts the GPUs.

    ``provider``: another execution provider that takes its tensors from there, such as OpenVINO's. ``options`` are
    those of the provider in front. ``cpu_nodes``: nodes without a kernel for the GPU may run on the CPU. ``graphs``:
    repeated calls are captured as CUDA graphs; where they cannot be, ``uncaptured`` says why.
    """

    kind: str
    index: int = 0
    provider: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    cpu_nodes: bool = False
    graphs: Graphs | None = field(default=None, compare=False, repr=False)
    uncaptured: str | None = None

    def __str__(self) -> str:
        place = self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"
        parts = [place, self.provider, "CUDA graph" if self.graphs is not None else None]
        return ", ".join(part for part in parts if part is not None)

    @property
    def shares_memory(self) -> bool:
        """Whether a buffer's memory can be written and read as a numpy array."""
        return self.kind == "cpu"

    @property
    def dlpack(self) -> tuple[int, int]:
        """DLPack's name of this device."""
        return _DLPACK[self.kind], self.index

    @property
    def first(self) -> str:
        """The execution provider that takes what it can, by its onnxruntime name; ``options`` are its own."""
        return self.provider or (CUDA if self.kind == "cuda" else "CPUExecutionProvider")

    @property
    def strict(self) -> bool:
        """Whether a model of which nodes would run on the CPU is refused."""
        return self.kind == "cuda" and self.provider in (None, CUDA) and not self.cpu_nodes

    @property
    def providers(self) -> list[Any]:
        """The onnxruntime execution providers of a session on this device; the CPU's takes what is left over."""
        # Its own default rounds the factors of products to 10 bits, which no file was verified with.
        place = {"device_id": str(self.index), "use_tf32": "0"} if self.kind == "cuda" else {}
        options = {**(place if self.first == CUDA else {}), **dict(self.options)}
        found: list[Any] = [(self.first, options) if options else self.first]
        if self.kind == "cuda" and self.first != CUDA:
            found.append((CUDA, place))
        return found if self.first == "CPUExecutionProvider" else [*found, "CPUExecutionProvider"]

    def place(self, array: Array) -> Buffer:
        """A buffer that holds ``array``: on CPU its very memory, else a copy on the device."""
        array = np.asarray(array, order="C")  # ascontiguousarray would give a scalar an axis
        if self.shares_memory:
            return Buffer(host_value(array), array, array.shape, array.dtype)
        return Buffer(self.value_of(array), None, array.shape, array.dtype)

    def stage(self, array: Array) -> Buffer:
        """A buffer that callers fill or read as ``array``: on CPU its very memory, else what a run copies."""
        array = np.asarray(array, order="C")
        return self.place(array) if self.shares_memory else Staged(self, array)

    def value_of(self, array: Array) -> Any:
        """A new ``OrtValue`` on this device that holds a copy of ``array``, which lies in one piece."""
        with BUSY:
            value = self.empty(array.shape, array.dtype)
            if array.size:
                value.update_inplace(array)
        return value

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """A new ``OrtValue`` on this device, its values left open."""
        make = onnxruntime().OrtValue.ortvalue_from_shape_and_type
        with BUSY:
            return make(list(shape), dtype.type, self.kind, self.index)


#: The processor and its memory.
HOST = Device("cpu")


def read_by_host(session: Any) -> frozenset[str]:
    """The inputs of a session on a GPU that its graph reads in the processor's memory, as it says."""
    ask = getattr(session, "get_input_memory_infos", None)
    if ask is None:
        return frozenset()
    places = zip(session.get_inputs(), ask(), strict=True)
    return frozenset(value.name for value, info in places if info.name.lower().startswith("cpu"))


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
            values = np.asarray(np.broadcast_to(source, self.shape), dtype=self.dtype, order="C")
            with BUSY:
                self.value.update_inplace(values)

    def read(self) -> Array:
        """The values: on CPU the memory itself, which the next run may overwrite, else a copy."""
        if self.array is not None:
            return self.array
        with BUSY:
            return np.asarray(self.value.numpy())


class Staged(Buffer):
    """A frame or an answer on a device, with an array beside it that is filled and read as on the CPU.

    Its memory on the device never moves; a run copies the array there before, or back from there after.
    """

    __slots__ = ()

    def __init__(self, device: Device, array: Array) -> None:
        """``array`` lies in one piece, and is kept."""
        super().__init__(device.value_of(array), array, array.shape, array.dtype)

    @property
    def staging(self) -> Array:
        """The array that is copied, in one piece."""
        assert self.array is not None
        return self.array

    def upload(self) -> None:
        """Copy the array to the device."""
        self.value.update_inplace(self.staging)

    def download(self) -> None:
        """Copy what is on the device to the array."""
        self.staging[...] = self.value.numpy()


def host_value(array: Array) -> Any:
    """An ``OrtValue`` over the memory of ``array``."""
    return onnxruntime().OrtValue.ortvalue_from_numpy(array, "cpu", 0)


def find_device(
    text: str,
    provider: str | None = None,
    options: Mapping[str, Any] | None = None,
    cpu_nodes: bool = False,
) -> Device:
    """The device that ``text`` names, with an execution provider by its onnxruntime name if given, and its options.

    Raises UsageError, or ProviderError where there is no such device or provider here.
    """
    device = replace(parse_device(text), provider=provider, options=_plain(options), cpu_nodes=cpu_nodes)
    if options and device.first == "CPUExecutionProvider" and provider is None:
        raise UsageError(
            "provider options are those of a provider",
            got=", ".join(options),
            do="name it with provider=... (--provider NAME), or another device than cpu",
        )
    available = onnxruntime().get_available_providers()
    if provider is not None and provider not in available:
        raise _no_provider(provider, available)
    if device.kind == "cuda" and provider == "CPUExecutionProvider":
        raise UsageError(f"{provider} does not run on a GPU", got=f"device={text!r}", do="leave one of the two out")
    if device.kind == "cuda" and "device_id" in dict(device.options):
        raise UsageError("device_id is said by the device", got=str(device), do="write device='cuda:1' instead")
    if "enable_cuda_graph" in dict(device.options):
        why = "a replay has to keep the stream's states"
        raise UsageError("a CUDA graph is no provider option here", why=why, do="load with cuda_graph=True instead")
    if device.kind == "cpu" and provider in _NVIDIA:
        raise UsageError(f"{provider} runs on a GPU", got=f"device={text!r}", do="name the GPU too: device='cuda:0'")
    if device.kind == "cuda":
        from edgeseq.runtime.cuda import check_cuda

        check_cuda(device.index)
    return device


def _no_provider(name: str, available: list[str]) -> ProviderError:
    """What is said of a provider that is not here, or that nobody calls so."""
    meant = next((known for known in available if known.lower() == f"{name}executionprovider".lower()), None)
    do = "install the onnxruntime that has it, one wheel only" if meant is None else f"write {meant}"
    return ProviderError(f"provider {name!r} is not available", got=", ".join(available), do=do)


def _plain(options: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """Options as onnxruntime takes them, all text; UsageError for what has no name or is no plain value."""
    if not isinstance(options or {}, Mapping):
        raise UsageError("provider_options must be a dict", got=type(options).__name__, wanted="{'name': 'value'}")
    for name, value in (options or {}).items():
        if not isinstance(name, str) or not name or not isinstance(value, (str, int, float)):
            raise UsageError("a provider option is a name and a plain value", got=f"{name!r}: {value!r}")
    return tuple(
        (name, str(int(value)) if isinstance(value, bool) else str(value)) for name, value in (options or {}).items()
    )


def parse_device(text: str) -> Device:
    """The device written ``cpu``, ``cuda`` or ``cuda:1``; UsageError or ProviderError where there is no such device."""
    match = re.fullmatch(r"(cpu)|(cuda)(?::([0-9]{1,3}))?", text) if isinstance(text, str) else None
    if match is None:
        known = available_devices()
        do = None if len(known) > 1 else "write 'cuda:0' for a GPU, which needs edgeseq[gpu]"
        raise UsageError("unknown device", got=repr(text), wanted=" or ".join(known), do=do)
    if match[1]:
        return Device("cpu")
    if CUDA not in onnxruntime().get_available_providers():
        raise ProviderError(
            f"device {text} is not available",
            why=f"this onnxruntime has no {CUDA}",
            got=", ".join(onnxruntime().get_available_providers()),
            do="run pip uninstall -y onnxruntime, then pip install 'edgeseq[gpu]', or use device='cpu'",
        )
    return Device("cuda", int(match[3] or 0))


def available_devices() -> list[str]:
    """Names of the devices that :func:`parse_device` takes here."""
    cuda = CUDA in onnxruntime().get_available_providers()
    return ["'cpu'", "'cuda'", "'cuda:N'"] if cuda else ["'cpu'"]
