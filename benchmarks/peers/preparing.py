"""Prepares what is measured: each case's files, each engine's own, and the comparison of its answers with PyTorch's."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.peers.cases import Case
from benchmarks.peers.processes import Failed, run, start
from benchmarks.peers.table import Engine

#: An engine's answers may be so far from PyTorch's, as a part of the largest answer.
TOLERANCE = 1e-4
PREPARED = "prepared.json"


@dataclass(frozen=True)
class Prepared:
    """One engine on one case: ready to be timed, or ``refused`` with the reason.

    ``furthest`` is the greatest distance of an answer from PyTorch's over ``steps`` steps, ``largest`` the greatest
    answer.
    """

    engine: str
    case: str
    refused: str | None
    steps: int = 0
    furthest: float | None = None
    largest: float | None = None


def prepare(engines: Sequence[Engine], cases: Sequence[Case], work: Path, say: Callable[[str], None]) -> list[Prepared]:
    """Prepare every engine on every case it is tried on; kept in ``work`` with what was prepared there before."""
    kept = {(item.engine, item.case): item for item in prepared(work)}
    for case in cases:
        reason = _shared(case, work / case.slug)
        for engine in (engine for engine in engines if case.kind in engine.kinds):
            item = _one(engine, case, work / case.slug) if reason is None else _refused(engine, case, reason)
            kept[engine.module, case.slug] = item
            say(f"{case.name}: {engine.name}: {item.refused or f'{item.furthest:.1e} from PyTorch'}")
            _save(work, list(kept.values()))
    return list(kept.values())


def prepared(work: Path) -> list[Prepared]:
    """What was prepared in ``work``."""
    path = work / PREPARED
    return [Prepared(**item) for item in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def _shared(case: Case, folder: Path) -> str | None:
    try:
        start([sys.executable, "-m", "benchmarks.peers.shared", case.slug, str(folder)])
    except Failed as error:
        return f"the files of the case: {error}"
    return None


def _one(engine: Engine, case: Case, folder: Path) -> Prepared:
    try:
        run("prepare", engine, case, folder)
        found = run("compare", engine, case, folder)
    except Failed as error:
        return _refused(engine, case, str(error))
    wrong = not found["furthest"] <= TOLERANCE * found["largest"]
    reason = f"its answers are up to {found['furthest']:.2g} from PyTorch's, which are up to {found['largest']:.2g}"
    return Prepared(engine.module, case.slug, reason if wrong else None, **found)


def _refused(engine: Engine, case: Case, reason: str) -> Prepared:
    return Prepared(engine.module, case.slug, reason)


def _save(work: Path, items: list[Prepared]) -> None:
    written = work / f"{PREPARED}.part"
    written.write_text(json.dumps([asdict(item) for item in items], indent=1), encoding="utf-8")
    os.replace(written, work / PREPARED)
