"""Modes as text and as JSON: ``window:64,hop=8``, and what a contract holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from edgeseq.contract import ADOPTED
from edgeseq.errors import UsageError
from edgeseq.exporters.modes import MODES, Exact, Mode, Sequence


def parse_mode(text: str) -> Mode:
    """``window:64,hop=8`` as ``Window(frames=64, hop=8)``; the first number needs no name."""
    name, _, rest = text.strip().partition(":")
    kind = MODES.get(name.strip())
    if kind is None:
        raise UsageError("unknown mode", got=repr(text), wanted=f"{', '.join(MODES)}; as in window:64,hop=8")
    known = [field.name for field in fields(kind)]
    given: dict[str, int] = {}
    for index, part in enumerate(rest.split(",") if rest.strip() else []):
        word, equals, number = part.partition("=")
        key, digits = (word.strip(), number.strip()) if equals else (known[0] if known and not index else "", word)
        if key not in known or key in given or not digits.strip().isdecimal():
            wanted = f"{name}:{','.join([known[0].upper(), *(f'{item}=N' for item in known[1:])])}" if known else name
            raise UsageError("cannot read a mode", got=repr(text), wanted=wanted)
        given[key] = int(digits)
    if known and known[0] not in given:
        raise UsageError(f"mode {name} needs a number of frames", got=repr(text), wanted=f"{name}:64")
    return kind(**given)


def mode_of(described: Mapping[str, Any]) -> Mode:
    """The mode that a contract holds; UsageError where this edgeseq does not know it.

    An adopted file is held against its module, where there is one, as an exact one is.
    """
    name = str(described.get("name"))
    kind = Exact if name == ADOPTED else MODES.get(name)
    if kind is None:
        raise UsageError("unknown mode", got=repr(described.get("name")), wanted=", ".join(MODES))
    return kind(**{field.name: described[field.name] for field in fields(kind)})


def described(mode: Mode, **more: Any) -> dict[str, Any]:
    """The mode as a contract holds it: its name, its numbers, and what was found for this model."""
    return {"name": mode.name, **asdict(mode), **more}


def approximates(mode: Mapping[str, Any]) -> bool:
    """Whether files of this mode compute something else than their module."""
    return mode.get("name") not in (Exact.name, Sequence.name, ADOPTED)
