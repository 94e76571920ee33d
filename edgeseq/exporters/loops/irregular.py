"""Why what looked like a loop is none that can be rolled up."""

from __future__ import annotations

from torch.fx import Node


class Irregular(Exception):
    """The turns differ; ``node`` is where it shows."""

    def __init__(self, node: Node | None, why: str) -> None:
        super().__init__(why)
        self.node, self.why = node, why


class TooFewTurns(Irregular):
    """Nothing is seen to repeat."""
