"""Which of edgeseq's own requirements are not met, as far as they can be read without a package for it."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from edgeseq.errors import NotInstalled

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;\s*(.*))?")
_BOUND = re.compile(r"\s*(>=|<=|==|!=|<|>)\s*([0-9]+(?:\.[0-9]+)*)\s*")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_HOLDS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Requirement:
    """A distribution, the range of its versions as text, and the extra that asks for it (None: edgeseq itself)."""

    name: str
    wanted: str
    extra: str | None

    def allows(self, version: str) -> bool:
        """Whether a version lies in the range; bounds of a kind not known here allow everything.

        Only the release counts: ``2.13.0+cpu`` and ``2.13.0rc1`` are 2.13.0.
        """
        release = re.match(r"[0-9]+(?:\.[0-9]+)*", version.strip())
        if release is None:
            return True
        bounds = [_BOUND.fullmatch(bound) for bound in self.wanted.split(",")]
        return all(_HOLDS[bound[1]](*_aligned(release[0], bound[2])) for bound in bounds if bound is not None)


def read_requirement(text: str) -> Requirement | None:
    """A line of ``Requires-Dist``; None where it cannot be read."""
    match = _REQUIREMENT.fullmatch(text)
    if match is None:
        return None
    extra = _EXTRA.search(match[3] or "")
    return Requirement(match[1].lower(), ",".join(sorted(match[2].strip().split(","))[::-1]), extra and extra[1])


def not_installed(error: ModuleNotFoundError, needed: Collection[str], what: str, extra: str) -> ImportError:
    """What to raise where an import failed: NotInstalled for a module of ``needed``, else the error itself.

    ``what`` says what needs them, ``extra`` is the extra of edgeseq that brings them.
    """
    if error.name not in needed:
        return error
    return NotInstalled(
        what, why=f"{error.name} is not installed", do=f"install them with: pip install 'edgeseq[{extra}]'"
    )


def _aligned(one: str, other: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two versions as numbers of the same count: 2.13 and 2.13.0 are one version."""
    left, right = ([int(part) for part in text.split(".")] for text in (one, other))
    size = max(len(left), len(right))
    return tuple(left + [0] * (size - len(left))), tuple(right + [0] * (size - len(right)))
