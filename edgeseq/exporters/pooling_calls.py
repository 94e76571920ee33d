"""Pooling, captured in other forms where torch's own fixes the length of time while it is traced.

``max_pool1d`` does; ``max_pool2d`` over two axes, one of them a single row, does not. A window as long as the sequence,
``F.avg_pool2d(x, x.size()[2:])``, is a mean over all time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx.experimental.symbolic_shapes import statically_known_true

#: What a captured model may call: torch's function, and the one of ``torch.nn.functional`` that chooses it.
MAX_POOL1D = (torch.max_pool1d, torch.nn.functional.max_pool1d)


def max_pool1d(
    x: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """``torch.nn.functional.max_pool1d`` over ``[batch, channels, time]`` or ``[channels, time]``."""
    function = torch.nn.functional.max_pool2d_with_indices if return_indices else torch.max_pool2d
    strides = kernel_size if stride is None or stride == [] or stride == () else stride
    rows = ((1, _one(kernel_size)), (1, _one(strides)), (0, _one(padding)), (1, _one(dilation)))
    found: Any = function(x.unsqueeze(-2), *rows, ceil_mode)
    return tuple(part.squeeze(-2) for part in found) if return_indices else found.squeeze(-2)


def averaged(function: Any) -> Any:
    """``torch.nn.functional.avg_pool1d``, 2d or 3d, as a mean along each axis that its window is as long as."""

    def avg_pool(x: torch.Tensor, kernel_size: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        sizes = list(kernel_size) if isinstance(kernel_size, (list, tuple)) else [kernel_size]
        if not any(isinstance(size, torch.SymInt) for size in sizes):
            return function(x, kernel_size, *args, **kwargs)  # type: ignore[no-any-return]
        first = x.dim() - len(sizes)
        whole = [statically_known_true(x.shape[first + place] == size) for place, size in enumerate(sizes)]
        rest = [1 if all_of_it else size for all_of_it, size in zip(whole, sizes, strict=True)]
        if args or kwargs or not any(whole):
            return function(x, kernel_size, *args, **kwargs)  # type: ignore[no-any-return]
        mean = x.mean([first + place for place, all_of_it in enumerate(whole) if all_of_it], keepdim=True)
        return mean if all(size == 1 for size in rest) else function(mean, rest)

    return avg_pool


#: Pooling by averages, as it is captured.
AVERAGES = {
    function: averaged(function)
    for function in (torch.nn.functional.avg_pool1d, torch.nn.functional.avg_pool2d, torch.nn.functional.avg_pool3d)
}


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) else value
