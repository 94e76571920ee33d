"""Files of weights: reading them without running what they hold, and finding the state_dict in them."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from edgeseq.cli.users_code import running
from edgeseq.errors import NotInstalled, UsageError

SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors")
#: Where training code puts a state_dict, the likeliest first.
USUAL = ("state_dict", "model_state_dict", "model", "net", "generator")
#: How deep a state_dict may lie: ``{"model": {"state_dict": ...}}``.
_DEPTH = 2


def read_checkpoint(path: Path, trust: bool = False) -> Any:
    """What the file holds, on the CPU; UsageError where it cannot be read, or only by running code that it names.

    ``trust`` lets a pickle do that. A whole module among the contents is replaced by its state_dict, and that is said.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(
            "cannot read weights",
            where=str(path),
            got=path.suffix or "no suffix",
            wanted=f"one of {', '.join(SUFFIXES)}",
        )
    if not path.is_file():
        raise UsageError("no such weights file", got=str(path))
    return _safetensors(path) if path.suffix == ".safetensors" else _pickled(path, trust)


def state_dicts(
    document: Any, path: Path, depth: int = _DEPTH, where: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every dict from names to tensors in a checkpoint, with the dotted place where it lies; ``""``: at the top."""
    from torch import nn

    if isinstance(document, nn.Module):
        click.echo(f"weights: {path} holds a whole {type(document).__name__}, of which the weights are taken", err=True)
        document = document.state_dict()
    if not isinstance(document, dict):
        return
    if any(_is_tensor(value) for value in document.values()):
        yield where, {name: value for name, value in document.items() if isinstance(name, str)}
    for name, value in document.items() if depth else ():
        yield from state_dicts(value, path, depth - 1, f"{where}.{name}" if where else str(name))


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _safetensors(path: Path) -> Any:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        if error.name != "safetensors":
            raise
        raise NotInstalled(
            "cannot read .safetensors", why="safetensors is not installed", do="run pip install 'edgeseq[export]'"
        ) from None
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error, "write it with safetensors.torch.save_file(model.state_dict(), path)") from None


def _pickled(path: Path, trust: bool) -> Any:
    import torch

    try:
        if trust:
            with running(f"reading {path}"):
                return torch.load(path, map_location="cpu", weights_only=False)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named is None:
            raise _unreadable(path, error, _SAVE) from None
        raise UsageError(
            "the weights file holds more than tensors",
            where=str(path),
            why=f"reading it would run code that it names: {named[1]}",
            do="add --trust if you trust whoever made it, or save the weights alone: "
            "torch.save(model.state_dict(), path)",
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _unreadable(path, error, _SAVE) from None


_SAVE = "save them with torch.save(model.state_dict(), path)"


def _unreadable(path: Path, error: Exception, do: str) -> UsageError:
    lines = str(error).strip().splitlines() or ["the file is cut short"]
    # A file that is no pickle makes Python look up whatever byte it begins with: a KeyError with a number.
    why = "it is no checkpoint, or a damaged one" if isinstance(error, KeyError) else lines[0].rstrip(".")
    return UsageError("cannot read weights", where=str(path), why=why, do=do)
