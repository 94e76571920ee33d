"""Whether the tail of a value is ever read: where it is cut off again, nothing past the end need be masked."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.contract import Length
from edgeseq.exporters.step import Step

aten = torch.ops.aten


def tail_is_cut(step: Step, kept: Length | None) -> bool:
    """True when every user of the current node is a slice along time that ends within the length ``kept``."""
    assert step.node is not None
    if kept is None or not step.node.users or step.is_output(step.node):
        return False
    return all(_ends_within(step, user, kept) for user in step.node.users)


def _ends_within(step: Step, user: torch.fx.Node, kept: Length) -> bool:
    if user.target is not aten.slice.Tensor:
        return False
    named: dict[str, Any] = {
        "dim": 0,
        "start": 0,
        "step": 1,
        **dict(zip(("x", "dim", "start", "end", "step"), user.args, strict=False)),
    }
    before, after = (step.captured.shape(node.meta["val"]) for node in (step.node, user))  # type: ignore[union-attr]
    dim = int(named["dim"]) % len(before)
    length = step.length(after[dim])
    if length is None:
        # the slice keeps another axis whole: look at what is made of it
        return before == after and not step.is_output(user) and all(_ends_within(step, u, kept) for u in user.users)
    start = named["start"] or 0
    if before[dim] == after[dim] and start == 0:
        return not step.is_output(user) and bool(user.users) and all(_ends_within(step, u, kept) for u in user.users)
    if (
        not isinstance(start, int)
        or start < 0
        or named["step"] != 1
        or (length.period, length.frames) != (kept.period, kept.frames)
    ):
        return False
    return all(
        end is not None and limit is not None and end + start <= limit
        for end, limit in zip(length.at, kept.at, strict=True)
    )
