"""JSON as a contract may be written: read the same by every client, and harmless to print. Standard library only."""

from __future__ import annotations

import json
import math
from typing import Any

from edgeseq.errors import UNREADABLE

#: How deep objects and lists may lie in each other: far deeper than any contract, far from Python's own limit.
DEEPEST = 32
#: Characters or bytes: Python makes up to thirty times as much of them.
LONGEST = 2**24


def read_json(text: str | bytes) -> Any:
    """The value that ``text`` spells; bytes are UTF-8. ValueError says why where it is not JSON.

    Refused too is what other readers of JSON take for something else: a name that stands twice in an object, NaN and
    infinities, numbers too large for a float; what is nested more than ``DEEPEST`` deep or longer than ``LONGEST``; and
    texts that a terminal would obey (control characters) or that cannot be written as UTF-8.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST} characters")
    try:
        value = json.loads(
            text if isinstance(text, str) else text.decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check(value)
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name[:60]!r} stands twice in one object")
        found[name] = value
    return found


def _check(value: Any) -> None:
    """Look at every text, without recursion: how deep it goes is what we want to know."""
    level, depth = [value], 0
    while level:
        inside: list[Any] = []
        for item in level:
            if isinstance(item, str) and UNREADABLE.search(item):
                raise ValueError(f"the text {item[:60]!r} holds a control character")
            if isinstance(item, (dict, list)):
                if depth == DEEPEST:
                    raise ValueError(f"it is nested more than {DEEPEST} deep")
                inside += item
            if isinstance(item, dict):
                inside += item.values()
        level, depth = inside, depth + 1
