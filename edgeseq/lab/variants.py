"""What is compared: files, and the ways to step each of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseq.errors import UsageError
from edgeseq.runtime.loading import describe
from edgeseq.runtime.measuring.measure import settings_for
from edgeseq.runtime.measuring.settings import Settings

#: What may take several values in one experiment, and how a name says so.
AXES: Mapping[str, str] = {"batch": "batch {}", "chunk": "chunk {}", "threads": "threads {}", "streams": "streams {}"}


@dataclass(frozen=True)
class Variant:
    """A file and one way to step it, under the name that tables give it."""

    name: str
    settings: Settings


def variants_of(
    paths: Sequence[str | os.PathLike[str]],
    axes: Mapping[str, Sequence[int]] | None = None,
    period: float | None = None,
    default_period: float | None = None,
    **common: Any,
) -> tuple[Variant, ...]:
    """Every file with every combination of the values in ``axes``; ``common`` as for ``settings_for``.

    ``period`` in seconds, None: that of the file's frames, and where it has none ``default_period``; where that is None
    too there are no paced steps. Of several files each is timed at those positions of ``at`` that its context has.
    UsageError for a wrong call, and where two would have the same name.
    """
    swept = {name: values for name, values in (axes or {}).items() if len(values) > 1}
    fixed = {name: values[0] for name, values in (axes or {}).items() if len(values) == 1}
    names = _names(paths)
    found = []
    for path in paths:
        for values in itertools.product(*swept.values()):
            chosen = dict(zip(swept, values, strict=True))
            labels = [AXES[name].format(value) for name, value in chosen.items()]
            asked = {**common, **fixed, **chosen}
            if len(paths) > 1 and "at" in asked:
                asked["at"] = _within(path, asked["at"])
            asked["period"] = period or _file_period(path, asked.get("chunk")) or default_period
            found.append(Variant(", ".join([names[str(path)], *labels]), settings_for(path, **asked)))
    twice = {one.name for one in found if sum(other.name == one.name for other in found) > 1}
    if twice:
        raise UsageError("the same thing stands twice", got=", ".join(sorted(twice)), wanted="each once")
    return tuple(found)


def _names(paths: Sequence[str | os.PathLike[str]]) -> dict[str, str]:
    """The name of each file without its folder; with it where two would be the same."""
    bare = [Path(path).name for path in paths]
    return {str(path): name if bare.count(name) == 1 else str(path) for path, name in zip(paths, bare, strict=True)}


def _within(path: str | os.PathLike[str], positions: Sequence[int]) -> list[int]:
    """The positions that a file's context has: beside files that go further it is measured where it can be."""
    limit = describe(path).contract.max_context
    return [position for position in positions if limit is None or position <= limit]


def _file_period(path: str | os.PathLike[str], chunk: int | None) -> float | None:
    """Seconds from step to step, as the file's frame period says."""
    contract = describe(path).contract
    frames = chunk or contract.chunk.multiple
    return None if contract.frame_period is None else frames * contract.frame_period
