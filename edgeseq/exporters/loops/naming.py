"""What the user calls the values that a loop carries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from torch.fx import Node

from edgeseq.exporters.origin import own_code

_ASSIGNED = re.compile(r"^\s*(?P<names>[A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*)\s*(?::[^=]+)?[-+*/@]?=(?!=)")


def carried_name(initial: Any, slot: Node) -> str:
    """The name on the left of the line that sets what is carried, in the loop or before it; ``carried`` for none.

    torch may keep the line of the forward alone: where that is one line for both, it names something else.
    """
    if isinstance(initial, Node) and own_code(initial) == own_code(slot):
        return "carried"
    index = slot.args[1] if len(slot.args) > 1 else None
    inside, before = _assigned(slot), _assigned(initial)
    if len(inside) > 1 and isinstance(index, int) and len(inside) > index >= 0:
        return inside[index]
    return next((names[0] for names in (inside, before) if len(names) == 1), "carried")


def scanned_names(scan: Node, initials: Sequence[Node]) -> tuple[str, ...]:
    """The names of what a ``scan`` carries: of its first values, or ``h`` in ``h, ys = scan(...)``."""
    names = _assigned(scan)
    if len(initials) == 1 and len(names) > 1 and names[0] != "_":
        return (names[0],)
    found = [_assigned(initial) if own_code(initial) != own_code(scan) else [] for initial in initials]
    return tuple(names[0] if len(names) == 1 else "carried" for names in found)


def _assigned(node: Any) -> list[str]:
    found = _ASSIGNED.match(own_code(node) or "") if isinstance(node, Node) else None
    return [name.strip() for name in found["names"].split(",")] if found else []
