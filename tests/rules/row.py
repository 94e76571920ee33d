"""A row of the table: one op, one small model that calls it, and what streaming it must give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Function = Callable[..., Any]
Parts = Mapping[str, Callable[[], Any]]

#: Frames of four features, and the same with time last, as convolutions have it.
FRAMES = "float32[batch,time,4]"
CHANNELS = "float32[batch,4,time]"


@dataclass(frozen=True)
class Row:
    """``function(model, *inputs)`` streams, or is refused with a reason that holds the words of ``refused``.

    ``op`` is the captured op as torch writes it, overload included; a recurrent call by its own name (``aten.gru``).
    ``parts`` are made anew for every run. ``delay`` in base frames and ``max_context`` are what the contract must say.
    ``atol`` other than the oracle's own comes with ``why``, its reason.
    """

    op: str
    case: str
    function: Function
    inputs: Mapping[str, str] = field(default_factory=lambda: {"x": FRAMES})
    parts: Parts = field(default_factory=dict)
    refused: str | None = None
    delay: int = 0
    max_context: int | None = None
    atol: float = 1e-9
    why: str | None = None

    @property
    def id(self) -> str:
        """``aten.conv1d.default, chomped``."""
        return f"{self.op}, {self.case}"

    def build(self) -> Called:
        """The model, with weights that are always the same."""
        torch.manual_seed(1)
        return Called(self.function, {name: make() for name, make in self.parts.items()})


class Called(nn.Module):
    """``forward(*inputs) = function(self, *inputs)``, with some parts."""

    def __init__(self, function: Function, parts: Mapping[str, Any]) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.function = function

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> Any:
        return self.function(self, x) if y is None else self.function(self, x, y)


def parameter(*shape: int) -> Callable[[], nn.Parameter]:
    """Makes a weight of this shape."""
    return lambda: nn.Parameter(torch.randn(shape))


def headed(x: torch.Tensor) -> torch.Tensor:
    """Two known frames in front and one of look-ahead: what every op that mixes no frames must carry along."""
    return functional.pad(x, (0, 0, 2, 1), value=0.5)[:, 3:]


def alike(op: str, function: Callable[[torch.Tensor], Any], case: str = "frame by frame") -> Row:
    """A row for an op that treats every frame alike, behind padding and look-ahead."""
    return Row(op, case, lambda _, x: function(headed(x)), delay=1)
