"""What ``edgeseq explain`` says: a table of modules, what a frame costs, the contract or the reasons against it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from edgeseq.cli.modules import module_table
from edgeseq.cli.summary import explained, memory
from edgeseq.cli.tables import WIDTH
from edgeseq.contract import plain
from edgeseq.errors import NotStreamable
from edgeseq.exporters.diagnosis.diagnose import Diagnosis
from edgeseq.exporters.diagnosis.nodes import detailed, listed
from edgeseq.specs import InputSpec
from edgeseq.structure import total


def report(found: Diagnosis) -> str:
    """The text of a diagnosis."""
    if found.contract is not None:
        return explained(found.contract)
    return "\n".join([*module_table(found.modules, None), "", *_refusals(found.refusals)])


def document(found: Diagnosis, specs: Mapping[str, InputSpec]) -> dict[str, Any]:
    """The JSON of a diagnosis."""
    contract = found.contract
    return {
        "format": "edgeseq.explain",
        "version": 1,
        "inputs": {name: str(spec) for name, spec in specs.items()},
        "modules": plain(found.modules),
        "cost": None if contract is None or not found.modules else plain(total(found.modules)),
        "refusals": [
            {"what": error.what, "where": error.where, "why": error.why, "do": error.do} for error in found.refusals
        ],
        "state_bytes_per_stream": None if contract is None else memory(contract),
        "contract": None if contract is None else json.loads(contract.to_json()),
    }


def nodes(found: Diagnosis, name: str | None) -> str:
    """The captured nodes, a line each, or one of them in detail."""
    return "\n".join(listed(found) if name is None else detailed(found, name))


def reasons(count: int) -> str:
    """``1 reason``, ``3 reasons``."""
    return f"{count} reason{'' if count == 1 else 's'}"


def _refusals(refusals: Sequence[NotStreamable]) -> list[str]:
    lines = [f"It does not stream, for {reasons(len(refusals))}. Later ones assume that earlier ones are solved."]
    for number, alike in enumerate(_alike(refusals), 1):
        lines += ["", *_refusal(number, alike)]
    return lines


def _refusal(number: int, alike: Sequence[NotStreamable]) -> list[str]:
    first, label = alike[0], f"{number}. "
    shift = " " * len(label)
    lines = [f"{label}{first.what} at {first.where}"]
    if len(alike) > 1:
        lines += _wrapped("and at " + ", ".join(str(error.where) for error in alike[1:]), shift)
    lines += _wrapped(f"{first.why}.", shift)
    return lines + _wrapped(f"-> {first.do}.", shift) if first.do else lines


def _wrapped(text: str, shift: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=shift, subsequent_indent=shift)


def _alike(refusals: Sequence[NotStreamable]) -> list[list[NotStreamable]]:
    """Refusals that differ in their place only, together."""
    groups: dict[Any, list[NotStreamable]] = {}
    for error in refusals:
        groups.setdefault((error.what, error.why, error.do), []).append(error)
    return list(groups.values())
