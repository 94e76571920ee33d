"""What a model writes on itself while it is captured is taken back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn


@contextlib.contextmanager
def attributes_put_back(model: nn.Module) -> Iterator[None]:
    """The modules' attributes are afterwards what they were: a mask that forward cached has no values then."""
    before = [(module, dict(module.__dict__)) for module in model.modules()]
    try:
        yield
    finally:
        for module, attributes in before:
            module.__dict__.clear()
            module.__dict__.update(attributes)
