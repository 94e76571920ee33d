"""What a verification found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One law on one file: whether it held, how far the worst value was off, and where."""

    name: str
    passed: bool
    detail: str
    worst: float = 0.0
    allowed: float = 0.0


@dataclass(frozen=True)
class Verification:
    """All checks of one file. ``settings`` says on how many frames, rows and chunkings, and with what tolerance.

    ``digest`` is that of the file on which they were made.
    """

    checks: tuple[Check, ...]
    settings: Mapping[str, Any]
    digest: str

    @property
    def passed(self) -> bool:
        """True when every law held."""
        return all(check.passed for check in self.checks)

    @property
    def amplifying(self) -> bool:
        """Whether the module amplifies rounding, so that it was compared in windows."""
        return "windows" in self.settings.get("horizon", {})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored in the contract."""
        return {
            "digest": self.digest,
            "passed": self.passed,
            "checks": [
                {name: value if _plain(value) else None for name, value in asdict(check).items()}
                for check in self.checks
            ],
            "settings": dict(self.settings),
        }


def _plain(value: object) -> bool:
    """Whether JSON has a word for it: not for an infinite distance."""
    return not isinstance(value, float) or math.isfinite(value)
