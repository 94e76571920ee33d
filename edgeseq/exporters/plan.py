"""What the replay of a graph needs, written down while it is planned."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from edgeseq.contract import Initial, State
from edgeseq.exporters.facts import Reach
from edgeseq.exporters.modes import Lookahead
from edgeseq.exporters.prologue import Split
from edgeseq.exporters.reach import widest


@dataclass
class Carried:
    """One state in one call: ``value`` comes in, ``next`` goes out."""

    value: torch.Tensor
    next: torch.Tensor | None = None


@dataclass
class Wanted:
    """What planning found out about frames that meet: where it differs from what was planned with, plan again."""

    reaches: dict[str, Reach] = field(default_factory=dict)
    waits: dict[str, int] = field(default_factory=dict)

    def reach(self, origins: Iterable[str], reach: Reach) -> None:
        """Let queries reach at least so far."""
        for origin in origins:
            self.reaches[origin] = widest(self.reaches.get(origin, reach), reach)

    def wait(self, origins: Iterable[str], frames: int) -> None:
        """Let keys come at least so many frames late."""
        for origin in origins:
            self.waits[origin] = max(self.waits.get(origin, 0), frames)


@dataclass
class Plan:
    """What the replay of a graph needs, found by running it: its states, constants, limits and controls.

    ``flushes``: at the end the runtime feeds frames past the last real one, so what must not see them masks them.
    ``ranges``: the rows of the smallest table that an integer input indexes, by placeholder. ``rules``: where the rules
    of other packages come from, by op, of those that were used. ``lookahead``: how far bidirectional layers may hear,
    if the user asked for that; ``approximated``: those that do, as the contract names them. ``reaches``: how far
    queries reach, by the node at which frames first meet; ``waits``: the least delay of the keys there; ``wanted``:
    what they should have been. ``split``: what a prologue computes; ``asked``: nodes that it should compute as well.
    """

    multiple: int
    states: dict[str, State] = field(default_factory=dict)
    constants: dict[str, torch.Tensor] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    flushes: bool = False
    flushed: bool = False
    ranges: dict[str, int] = field(default_factory=dict)
    uses_remaining: bool = False
    max_context: int | None = None
    max_frames: int | None = None
    max_batched: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    folded: dict[str, Any] = field(default_factory=dict)
    lookahead: Lookahead | None = None
    approximated: list[dict[str, Any]] = field(default_factory=list)
    reaches: dict[str, Reach] = field(default_factory=dict)
    waits: dict[str, int] = field(default_factory=dict)
    wanted: Wanted = field(default_factory=lambda: Wanted())
    split: Split = field(default_factory=Split)
    asked: set[str] = field(default_factory=set)


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
