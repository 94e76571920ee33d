"""What the replay of a graph needs, written down while it is planned."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from edgeseq.contract import Initial, State
from edgeseq.exporters.modes import Lookahead


@dataclass
class Carried:
    """One state in one call: ``value`` comes in, ``next`` goes out."""

    value: torch.Tensor
    next: torch.Tensor | None = None


@dataclass
class Plan:
    """What the replay of a graph needs, found by running it: its states, constants, limits and controls.

    ``flushes``: at the end the runtime feeds frames past the last real one, so what must not see them masks them.
    ``ranges``: the rows of the smallest table that an integer input indexes, by placeholder. ``rules``: where the rules
    of other packages come from, by op, of those that were used. ``lookahead``: how far bidirectional layers may hear,
    if the user asked for that; ``approximated``: those that do, as the contract names them.
    """

    multiple: int
    states: dict[str, State] = field(default_factory=dict)
    constants: dict[str, torch.Tensor] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    flushes: bool = False
    ranges: dict[str, int] = field(default_factory=dict)
    uses_remaining: bool = False
    max_context: int | None = None
    max_batched: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    folded: dict[str, Any] = field(default_factory=dict)
    lookahead: Lookahead | None = None
    approximated: list[dict[str, Any]] = field(default_factory=list)


def initial_of(value: torch.Tensor | None) -> Initial:
    """The shortest description of a state's first value."""
    if value is None:
        return Initial()
    array = np.asarray(value.detach().cpu().numpy(), order="C")  # ascontiguousarray would give a scalar an axis
    first = array.flat[0] if array.size else 0
    if array.size == 0 or not array.any():
        return Initial()
    if (array == first).all():
        if np.isfinite(first):
            return Initial(kind="fill", value=float(first))
        array = array.flat[:1].reshape([1] * array.ndim)
    little = array.astype(array.dtype.newbyteorder("<"))
    return Initial(kind="data", shape=array.shape, base64=base64.b64encode(little.tobytes()).decode("ascii"))
