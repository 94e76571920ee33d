"""A row of the corpus: a published architecture, how a user would name its inputs, and what streaming owes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Streams:
    """The model streams exactly, ``delay`` base frames behind; None where only a delay is certain, not which."""

    delay: int | None = 0


@dataclass(frozen=True)
class Refused:
    """The model as published cannot stream exactly, for the reason ``why``; the refusal holds ``says``."""

    why: str
    says: str


@dataclass(frozen=True)
class Published:
    """A model written as its authors write it, and what was expected of it before it was tried.

    ``origin`` is the paper or repository whose form it has. ``below``: integer inputs are drawn below it, where no
    table that they index says so. ``frames`` is the length streamed. ``exported``: taken through ONNX by the tests.
    """

    id: str
    make: Callable[[], nn.Module]
    inputs: Mapping[str, Any]
    origin: str
    expected: Streams | Refused
    frames: int = 37
    exported: bool = False

    def build(self) -> nn.Module:
        """The model with weights that are always the same, in eval mode."""
        torch.manual_seed(1)
        model = self.make()
        _pretend_training(model)
        return model.eval()


def _pretend_training(model: nn.Module) -> None:
    """Move norms, biases and gates off the zeros and ones that they start from, which would hide a mistake."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0.0, 0.3)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
