"""Max pooling over one axis, captured as pooling over two, one of them a single row.

torch's own ``max_pool1d`` fixes the length of time while it is traced; its ``max_pool2d`` does not.
"""

from __future__ import annotations

from typing import Any

import torch

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


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) else value
