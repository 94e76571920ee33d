"""Tensors known at export, held by the module that is lowered under the dotted names they shall have in the file."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def hold(root: nn.Module, name: str, tensor: torch.Tensor) -> None:
    """Register ``tensor`` as a buffer of ``root``."""
    *path, last = _parts(name)
    for part in path:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root._modules[part]  # type: ignore[assignment]
    root.register_buffer(last, tensor)


def held(root: nn.Module, name: str) -> torch.Tensor:
    """The tensor that ``root`` holds under this name."""
    module: Any = root
    for part in _parts(name):
        module = getattr(module, part)
    return module  # type: ignore[no-any-return]


def _parts(name: str) -> list[str]:
    return [
        "constants",
        *(f"_{part}" if part.isdigit() or hasattr(nn.Module, part) else part for part in name.split(".")),
    ]
