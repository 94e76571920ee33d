"""What the user calls the values that a loop carries."""

from __future__ import annotations

import re
from typing import Any

from torch.fx import Node

from edgeseq.exporters.origin import own_code

_ASSIGNED = re.compile(r"^\s*(?P<names>[A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*)\s*(?::[^=]+)?[-+*/@]?=(?!=)")


def carried_name(initial: Any, slot: Node) -> str:
    """The name on the left of the line that sets what is carried, before the loop or in it; ``carried`` for none."""
    for node in (initial, slot):
        names = _assigned(node) if isinstance(node, Node) else []
        if len(names) == 1:
            return names[0]
    names = _assigned(slot)
    index = slot.args[1] if len(slot.args) > 1 else None
    return names[index] if isinstance(index, int) and len(names) > index >= 0 else "carried"


def _assigned(node: Node) -> list[str]:
    found = _ASSIGNED.match(own_code(node) or "")
    return [name.strip() for name in found["names"].split(",")] if found else []
