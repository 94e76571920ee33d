"""Arrays on a GPU: those that a caller hands over, and answers that stay there."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeseq.errors import ShapeError
from edgeseq.runtime.devices import BUSY, Array, Device
from edgeseq.runtime.engine import first_line, onnxruntime


class DeviceArray:
    """An answer in the memory of a device, read by ``torch.from_dlpack`` and its like; :meth:`numpy` copies it.

    It belongs to the caller: no later step touches it.
    """

    __slots__ = ("_device", "_value", "dtype", "shape")

    def __init__(self, device: Device, value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._device = device
        self._value = value
        self.shape = shape
        self.dtype = dtype

    @classmethod
    def of(cls, device: Device, array: Array) -> DeviceArray:
        """A copy of ``array`` on ``device``."""
        return cls(device, device.value_of(np.asarray(array, order="C")), array.shape, array.dtype)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def numpy(self) -> Array:
        """The values, copied to the processor's memory."""
        with BUSY:
            return np.array(self._value.numpy())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.numpy(), dtype=dtype)

    def __dlpack__(self, *, stream: Any = None, **asked: Any) -> Any:
        """The protocol's capsule. Nothing is waited for: a step has ended when it returns."""
        return self._value.__dlpack__(stream=stream)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device.dlpack

    def __repr__(self) -> str:
        return f"DeviceArray({self.dtype} {list(self.shape)}, {str(self._device)!r})"


def lies_on(device: Device, value: Any) -> bool:
    """Whether ``value`` is no numpy array and lies in the memory of ``device``."""
    if isinstance(value, (np.ndarray, np.generic)) or not hasattr(value, "__dlpack_device__"):
        return False
    kind, index = value.__dlpack_device__()
    return (int(kind), int(index)) == device.dlpack


def borrowed(name: str, value: Any) -> Any:
    """An ``OrtValue`` over the memory of ``value``; ShapeError where that does not lie in one piece."""
    try:
        return onnxruntime().OrtValue.from_dlpack(value)
    except (BufferError, TypeError, RuntimeError) as error:
        raise ShapeError(
            f"{name} cannot be read where it lies",
            why=first_line(error),
            got=type(value).__name__,
            do=f"give it in one piece and without a gradient: {name}.detach().contiguous()",
        ) from error


def fetched(name: str, value: Any) -> Array:
    """A copy of ``value``, which lies on a device, in the processor's memory."""
    with BUSY:
        return np.array(borrowed(name, value).numpy())
