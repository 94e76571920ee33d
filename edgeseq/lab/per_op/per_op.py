"""Where the time of a step goes, node by node, as a value."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgeseq.errors import UsageError
from edgeseq.lab.per_op import tracing
from edgeseq.runtime.loading import Described, describe
from edgeseq.runtime.measuring.processes import call_fresh
from edgeseq.runtime.threads import session_settings

#: Steps that are profiled where nothing else is asked for, and at most: a profile holds a million events.
STEPS = 500
MOST_STEPS = 20_000


@dataclass(frozen=True)
class NodeTime:
    """One node: ``us`` as the profiler wrote it, ``net_us`` without what the profiler itself adds, both for a step.

    ``module`` is the path of the module that it comes from, empty for the model itself, None where no name tells;
    ``times`` is how often it runs in a step, ``inside`` how many nodes run directly inside it, which are not in its
    times; ``share`` is that of ``net_us`` in a step without the profiler.
    """

    name: str
    op: str
    module: str | None
    times: float
    inside: float
    us: float
    net_us: float
    share: float


@dataclass(frozen=True)
class Group:
    """Nodes that have an operator, or a module, in common, and what they take together."""

    name: str
    nodes: int
    net_us: float
    share: float


@dataclass(frozen=True)
class PerOp:
    """Where the time of a median step goes; microseconds throughout.

    ``plain_us`` is a step without the profiler, ``traced_us`` one with it, ``run_us`` the part of that inside
    onnxruntime. ``empty_us`` is what it writes down for a node that does as good as nothing, ``gap_us`` what passes
    between two of them. Both, times ``excess``, are taken off: the former off every run of a node, the latter off what
    runs inside a loop. ``excess`` is 1, or as much more as keeps all nodes from adding up to more than a step. The
    profiler writes whole microseconds, so that nodes much faster than one are told roughly.
    """

    file: str
    steps: int
    position: int
    batch: int
    frames: int
    threads: int
    plain_us: float
    traced_us: float
    run_us: float
    empty_us: float
    gap_us: float
    excess: float
    nodes: tuple[NodeTime, ...]

    @property
    def rest_us(self) -> float:
        """What is left of a step outside of its nodes: what onnxruntime does around them, and Python."""
        return max(0.0, self.plain_us - sum(node.net_us for node in self.nodes))

    @property
    def slowdown(self) -> float:
        """How many times as long a step takes with the profiler."""
        return self.traced_us / self.plain_us

    @property
    def ops(self) -> tuple[Group, ...]:
        """The nodes by operator, the longest first."""
        return self._grouped(lambda node: node.op)

    @property
    def modules(self) -> tuple[Group, ...]:
        """The nodes by the module that they come from, the longest first; ``?`` where no name tells."""
        return self._grouped(lambda node: "?" if node.module is None else node.module or "(model)")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them, with those that follow from others."""
        groups = {"ops": [asdict(group) for group in self.ops], "modules": [asdict(group) for group in self.modules]}
        return {**asdict(self), "rest_us": self.rest_us, "slowdown": self.slowdown, **groups}

    def _grouped(self, name: Callable[[NodeTime], str]) -> tuple[Group, ...]:
        gathered: dict[str, list[NodeTime]] = {}
        for node in self.nodes:
            gathered.setdefault(name(node), []).append(node)
        groups = [
            Group(key, len(nodes), sum(node.net_us for node in nodes), sum(node.share for node in nodes))
            for key, nodes in gathered.items()
        ]
        return tuple(sorted(groups, key=lambda group: -group.net_us))


def profile(
    path: str | os.PathLike[str],
    steps: int = STEPS,
    position: int = 0,
    batch: int = 1,
    threads: int | None = None,
    frames: int | None = None,
    allow_unverified: bool = False,
) -> PerOp:
    """Where the time of a step goes on the CPU, measured in a fresh process, back to back.

    Steps are made from ``position`` on, going back to it now and then, each of ``frames`` base frames, the fewest that
    the contract allows where not given. ``threads`` None are those that ``load`` takes. Raises what ``load`` raises,
    UsageError for arguments that mean nothing, ProviderError when the process fails or the profile is not whole.
    """
    described = describe(path)
    given: dict[str, Any] = {
        "path": os.path.abspath(path),
        "steps": steps,
        "position": position,
        "batch": batch,
        "frames": described.contract.chunk.multiple if frames is None else frames,
        "threads": session_settings(described.contract, "cpu", threads)[0],
        "allow_unverified": allow_unverified,
    }
    _check(given, described)
    return made(given, call_fresh(tracing.__name__, "trace", given, given["threads"]))


def made(given: Mapping[str, Any], found: Mapping[str, Any]) -> PerOp:
    """The value of what a process found."""
    excess = excess_of(found)
    nets = [_net_us(node, found, excess) for node in found["nodes"]]
    nodes = [
        NodeTime(**node, net_us=net_us, share=net_us / found["plain_us"])
        for node, net_us in zip(found["nodes"], nets, strict=True)
    ]
    names = ("steps", "position", "batch", "frames", "threads")
    times = ("plain_us", "traced_us", "run_us", "empty_us", "gap_us")
    return PerOp(
        file=os.path.basename(given["path"]),
        **{name: given[name] for name in names},
        **{name: found[name] for name in times},
        excess=excess,
        nodes=tuple(nodes),
    )


def excess_of(found: Mapping[str, Any]) -> float:
    """By how much the profiler adds more to the nodes of this graph than to empty ones in a row, found by halving.

    What it writes drives weights and code out of the caches, which empty nodes do not need.
    """
    least, most = 1.0, 100.0
    if _sum_us(found, least) <= found["plain_us"]:
        return least
    while most - least > 0.001:
        middle = (least + most) / 2
        least, most = (middle, most) if _sum_us(found, middle) > found["plain_us"] else (least, middle)
    return most


def _sum_us(found: Mapping[str, Any], excess: float) -> float:
    return sum(_net_us(node, found, excess) for node in found["nodes"])


def _net_us(node: Mapping[str, Any], found: Mapping[str, Any], excess: float) -> float:
    added = node["times"] * found["empty_us"] + node["inside"] * found["gap_us"]
    return float(max(0.0, node["us"] - excess * added))


def _check(given: Mapping[str, Any], described: Described) -> None:
    for name, least in (("steps", 1), ("position", 0), ("batch", 1), ("frames", 1)):
        if type(given[name]) is not int or given[name] < least:
            raise UsageError(f"{name} must be a whole number from {least}", got=repr(given[name]))
    if given["steps"] > MOST_STEPS:
        raise UsageError(
            "a profile of so many steps is not kept whole", got=given["steps"], wanted=f"at most {MOST_STEPS:,}"
        )
    contract = described.contract
    if given["frames"] % contract.chunk.multiple:
        raise UsageError(
            "frames must fill whole calls", got=given["frames"], wanted=f"a multiple of {contract.chunk.multiple}"
        )
    limit = contract.max_context
    if limit is not None and given["position"] + given["frames"] > limit:
        raise UsageError(
            "there is no step to time at that position",
            why="the model's context ends before it",
            got=f"position {given['position']}",
            wanted=f"at most {limit - given['frames']}",
        )
