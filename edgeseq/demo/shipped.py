"""The two models that come with edgeseq: where they lie and what is known of them.

``python -m edgeseq.demo.shipping`` makes them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeseq.errors import EdgeseqError

#: The models, their golden traces and FACTS.
FOLDER = Path(__file__).parent / "trained"
#: Title, size, quality and digest of each model, and how they were made.
FACTS = "models.json"
FORMAT, VERSION = "edgeseq.demo.models", 1
#: Bytes that models and golden traces may take together: they are in every wheel.
LIMIT = 400 * 1024


def facts(folder: Path) -> dict[str, Any]:
    """What FACTS says; EdgeseqError where this installation has lost it."""
    try:
        found: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EdgeseqError(
            "the models of the demo cannot be read",
            where=str(folder / FACTS),
            why=error.strerror if isinstance(error, OSError) else "it is not JSON",
            do="install edgeseq again",
        ) from None
    return found


def models(known: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """The file of each model of FACTS."""
    return {name: folder / model["file"]["name"] for name, model in known["models"].items()}


def copy(known: Mapping[str, Any], folder: Path, target: Path) -> None:
    """Copy each model and its golden trace from ``folder`` to ``target``."""
    names = [name for path in models(known, folder).values() for name in (path.name, f"{path.stem}.golden.npz")]
    for name in names:
        shutil.copyfile(folder / name, target / name)


def size(folder: Path) -> int:
    """Bytes of all models and golden traces in ``folder``."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix in (".onnx", ".npz"))
