"""Comparisons and self-checks as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgeseq.cli.durations import format_duration
from edgeseq.cli.measured.many import describe_many
from edgeseq.cli.measured.one import describe_one
from edgeseq.cli.measured.words import noted
from edgeseq.cli.sizes import format_share
from edgeseq.cli.tables import WIDTH, table
from edgeseq.lab.units import MODES

if TYPE_CHECKING:
    from edgeseq.lab.comparison import Comparison
    from edgeseq.lab.findings import Finding


def describe(comparison: Comparison) -> str:
    """All that was found."""
    lines = describe_one(comparison.subjects[0]) if len(comparison.subjects) == 1 else describe_many(comparison)
    return "\n".join([*lines, *_below(comparison)])


def describe_self_check(found: Mapping[str, Any]) -> str:
    """What a self-check found, and how."""
    from edgeseq.lab.selfcheck.stored import sentence

    rows = [
        [
            MODES[mode],
            format_duration(judged["p50_ns"] / 1e9),
            format_share(judged["called_different"]) if judged["called_different"] else "none",
            *(f"{format_share(share) if share else 'none'}" for share in judged["found"].values()),
            "-" if judged["visible_share"] is None else format_share(judged["visible_share"]),
        ]
        for mode, judged in found["modes"].items()
    ]
    delays = [f"{100 * float(share):g} % found" for share in next(iter(found["modes"].values()))["found"]]
    return "\n".join(
        [
            f"{found['file']}: {found['rounds']} rounds of fresh processes, {found['trials']} comparisons of "
            f"{found['runs']} of them each",
            "",
            *table(["step", "p50", "equal called different", *delays, "visible from"], rows),
            "",
            *textwrap.wrap(sentence(found), WIDTH),
        ]
    )


def _below(comparison: Comparison) -> Iterator[str]:
    """What stands under every table: findings, and what differences can be seen here."""
    from edgeseq.lab.findings import find_all
    from edgeseq.lab.joining import unlike
    from edgeseq.lab.selfcheck.stored import sentence

    notes = [("unlike", text) for text in unlike(comparison)]
    notes += [("finding", text) for text in _findings(find_all(comparison), len(comparison.subjects))]
    notes.append(("visible", sentence(comparison.self_check)))
    for kind, text in notes:
        yield from noted(kind, text)


def _findings(found: Sequence[tuple[str, Finding]], subjects: int) -> Iterator[str]:
    """Each by name, with the subjects that it is about where these are not all; one that is said of several, once."""
    about: dict[Finding, list[str]] = {}
    for subject, finding in found:
        about.setdefault(finding, []).append(subject)
    for finding, names in about.items():
        whose = "" if names == [""] or len(names) == subjects else f"{', '.join(names)}: "
        yield f"{finding.name}: {whose}{finding.sentence}"
