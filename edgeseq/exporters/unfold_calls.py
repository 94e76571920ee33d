"""torch.nn.functional.unfold and fold, captured as windows along each axis by itself.

torch's own mix both spatial axes in one op, ``im2col`` and ``col2im``, in which time cannot be followed; and a kernel
as long as the sequence, with which sub-band models cut frequency alone, would fix the length of time.
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


def fold(
    x: torch.Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> torch.Tensor:
    """``torch.nn.functional.fold`` of ``[batch, channels * height * width, windows]``, one kernel over one axis.

    Windows over both axes, and dilated ones, are left to torch.
    """
    kernel, gaps, pads, strides = (_both(value) for value in (kernel_size, dilation, padding, stride))
    sizes = _both(output_size)
    single = [statically_known_true(size + 2 * pad == own) for size, pad, own in zip(sizes, pads, kernel, strict=True)]
    if gaps != (1, 1) or not any(single):
        return functional.fold(x, output_size, kernel_size, dilation, padding, stride)
    across = single.index(True)
    along = 1 - across
    whole = x if x.dim() == 3 else x.unsqueeze(0)
    windows = whole.reshape(whole.shape[0], -1, *kernel, whole.shape[2]).movedim(2 + along, -1)
    added = _added_up(windows, sizes[along] + 2 * pads[along], strides[along]).movedim(-1, 2 + along)
    for axis in (0, 1):
        added = added.narrow(2 + axis, pads[axis], sizes[axis]) if pads[axis] else added
    return added if x.dim() == 3 else added.squeeze(0)


def _added_up(windows: torch.Tensor, size: Any, stride: int) -> torch.Tensor:
    """``[..., size]``: the sum of ``[..., windows, kernel]``, one every ``stride``."""
    count, kernel = windows.shape[-2:]
    first = torch.arange(count, device=windows.device) * stride
    places = first.unsqueeze(1) + torch.arange(kernel, device=windows.device)
    zeros = windows.new_zeros(*windows.shape[:-2], size)
    return zeros.index_add(-1, places.flatten(), windows.flatten(-2))


def _windows(x: torch.Tensor, axis: int, size: Any, stride: int) -> torch.Tensor:
    """The windows of one axis, each along a new last axis."""
    if isinstance(size, int) and size == stride == 1:
        return x.unsqueeze(-1)
    if statically_known_true(x.shape[axis] == size):
        return x.unsqueeze(axis).movedim(axis + 1, -1)
    return x.unfold(axis, size, stride)


def _both(value: Any) -> tuple[Any, Any]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value, value)
