"""The last self-check of this machine, kept in the user's cache and put into every result."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeseq.errors import UsageError
from edgeseq.files import write_whole

#: What has to be the same for a self-check to say something of a result.
_SAME = ("cpu", "architecture", "usable_cores", "quota_cores", "governor", "virtual", "system")


def place() -> Path:
    """Where it is kept: in ``$XDG_CACHE_HOME/edgeseq``, on Windows in ``%LOCALAPPDATA%``, else in ``~/.cache``."""
    named = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return (Path(named) if named else Path.home() / ".cache") / "edgeseq" / "self-check.json"


def store(found: Mapping[str, Any]) -> Path:
    """Keep what was found; UsageError where its folder cannot be written."""
    path = place()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda file: file.write((json.dumps(found, indent=1) + "\n").encode()))
    except OSError as error:
        raise UsageError("the self-check cannot be kept", where=str(path), why=error.strerror) from None
    return path


def stored_for(machine: Mapping[str, Any], versions: Mapping[str, str]) -> dict[str, Any] | None:
    """The self-check of this machine with this onnxruntime; None where there is none or it is of another."""
    try:
        found = json.loads(place().read_text(encoding="utf-8"))
        same = all(found["machine"].get(name) == machine.get(name) for name in _SAME)
        return dict(found) if same and found["versions"]["onnxruntime"] == versions["onnxruntime"] else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def sentence(found: Mapping[str, Any] | None) -> str:
    """What stands under every table."""
    if found is None:
        return "no self-check of this machine yet: edgeseq bench M.ONNX --self-check finds what differences it can show"
    parts = [
        f"{100 * mode['visible_share']:.1f} % ({name.replace('_', ' ')})"
        if mode["visible_share"] is not None
        else f"100 % ({name.replace('_', ' ')})"
        for name, mode in found["modes"].items()
    ]
    return (
        f"differences in p50 below {' and '.join(parts)} are not visible on this machine in {found['runs']} processes "
        f"(self-check of {found['date']} with {found['file']})"
    )
