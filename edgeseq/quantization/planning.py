"""Which site gets which scheme: what a config says, node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias

from edgeseq.errors import UsageError
from edgeseq.quantization.configs import Config, Float16, Int4Weights, Int8Dynamic, Int8Static, Int8Weights, Scheme
from edgeseq.quantization.sites import Left, Site

#: Weights from which a convolution is faster as a quantized product: 256 channels, one tap (docs/quantization.md).
CONVOLUTION = 2**16
#: The largest finite float16.
HALF = 65504.0
#: The scheme of every site that is quantized, by name.
Plan: TypeAlias = Mapping[str, Scheme]


def plan(config: Config, sites: Sequence[Site]) -> tuple[dict[str, Scheme], list[Left]]:
    """A scheme for every site that ``config`` is for, and the sites that it leaves. UsageError where none is meant."""
    _check_patterns(config, [site.name for site in sites])
    chosen: dict[str, Scheme] = {}
    left: list[Left] = []
    for site in sites:
        wanted = any(fnmatchcase(site.name, pattern) for pattern in config.only)
        kept = any(fnmatchcase(site.name, pattern) for pattern in config.keep)
        found = scheme_of(config, site) if wanted and not kept else "it was asked to stay in float"
        if isinstance(found, Scheme):
            chosen[site.name] = found
        else:
            left.append(Left(site.name, site.node.op_type, site.bytes, found))
    if not chosen:
        raise nothing(left)
    return chosen, left


def nothing(left: Sequence[Left]) -> UsageError:
    """What to raise where a config quantizes none of the sites."""
    why = "; ".join(f"{each.name}: {each.why}" for each in left[:3])
    return UsageError("there is nothing to quantize", why=why, do="take another kind, such as fp16, or leave it")


def scheme_of(config: Config, site: Site) -> Scheme | str:
    """How a config quantizes a site, or why it does not.

    A table is read, not multiplied: its rows are kept in groups by every kind.
    """
    if isinstance(config, Float16):
        return Scheme("half", 16) if site.largest <= HALF else "its numbers are too large for float16"
    if site.kind == "other":
        return f"there is no quantized form of {site.node.op_type}"
    if site.convolution is not None and not isinstance(config, Int8Static):
        if not site.convolution.plain:
            return "it is no single product: groups, two axes or a padding of its own"
        if site.convolution.weights.size < CONVOLUTION:
            return "so small a convolution is faster in float"
    if isinstance(config, Int4Weights) and site.table is not None and site.table.shape[1] % 2:
        return Scheme("blocks", 8, config.group)  # onnxruntime reads two numbers of a row in one byte
    if isinstance(config, Int4Weights):
        return Scheme("blocks", 4, config.group, config.rounding)
    if isinstance(config, Int8Weights) or site.table is not None:
        return Scheme("blocks", 8, getattr(config, "group", 128))
    if isinstance(config, Int8Static):
        return Scheme("fixed", 8)
    assert isinstance(config, Int8Dynamic)
    return Scheme("rows", 8) if config.kernel == "rows" else Scheme("blocks", 8, config.group)


def _check_patterns(config: Config, names: Sequence[str]) -> None:
    if not names:
        raise UsageError("there is nothing to quantize", why="no node has weights of more than a thousand numbers")
    for pattern in (*config.only, *config.keep):
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UsageError(
                "a pattern matches no node",
                got=repr(pattern),
                wanted=f"a name or a pattern of {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}",
            )
