"""The nodes of a captured graph gathered by the module that they come from, alike ones folded into one."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import torch

from edgeseq.contract import State
from edgeseq.exporters.diagnosis.counting import state_bytes
from edgeseq.exporters.diagnosis.onlooking import Seen
from edgeseq.exporters.facts import Summary, Timed
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.origin import module_path, op_name
from edgeseq.exporters.rules.foreign import Rule
from edgeseq.structure import Cost, Part


@dataclass(frozen=True)
class Module:
    """One module of the model, called by ``path``; the model itself has none.

    ``how`` says in words how its own ops stream, those of modules inside it apart. ``delay`` counts frames of what
    comes out last, ``ratio`` is theirs (None: nothing with frames). ``alike`` modules in a row are one, with
    ``path`` as in ``layers.0-11``; then ``delay`` is that of the last and figures are those of each.
    """

    path: str
    kind: str
    how: str
    ratio: Fraction | None
    delay: int | None
    states: tuple[State, ...]
    cost: Cost
    parts: tuple[Module, ...] = ()
    alike: int = 1

    def listed(self, depth: int = 0) -> tuple[Part, ...]:
        """This module and all inside it, as a contract lists them."""
        names = tuple(state.name for state in self.states)
        own = Part(self.path, self.kind, depth, self.alike, self.how, self.ratio, self.delay, names, self.cost)
        return (own, *(line for part in self.parts for line in part.listed(depth + 1)))

    def signature(self, above: str) -> Any:
        """What alike modules share: everything but their number and the delay so far."""
        states = [(state.name[len(self.path) :], state.kind, state.dtype, state.shape) for state in self.states]
        parts = tuple(part.signature(self.path) for part in self.parts)
        name = self.path[len(above) :] if above != self.path else ""
        return name, self.kind, self.how, self.ratio, tuple(states), self.cost, parts, self.alike


@dataclass
class _Gathered:
    """``nodes`` are a module's own, ``within`` also those of modules ``inside`` it."""

    kind: str
    nodes: list[Seen] = field(default_factory=list)
    within: list[Seen] = field(default_factory=list)
    inside: dict[str, None] = field(default_factory=dict)


def modules_of(
    seen: Iterable[Seen], states: Mapping[str, State], costs: Mapping[torch.fx.Node, Cost], model: str
) -> Module:
    """The model as nested modules, in the order in which they are called. Positions, which many share, are its own."""
    gathered = {"": _Gathered(model)}
    for item in seen:
        above = ""
        gathered[above].within.append(item)
        for path, kind in stack_of(item.node):
            gathered[above].inside[path] = None
            gathered.setdefault(path, _Gathered(kind)).within.append(item)
            above = path
        gathered[above].nodes.append(item)
    own = {name: state for name, state in states.items() if state.kind != "position"}
    whole, positions = _module("", gathered, own, costs), [states[name] for name in states if name not in own]
    cost = whole.cost + Cost(state_bytes=sum(map(state_bytes, positions)))
    return replace(whole, states=(*positions, *whole.states), cost=cost)


def stack_of(node: torch.fx.Node) -> list[tuple[str, str]]:
    """The modules around a node from the outside in, the model itself left out: path and class."""
    found: dict[str, str] = {}
    for path, kind in (node.meta.get("nn_module_stack") or {}).values():
        if isinstance(path, str) and path and not path.startswith("_empty"):
            found[path] = str(getattr(kind, "__name__", kind)).rpartition(".")[2]
    return list(found.items()) if module_path(node) else []


def _module(
    path: str, gathered: Mapping[str, _Gathered], states: Mapping[str, State], costs: Mapping[torch.fx.Node, Cost]
) -> Module:
    own = gathered[path]
    parts = folded([_module(inner, gathered, states, costs) for inner in own.inside])
    last = _last_frames(own.within)
    asked = [states[name] for item in own.nodes for name in item.states if name in states]
    return Module(
        path,
        own.kind,
        told(own.nodes),
        None if last is None else last.ratio,
        None if last is None else last.delay,
        tuple(asked),
        sum((costs[item.node] for item in own.nodes if item.node in costs), Cost()),
        tuple(parts),
    )


def _last_frames(nodes: Sequence[Seen]) -> Timed | None:
    timed = [leaf for item in nodes for leaf in flatten(item.fact) if isinstance(leaf, Timed)]
    return timed[-1] if timed else None


def folded(parts: Sequence[Module]) -> list[Module]:
    """Modules in a row that differ in their number only become one, called ``layers.0-11``."""
    found: list[list[Module]] = []
    for part in parts:
        if found and _follows(found[-1][-1], part):
            found[-1].append(part)
        else:
            found.append([part])
    return [_together(group) for group in found]


def _follows(one: Module, other: Module) -> bool:
    (stem, first), (other_stem, second) = _numbered(one.path), _numbered(other.path)
    if first is None or second is None or second != first + 1 or stem != other_stem:
        return False
    return bool(one.signature(one.path) == other.signature(other.path))


def _numbered(path: str) -> tuple[str, int | None]:
    stem, _, number = path.rpartition(".")
    return (stem, int(number)) if number.isdigit() else (path, None)


def _together(group: Sequence[Module]) -> Module:
    first, last = group[0], group[-1]
    if len(group) == 1:
        return first
    path = f"{first.path}-{_numbered(last.path)[1]}"
    return replace(first, path=path, delay=last.delay, alike=len(group))


def told(nodes: Sequence[Seen]) -> str:
    """How some nodes stream, in a few words: ``conv1d``, ``untouched``, ``computed at export``."""
    nodes = [item for item in nodes if item.node.target is not operator.getitem] or nodes
    by_rule = dict.fromkeys(_words(item) for item in nodes if item.treatment in ("rule", "refused"))
    delayed = dict.fromkeys(_words(item) for item in nodes if item.treatment == "summary")
    if by_rule or delayed:
        return ", ".join([*by_rule, *delayed])
    treatments = {item.treatment for item in nodes} - {"number"}
    for treatment in ("untouched", "supposed", "conditioned", "constant"):
        if treatment in treatments:
            return _TREATMENTS[treatment]
    return ""


_TREATMENTS = {
    "untouched": "untouched",
    "supposed": "unknown",
    "conditioned": "of conditioning only",
    "constant": "computed at export",
}


#: The name of an op that is longer gives way to its family's.
_LONG = 16


def _words(item: Seen) -> str:
    op = op_name(item.node).removeprefix("aten.")
    if item.refusals and item.treatment == "refused":
        return f"{op}: REFUSED"
    if item.treatment == "summary":
        return f"{op} of a summary"
    leaves = flatten(item.fact)
    if any(isinstance(leaf, Summary) for leaf in leaves) and not any(isinstance(leaf, Timed) for leaf in leaves):
        return f"{op}: value so far"
    return op if item.rule is None or len(op) <= _LONG else family_of(item.rule)


def family_of(rule: Rule) -> str:
    """The file that a rule is written in: ``convolution``."""
    return str(getattr(rule, "__module__", "")).rpartition(".")[2]
