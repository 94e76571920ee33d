"""Many cases in worker processes: what became of them, and what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.bases import read_bases
from tests.fuzz.cases import KINDS, case, write

ROOT = Path(__file__).parent.parent.parent
#: Cases of one worker process; a worker that dies is followed by another.
BATCH = 2000
#: Characters kept of what a worker wrote to standard error, where onnxruntime writes too.
LONGEST = 6000


@dataclass
class Found:
    """What a campaign found. ``words`` counts, by kind of change, how far the cases came; ``bugs`` are by number."""

    words: Counter[tuple[str, str]] = field(default_factory=Counter)
    bugs: dict[int, str] = field(default_factory=dict)
    slowest: tuple[float, int] = (0.0, -1)

    @property
    def cases(self) -> int:
        """How many cases were run."""
        return sum(self.words.values())

    def count(self, kind: str, *words: str) -> int:
        """Cases of a kind that came as far as one of ``words``."""
        return sum(count for (of, word), count in self.words.items() if of == kind and word in words)


def campaign(
    bases: Path,
    seed: int,
    first: int,
    last: int,
    *,
    seconds: float = 20,
    megabytes: int = 1000,
    kinds: Mapping[str, int] = KINDS,
    exercise: str = "tests.fuzz.exercise:exercise",
    watch: Callable[[Found], None] = lambda found: None,
) -> Found:
    """Run the cases ``first`` to ``last`` of ``seed``, each for at most so many seconds, with so much more memory.

    ``watch`` is called after every worker.
    """
    found, at = Found(), first
    settings = {
        "bases": str(bases),
        "seed": seed,
        "seconds": seconds,
        "megabytes": megabytes,
        "kinds": dict(kinds),
        "exercise": exercise,
    }
    while at < last:
        at = _work({**settings, "first": at, "last": min(last, at + BATCH)}, found)
        watch(found)
    return found


def _work(settings: dict[str, Any], found: Found) -> int:
    """Let a worker do its cases; the number of the first that is left."""
    with tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, "-m", "tests.fuzz.worker", json.dumps(settings)]
        begun: int | None = None
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=said, text=True) as process:
            for line in process.stdout or ():
                event = json.loads(line)
                begun = event.get("begin")
                if "end" in event:
                    _note(event, found)
        code = process.returncode
        said.seek(0)
        errors = said.read()[-LONGEST:]
    if code == 0:
        return int(settings["last"])
    if begun is None:
        raise RuntimeError(f"a worker died outside its cases:\n{errors}")
    found.words["?", "died"] += 1
    found.bugs[begun] = f"the process ended with {code}:\n{errors}"
    return begun + 1


def _note(event: Mapping[str, Any], found: Found) -> None:
    found.words[event["kind"], event["word"]] += 1
    found.slowest = max(found.slowest, (event["seconds"], event["end"]))
    if event["bug"]:
        found.bugs[event["end"]] = f"{event['kind']} of {event['base']}\n{event['bug']}"


def save(found: Found, bases: Path, seed: int, folder: Path, kinds: Mapping[str, int] = KINDS) -> None:
    """Put the files of every bug into a folder of its own, with what happened in ``bug.txt``."""
    loaded = read_bases(bases) if found.bugs else []
    for number, bug in found.bugs.items():
        place = folder / f"{seed}-{number}"
        place.mkdir(parents=True, exist_ok=True)
        write(case(seed, number, loaded, kinds), place)
        (place / "bug.txt").write_text(bug, encoding="utf-8")
