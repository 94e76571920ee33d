"""Inputs with several frames per base frame, ``mel=float32[batch,4*time,80]``, told to torch so that it cannot miss it.

torch.export takes an axis of any length, or ``4*Dim``; the first forgets that the axis is four times another, the
second refuses every model with a table of positions or a branch on the length. So the model is captured with that axis
in two, ``[batch, time, 4, 80]``, which a hook joins before forward sees it. Afterwards the two become one again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from edgeseq.exporters.symbols import size_of
from edgeseq.specs import InputSpec

_VIEWS = frozenset([torch.ops.aten.view.default, torch.ops.aten.reshape.default, torch.ops.aten._unsafe_view.default])


def split_shape(spec: InputSpec) -> tuple[int | str, ...]:
    """The shape under which an input is captured: ``4*time`` as the two axes ``time`` and 4."""
    axis = spec.time_axis
    if axis is None or spec.ratio == 1:
        return spec.shape
    return (*spec.shape[:axis], "time", spec.ratio, *spec.shape[axis + 1 :])


@contextlib.contextmanager
def joined_before_forward(model: nn.Module, specs: dict[str, Any]) -> Iterator[None]:
    """While active, the model takes split tensors: a hook joins them. Does nothing where no spec has a ratio."""

    def join(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
        return args, {name: _joined(specs[name], value) for name, value in kwargs.items()}

    if not any(spec.ratio > 1 for spec in torch.utils._pytree.tree_leaves(specs)):
        yield
        return
    handle = model.register_forward_pre_hook(join, prepend=True, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _joined(spec: Any, value: Any) -> Any:
    if isinstance(spec, dict):
        return {key: _joined(item, value[key]) for key, item in spec.items()}
    if isinstance(spec, tuple):
        return tuple(_joined(item, part) for item, part in zip(spec, value, strict=True))
    return value if spec.ratio == 1 else value.flatten(spec.time_axis, spec.time_axis + 1)


def join_placeholder(placeholder: torch.fx.Node, spec: InputSpec) -> None:
    """Make a captured placeholder the joined tensor itself; what the hook did to it leaves the graph."""
    axis = spec.time_axis
    if axis is None or spec.ratio == 1:
        return
    whole = placeholder.meta["val"].flatten(axis, axis + 1)
    shape = [size_of(size) for size in whole.shape]
    for user in list(placeholder.users):
        if user.target in _VIEWS and [size_of(size) for size in user.meta["val"].shape] == shape:
            user.replace_all_uses_with(placeholder)
            placeholder.graph.erase_node(user)
    placeholder.meta["val"] = whole
