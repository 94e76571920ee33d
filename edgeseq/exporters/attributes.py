"""What a model writes on itself while it is captured is taken back."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

from torch import nn


@contextlib.contextmanager
def attributes_put_back(model: nn.Module) -> Iterator[None]:
    """The modules' attributes are afterwards what they were: a mask that forward cached has no values then."""
    before = [(module, _copied(module.__dict__)) for module in model.modules()]
    try:
        yield
    finally:
        for module, attributes in before:
            module.__dict__.clear()
            module.__dict__.update(attributes)


def _copied(attributes: dict[str, Any]) -> dict[str, Any]:
    """The attributes, and what lies in dictionaries and lists among them, buffers for one."""
    return {name: copy.copy(value) if type(value) in (dict, list) else value for name, value in attributes.items()}
