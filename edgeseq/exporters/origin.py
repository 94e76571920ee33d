"""Where in the user's code a captured node comes from."""

from __future__ import annotations

import re
from pathlib import Path

import torch

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_LIBRARY = re.compile(
    r"[/\\](site|dist)-packages[/\\](torch|edgeseq)[/\\]|[/\\]edgeseq[/\\]exporters[/\\]|^<eval_with_key>"
)


def op_name(node: torch.fx.Node) -> str:
    """``aten.flip``: the op as torch calls it; a recurrent call by its own name."""
    name = getattr(node.target, "__name__", str(node.target)).split(".")[0]
    namespace = getattr(node.target, "namespace", "python")
    if (namespace, name) == ("edgeseq", "recurrent"):
        return f"aten.{node.args[3]}"
    return f"{namespace}.{re.sub('^_?(native_|fused_|safe_)?|_legit.*$', '', name)}"


def module_path(node: torch.fx.Node) -> str:
    """The dotted path of the module whose forward made the node; empty for the model itself."""
    for path, _ in reversed(list((node.meta.get("nn_module_stack") or {}).values())):
        if isinstance(path, str) and not path.startswith("_empty"):
            return path
    return ""


def source_line(node: torch.fx.Node) -> str | None:
    """``model.py:41``: the innermost line that is the user's own, else the innermost of all."""
    found = [(match["file"], match["line"]) for match in _FRAME.finditer(node.meta.get("stack_trace") or "")]
    own = [place for place in found if not _LIBRARY.search(place[0])]
    chosen = (own or found)[-1:]
    return f"{Path(chosen[0][0]).name}:{chosen[0][1]}" if chosen else None


def own_code(node: torch.fx.Node) -> str | None:
    """The text of the user's line that made the node, if it was kept."""
    lines = (node.meta.get("stack_trace") or "").splitlines()
    places = [(index, match) for index, line in enumerate(lines) if (match := _FRAME.search(line))]
    own = [index for index, match in places if not _LIBRARY.search(match["file"])]
    return lines[own[-1] + 1].strip() if own and own[-1] + 1 < len(lines) else None
