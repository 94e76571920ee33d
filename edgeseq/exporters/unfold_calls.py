"""torch.nn.functional.unfold, captured as windows along each axis by itself.

torch's own mixes both spatial axes in one op, ``im2col``, in which time cannot be followed; and a kernel as long as the
sequence, with which sub-band models cut frequency alone, would fix the length of time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.nn import functional


def unfold(x: torch.Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> torch.Tensor:
    """``torch.nn.functional.unfold`` of ``[batch, channels, height, width]``; a dilated one is left to torch."""
    kernel, gaps, pads, strides = (_both(value) for value in (kernel_size, dilation, padding, stride))
    if gaps != (1, 1):
        return functional.unfold(x, kernel_size, dilation, padding, stride)
    whole = x if x.dim() == 4 else x.unsqueeze(0)
    if any(pads):
        whole = functional.pad(whole, (pads[1], pads[1], pads[0], pads[0]))
    columns = _windows(_windows(whole, 2, kernel[0], strides[0]), 3, kernel[1], strides[1])
    columns = columns.permute(0, 1, 4, 5, 2, 3).flatten(4).flatten(1, 3)
    return columns if x.dim() == 4 else columns.squeeze(0)


def _windows(x: torch.Tensor, axis: int, size: Any, stride: int) -> torch.Tensor:
    """The windows of one axis, each along a new last axis."""
    if isinstance(size, int) and size == stride == 1:
        return x.unsqueeze(-1)
    if statically_known_true(x.shape[axis] == size):
        return x.unsqueeze(axis).movedim(axis + 1, -1)
    return x.unfold(axis, size, stride)


def _both(value: Any) -> tuple[Any, Any]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value, value)
