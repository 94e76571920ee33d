"""``int(x.size(1))`` and ``len(x)`` in a model stay sizes while the model is captured.

Python makes plain numbers of them, which would fix the length of time. So the names ``int`` and ``len`` mean something
else in the files of the model meanwhile: they leave symbolic sizes as they are, and are themselves in every other way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import torch
from torch import nn


class _Whole(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, (int, torch.SymInt))

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, int)

    def __call__(cls, value: Any = 0, *base: Any) -> Any:
        if isinstance(value, torch.SymInt):
            return value
        return torch.sym_int(value) if isinstance(value, torch.SymFloat) else int(value, *base)  # type: ignore[no-untyped-call]


class Whole(int, metaclass=_Whole):
    """``int``, but symbolic sizes are whole numbers and stay symbolic."""


def length(value: Any) -> Any:
    """``len``, but the first size of a tensor as it is."""
    return value.size(0) if isinstance(value, torch.Tensor) and value.dim() else len(value)


_NAMES = {"int": Whole, "len": length}


@contextlib.contextmanager
def sizes_stay_sizes(model: nn.Module) -> Iterator[None]:
    """Let sizes be sizes in the files that the model's modules and the functions they use are written in."""
    changed = [(names, name) for names in _namespaces(model) for name in _NAMES if name not in names]
    for names, name in changed:
        names[name] = _NAMES[name]
    try:
        yield
    finally:
        for names, name in changed:
            names.pop(name, None)


def _namespaces(model: nn.Module) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    waiting = [
        method.__globals__
        for kind in {kind for module in model.modules() for kind in type(module).__mro__}
        for method in vars(kind).values()
        if isinstance(method, FunctionType)
    ]
    while waiting:
        names = waiting.pop()
        if id(names) in found or not _is_the_users(names):
            continue
        found[id(names)] = names
        waiting += [value.__globals__ for value in names.values() if isinstance(value, FunctionType)]
    return list(found.values())


def _is_the_users(names: dict[str, Any]) -> bool:
    return str(names.get("__name__", "")).split(".")[0] not in ("torch", "edgeseq", "builtins", "typing", "numpy")
