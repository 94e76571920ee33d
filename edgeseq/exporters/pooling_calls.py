"""Pooling, captured in other forms where torch's own fixes the length of time while it is traced.

``max_pool1d`` does; ``max_pool2d`` over two axes, one of them a single row, does not. A window as long as the sequence,
``F.avg_pool2d(x, x.size()[2:])``, is a mean over all time, or a maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.fx.experimental.symbolic_shapes import statically_known_true


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


_AVERAGE = ("stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
_MAXIMUM = ("stride", "padding", "dilation", "ceil_mode", "return_indices")


def over_all(
    pool: Callable[..., Any], axes: int, names: tuple[str, ...], reduced: Callable[..., Any]
) -> Callable[..., Any]:
    """A function that pools over the last ``axes``, as ``reduced`` along each that its window is as long as.

    ``names`` are those of its arguments behind the window.
    """

    def called(x: torch.Tensor, kernel_size: Any, *args: Any, **kwargs: Any) -> Any:
        sizes = list(kernel_size) if isinstance(kernel_size, (list, tuple)) else [kernel_size] * axes
        first = x.dim() - axes
        whole = [place for place, size in enumerate(sizes) if _is_all(x.shape[first + place], size)]
        asked = {**dict(zip(names, args, strict=False)), **kwargs}
        if not whole or asked.pop("divisor_override", None) is not None or any(map(_shifts, asked.items())):
            return pool(x, kernel_size, *args, **kwargs)
        value = reduced(x, [first + place for place in whole], keepdim=True)
        rest = [1 if place in whole else size for place, size in enumerate(sizes)]
        return value if rest == [1] * axes else pool(value, rest, *args, **kwargs)

    return called


def _shifts(asked: tuple[str, Any]) -> bool:
    """Whether an argument makes a window as long as its axis more than one reduction of it."""
    name, value = asked
    values = value if isinstance(value, (list, tuple)) else [value]
    plain = {"padding": 0, "dilation": 1, "return_indices": False}
    return name in plain and any(value != plain[name] for value in values)


def _is_all(length: Any, window: Any) -> bool:
    return isinstance(window, torch.SymInt) and statically_known_true(length == window)


_functional = torch.nn.functional
#: Functions that pool, as they are captured.
POOLING = {
    _functional.avg_pool1d: over_all(_functional.avg_pool1d, 1, _AVERAGE, torch.mean),
    _functional.avg_pool2d: over_all(_functional.avg_pool2d, 2, _AVERAGE, torch.mean),
    _functional.avg_pool3d: over_all(_functional.avg_pool3d, 3, _AVERAGE, torch.mean),
    torch.max_pool1d: over_all(max_pool1d, 1, _MAXIMUM, torch.amax),
    _functional.max_pool1d: over_all(max_pool1d, 1, _MAXIMUM, torch.amax),
    torch.max_pool2d: over_all(torch.max_pool2d, 2, _MAXIMUM, torch.amax),
    _functional.max_pool2d: over_all(_functional.max_pool2d, 2, _MAXIMUM, torch.amax),
}


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) else value
