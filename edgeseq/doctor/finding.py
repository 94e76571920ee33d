"""One thing worth knowing about a machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from edgeseq.doctor.facts import Facts

Severity = Literal["broken", "warning", "note"]

#: From what keeps edgeseq from working to what is only good to know.
SEVERITIES: tuple[Severity, ...] = ("broken", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """Something by its name: ``broken`` (edgeseq cannot work), ``warning`` (figures or files suffer) or ``note``.

    ``do`` is what to change, None where nothing can be.
    """

    name: str
    severity: Severity
    what: str
    do: str | None = None


#: Looks at the facts and yields what it finds.
Check = Callable[[Facts], Iterator[Finding]]
