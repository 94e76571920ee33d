"""The check that the numbers of a mode share."""

from __future__ import annotations

from edgeseq.errors import UsageError


def check_whole(mode: str, name: str, value: object, least: int) -> None:
    """UsageError for what is not a whole number from ``least``."""
    if type(value) is not int or not least <= value < 2**31:
        raise UsageError(f"{name} of {mode} must be a whole number from {least}", got=repr(value))
