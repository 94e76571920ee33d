"""A file of weights: the state_dict in it, wherever training code put it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseq.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

_NESTED = ("state_dict", "model_state_dict", "model")
_SHOWN = 5


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a state_dict into the model; UsageError where the file holds none or its names or shapes do not fit."""
    found = _read_weights(path)
    own = model.state_dict()
    prefix = _common_prefix(found, own)
    if prefix:
        click.echo(f"weights: every name in {path} begins with {prefix!r}, which was dropped", err=True)
        found = {name.removeprefix(prefix): value for name, value in found.items()}
    missing = [name for name in own if name not in found]
    unexpected = [name for name in found if name not in own]
    if missing or unexpected:
        parts = [
            f"{word} {', '.join(names[:_SHOWN])}{' and others' if len(names) > _SHOWN else ''}"
            for word, names in (("missing", missing), ("unexpected", unexpected))
            if names
        ]
        raise UsageError("weights do not fit the model", where=str(path), why="; ".join(parts))
    try:
        model.load_state_dict(found)
    except RuntimeError as error:
        raise UsageError("weights do not fit the model", where=str(path), why=str(error)) from None


def _common_prefix(found: dict[str, Any], own: dict[str, Any]) -> str:
    """What stands before every name of ``found`` and makes them differ from ``own``: ``module.`` or the like."""
    first = next(iter(own), "")
    candidates = (name.removesuffix(first) for name in found if first and name.endswith(f".{first}"))
    return next((text for text in candidates if {text + name for name in own} == set(found)), "")


def _read_weights(path: Path) -> dict[str, Any]:
    """The state_dict of a checkpoint, also where it lies under a usual name inside it."""
    import torch

    if path.suffix not in (".pt", ".pth", ".ckpt"):
        raise UsageError(
            "cannot read weights",
            where=str(path),
            got=path.suffix or "no suffix",
            wanted=".pt, .pth or .ckpt (.safetensors is not read yet)",
        )
    try:
        document = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UsageError("no such weights file", got=str(path)) from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise UsageError(
            "cannot read weights",
            where=str(path),
            why=(str(error).splitlines() or ["the file is cut short"])[0],
            do="save them with torch.save(model.state_dict(), path)",
        ) from None
    while (inner := _inner(document)) is not None:
        document = inner
    if not isinstance(document, dict) or not all(isinstance(value, torch.Tensor) for value in document.values()):
        raise UsageError("no state_dict in the weights file", got=str(path), wanted="a dict from names to tensors")
    return document


def _inner(document: Any) -> dict[str, Any] | None:
    """What lies under one of the usual names of a checkpoint."""
    if not isinstance(document, dict):
        return None
    return next((document[name] for name in _NESTED if isinstance(document.get(name), dict)), None)
