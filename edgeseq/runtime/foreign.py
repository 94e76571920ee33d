"""Arrays of other packages, torch's tensors among them, read where they lie: none of those packages is imported."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeseq.errors import ShapeError

#: DLPack's numbers of the devices whose memory a processor reads: its own, and what CUDA or ROCm has pinned of it.
_READABLE = (1, 3, 11)


def as_array(name: str, value: Any) -> Any:
    """A numpy array over the memory of ``value``, which has ``__dlpack__`` or ``__array__``; other values as they are.

    ShapeError where it lies on another device or does not let itself be read, as a tensor that requires a gradient.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        return value
    try:
        if hasattr(value, "__dlpack__"):
            _check_place(name, value)
            return np.from_dlpack(value)
        if hasattr(value, "__array__"):
            return np.asarray(value)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, ShapeError):
            raise
        raise ShapeError(
            f"{name} cannot be read as an array",
            why=str(error).strip().split("\n")[0][:200].rstrip(". "),
            got=type(value).__name__,
            do=f"give a numpy array, of a torch tensor {name}.detach().cpu().numpy()",
        ) from error
    return value


def _check_place(name: str, value: Any) -> None:
    kind, index = value.__dlpack_device__()
    if int(kind) not in _READABLE:
        raise ShapeError(
            f"{name} lies on another device",
            got=f"{type(value).__name__} on DLPack device {int(kind)}:{int(index)}",
            wanted="an array in the memory of the processor",
            do=f"copy it first: {name}.cpu()",
        )
