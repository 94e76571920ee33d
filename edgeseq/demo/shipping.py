"""Make the models that come with edgeseq, in edgeseq/demo/trained: ``make demo-models``. Needs torch.

python -m edgeseq.demo.shipping [FOLDER]

One machine with one set of versions makes the same bytes every time; another processor may round training differently.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from edgeseq.demo import shipped
from edgeseq.demo.run import Say, trained
from edgeseq.demo.settings import Settings
from edgeseq.errors import EdgeseqError

#: The settings that make the models and their scores; the others are of one run of the demo.
MAKING = ("steps", "batch", "context", "scored", "threads", "seed")
#: What is kept of each model's report: nothing that a second run finds different.
KEPT = (
    "title",
    "parameters",
    "learning_rate",
    "training_bits_per_character",
    "bits_per_character",
    "scored_characters",
    "trained_context",
    "bounded",
    "max_context",
    "file",
    "digest",
)


def ship(folder: Path, settings: Settings, say: Say, progress: Say) -> None:
    """Train, export, verify and score both; put them into ``folder``, with what is known of them.

    EdgeseqError where a golden trace does not pass or the files are larger than ``shipped.LIMIT``; then nothing moves.
    """
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        document = trained(scratch, settings, say, progress)
        known = facts_of(document)
        check(document, shipped.size(scratch))
        shipped.copy(known, scratch, folder)
    (folder / shipped.FACTS).write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def facts_of(document: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a demo's report."""
    return {
        "format": shipped.FORMAT,
        "version": shipped.VERSION,
        "settings": {name: document["settings"][name] for name in MAKING},
        "machine": {name: document["machine"][name] for name in ("cpu", "architecture")},
        "versions": document["versions"],
        "text": document["text"],
        "models": {name: {key: model[key] for key in KEPT} for name, model in document["models"].items()},
    }


def check(document: dict[str, Any], size: int) -> None:
    """EdgeseqError where what was made must not be shipped."""
    failed = [name for name, model in document["models"].items() if not model["replay"]["passed"]]
    if failed:
        raise EdgeseqError("a golden trace does not pass", where=", ".join(failed), do="report this")
    if size > shipped.LIMIT:
        raise EdgeseqError(
            "the models are too large to ship",
            got=f"{size} bytes",
            wanted=f"at most {shipped.LIMIT}",
            do="make them smaller",
        )


def main(arguments: list[str]) -> int:
    """Make them; 1 and one line where that fails."""
    folder = Path(arguments[0]) if arguments else shipped.FOLDER
    try:
        ship(folder, Settings(), print, lambda line: print(line, file=sys.stderr))
    except EdgeseqError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{shipped.size(folder):,} of {shipped.LIMIT:,} bytes in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
