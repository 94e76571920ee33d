"""Arguments of ``forward`` by dotted name, as it takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def nested(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """``{"state.0": h, "bag.audio": x}`` as ``{"state": (h,), "bag": {"audio": x}}``."""
    found: dict[str, Any] = {}
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        place = found
        for word in path:
            place = place.setdefault(word, {})
        place[last] = tensor
    return {name: _with_tuples(value) for name, value in found.items()}


def _with_tuples(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _with_tuples(item) for key, item in value.items()}
    return tuple(inner.values()) if all(key.isdigit() for key in inner) else inner
