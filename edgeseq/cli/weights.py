"""A file of weights into a module: the state_dict whose names fit best, one common prefix taken off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseq.cli.checkpoints import USUAL, read_checkpoint, state_dicts
from edgeseq.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

_SHOWN = 10
#: A counter of batch norm that only training reads; files from before it was counted lack it.
_HARMLESS = "num_batches_tracked"


@dataclass(frozen=True)
class Fit:
    """A state_dict of a checkpoint beside the module's own: names without ``prefix``, and how many of them fit.

    ``fitting`` counts equal names with equal shapes. ``others`` lack the prefix: they belong to something else.
    ``equal`` are all prefixes, where there is one, that fit as well as ``prefix``.
    """

    where: str
    prefix: str
    tensors: Mapping[str, Any]
    others: tuple[str, ...]
    fitting: int
    equal: tuple[str, ...]


def load_weights(model: nn.Module, path: Path, trust: bool = False) -> None:
    """Load the weights in ``path`` into the model, and say on standard error how they were found.

    ``trust`` allows a file whose reading runs code. UsageError where the file holds no state_dict, or where names or
    shapes do not fit; the model may then be half loaded.
    """
    own = model.state_dict()
    fits = [_fit(where, found, own) for where, found in state_dicts(read_checkpoint(path, trust), path)]
    if not fits:
        raise UsageError("no state_dict in the weights file", got=str(path), wanted="a dict from names to tensors")
    best = min(fits, key=_order)
    if len(best.equal) > 1:
        raise UsageError(
            "several parts of the weights file fit the model",
            where=str(path),
            got=" and ".join(f"{prefix}*" for prefix in best.equal),
            wanted="one",
            do="save the part that you mean in a file of its own",
        )
    _say(path, best, [fit.where for fit in fits if fit is not best and fit.fitting == best.fitting > 0])
    _load(model, best, f"{path}, {best.where!r}" if best.where else str(path), own)


def _order(fit: Fit) -> tuple[int, int, int]:
    """The best fit first; of equal ones the usual name, then the one that lies higher up."""
    top = fit.where.partition(".")[0]
    return -fit.fitting, USUAL.index(top) if top in USUAL else len(USUAL) * bool(top), fit.where.count(".")


def _fit(where: str, found: Mapping[str, Any], own: Mapping[str, Any]) -> Fit:
    import torch

    names = [name for name, value in found.items() if isinstance(value, torch.Tensor) or name in own]
    prefixes = {"", *(name[:cut] for name in names for cut in _after_dots(name) if name[cut:] in own)}
    counted = {prefix: sum(_agree(found, prefix + name, value) for name, value in own.items()) for prefix in prefixes}
    prefix = min(prefixes, key=lambda text: (-counted[text], len(text), text))
    return Fit(
        where,
        prefix,
        {name.removeprefix(prefix): found[name] for name in names if name.startswith(prefix)},
        tuple(name for name in names if not name.startswith(prefix)),
        counted[prefix],
        tuple(sorted(text for text in prefixes if prefix and text and counted[text] == counted[prefix] > 0)),
    )


def _after_dots(name: str) -> Iterable[int]:
    return (index + 1 for index, letter in enumerate(name) if letter == ".")


def _agree(found: Mapping[str, Any], name: str, value: Any) -> bool:
    return name in found and getattr(found[name], "shape", None) == getattr(value, "shape", None)


def _say(path: Path, fit: Fit, rivals: list[str]) -> None:
    if fit.where:
        also = f"; {' and '.join(map(repr, rivals))} would fit as well" if rivals else ""
        click.echo(f"weights: taken from {fit.where!r} in {path}{also}", err=True)
    if fit.prefix:
        whose = f"{len(fit.tensors)} names" if fit.others else "every name"
        click.echo(f"weights: {whose} in {path} began with {fit.prefix!r}, which was dropped", err=True)
    if fit.others:
        click.echo(f"weights: left out, without that prefix: {_list(fit.others)}", err=True)


def _load(model: nn.Module, fit: Fit, where: str, own: Mapping[str, Any]) -> None:
    both = [name for name in own if name in fit.tensors]
    odd = [name for name in both if not _agree(fit.tensors, name, own[name])]
    try:
        # With its own hooks, which translate names of older versions; what has another shape is kept from it.
        result = model.load_state_dict(
            {name: fit.tensors[name] for name in fit.tensors if name not in odd}, strict=False
        )
    except RuntimeError as error:
        raise _misfit(where, [], [], [" ".join(str(error).split())]) from None
    missing = [name for name in result.missing_keys if name not in odd and not _filled(name, own, fit.tensors)]
    unexpected = [name for name in result.unexpected_keys if not name.endswith(_HARMLESS)]
    if missing or unexpected or odd:
        shapes = [
            f"{name} is {list(fit.tensors[name].shape)} in the file and {list(own[name].shape)} in the model"
            for name in odd
        ]
        raise _misfit(where, missing, unexpected, shapes)
    rounded = sorted({kinds for name in both if (kinds := _rounded(fit.tensors[name], own[name]))})
    if rounded:
        click.echo(f"weights: rounded from {' and from '.join(rounded)}", err=True)


def _filled(name: str, own: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """True for a counter that nothing reads, and for a tensor that shares its memory with one that was given."""
    if name.endswith(_HARMLESS):
        return True
    tensor = own.get(name)
    return tensor is not None and any(
        tensor.data_ptr() == other.data_ptr() and tensor.shape == other.shape
        for twin, other in own.items()
        if twin in given and twin != name
    )


def _rounded(given: torch.Tensor, own: torch.Tensor) -> str | None:
    """``float64 to float32`` where a copy loses digits."""
    import torch

    if not (isinstance(given, torch.Tensor) and given.is_floating_point() and own.is_floating_point()):
        return None
    if torch.promote_types(given.dtype, own.dtype) == own.dtype:
        return None
    return " to ".join(str(tensor.dtype).removeprefix("torch.") for tensor in (given, own))


def _misfit(where: str, missing: list[str], unexpected: list[str], shapes: list[str]) -> UsageError:
    parts = [
        f"{word} {_list(names)}" for word, names in (("missing", missing), ("unexpected", unexpected)) if names
    ] + ([_list(shapes, "; ")] if shapes else [])
    return UsageError("weights do not fit the model", where=where, why="; ".join(parts))


def _list(names: Iterable[str], between: str = ", ") -> str:
    listed = list(names)
    more = len(listed) - _SHOWN
    return between.join(listed[:_SHOWN]) + (f"{between}and {more} more" if more > 0 else "")
