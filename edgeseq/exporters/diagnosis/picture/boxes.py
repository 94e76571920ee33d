"""The captured nodes gathered into boxes, a call of a module each, and the lines along which frames go between them."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from edgeseq.contract import State
from edgeseq.exporters.diagnosis.diagnose import Diagnosis
from edgeseq.exporters.diagnosis.modules import stack_of, told
from edgeseq.exporters.diagnosis.onlooking import Seen
from edgeseq.exporters.facts import Summary, Timed
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.origin import op_name
from edgeseq.structure import Part

#: Characters in a line of a box.
ROOM = 34
_STATES = 4
#: Ops that only change how a tensor is looked at: a box of nothing else is left out.
_VIEWS = {
    *("view", "permute", "transpose", "t", "unsqueeze", "squeeze", "expand", "getitem", "slice", "select", "split"),
    *("unbind", "clone", "alias", "detach"),
}


@dataclass
class Box:
    """One call of a module, or an input or an output. ``fold`` is the group of alike modules that it stands for."""

    title: str
    kind: str = ""
    lines: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    fold: str | None = None
    end: bool = False


@dataclass
class Network:
    """Boxes by key, in the order of data, and the label of each line from box to box."""

    boxes: dict[Any, Box] = field(default_factory=dict)
    lines: dict[tuple[Any, Any], str] = field(default_factory=dict)


def network(found: Diagnosis) -> Network:
    """The boxes and lines of a model; alike modules in a row are drawn once, unless that would make a circle."""
    drawn = _network(found, _folds(found.modules))
    return drawn if _in_order(drawn) else _network(found, {})


def _folds(modules: Iterable[Part]) -> dict[str, str]:
    """The name of the group that each alike module belongs to: ``layers.3`` to ``layers.0-11``; outermost ones."""
    found: dict[str, str] = {}
    inside: int | None = None
    for part in modules:
        if inside is not None and part.depth > inside:
            continue
        inside = part.depth if part.alike > 1 else None
        if part.alike > 1:
            stem, _, first = part.first.rpartition(".")
            found |= {f"{stem}.{int(first) + i}": part.path for i in range(part.alike)}
    return found


def _network(found: Diagnosis, folds: dict[str, str]) -> Network:
    drawn = Network()
    where: dict[str, Any] = {}
    copies: dict[str, str | None] = {}
    for given in found.step.captured.inputs:
        drawn.boxes[given.placeholder] = Box(given.name, str(given.spec), end=True)
        where[given.placeholder] = given.placeholder
    gathered: dict[Any, list[Seen]] = {}
    for key, copy, item in _keyed(found.seen, folds):
        where[item.node.name], copies[item.node.name] = key, copy
        gathered.setdefault(key, []).append(item)
    for key, items in gathered.items():
        drawn.boxes[key] = _box(key, items, found, folds)
    for item in found.seen:
        if item.node.name in where:
            _connect(drawn, found, item.node, where, copies)
    for name, node in found.step.captured.outputs:
        drawn.boxes["output", name] = Box(name, "output", end=True)
        if node.name in where:
            drawn.lines[where[node.name], ("output", name)] = _label(found, node)
    return _without_views(drawn, {key for key, items in gathered.items() if all(map(_is_view, items))})


def _keyed(seen: Iterable[Seen], folds: dict[str, str]) -> Iterator[tuple[Any, str | None, Seen]]:
    """Each node that is drawn with the key of its box and, in a fold, the module of which it is a copy.

    A box holds nodes that follow one another in graph order, so that lines between boxes never make a circle.
    """
    runs: Counter[Any] = Counter()
    before: Any = None
    for item in seen:
        if item.treatment in ("constant", "number"):
            continue
        path = next((path for path, _ in reversed(stack_of(item.node))), "")
        copy = next((known for known in folds if path == known or path.startswith(f"{known}.")), None)
        shown = path if copy is None else folds[copy] + path[len(copy) :]
        if (path, copy) != before:
            runs[shown, copy] += 1
        before = (path, copy)
        yield (shown, runs[shown, copy]), copy, item


def _connect(drawn: Network, found: Diagnosis, node: torch.fx.Node, where: Any, copies: Any) -> None:
    for source in node.all_input_nodes:
        one, other = where.get(source.name), where[node.name]
        copied, copy = copies.get(source.name), copies.get(node.name)
        between = copied is not None and copy is not None and copied != copy and one[0].partition("-")[0] in other[0]
        if one is not None and one != other and not between:
            drawn.lines.setdefault((one, other), _label(found, source))


def _label(found: Diagnosis, node: torch.fx.Node) -> str:
    """``1/2, delay 3``: the ratio and the delay of the frames, where they are other than the input's."""
    fact = next((item.fact for item in found.seen if item.node is node), None)
    timed = [leaf for leaf in flatten(fact) if isinstance(leaf, Timed)]
    if not timed:
        return "value so far" if any(isinstance(leaf, Summary) for leaf in flatten(fact)) else ""
    ratio = "" if timed[0].ratio == 1 else f"ratio {timed[0].ratio}"
    late = timed[0].delay
    delay = "" if late == 0 else f"delay {late}" if late > 0 else f"lead {-late}"
    return ", ".join(part for part in (ratio, delay) if part)


def _box(key: Any, items: list[Seen], found: Diagnosis, folds: dict[str, str]) -> Box:
    path, stack = key[0], stack_of(items[0].node)
    first = [item for item in items if stack_of(item.node) == stack]
    states = [found.step.plan.states[name] for item in first for name in item.states if _is_own(found, name)]
    box = Box(path or found.name, stack[-1][1] if stack else "")
    box.fold = next((group for group in folds.values() if path == group or path.startswith(f"{group}.")), None)
    ops = dict.fromkeys(op_name(item.node).removeprefix("aten.") for item in first if not _is_view(item))
    how = told(first)
    box.lines = textwrap.wrap(", ".join(list(ops)[:3]) if how == "untouched" and len(first) < 9 else how, ROOM)
    own = f"{stack[-1][0]}." if stack else ""
    box.lines += [line for state in states[:_STATES] for line in textwrap.wrap(_state(state, own), ROOM)]
    box.lines += [f"and {len(states) - _STATES} more states"] if len(states) > _STATES else []
    reasons = dict.fromkeys(str(error.why) for item in items for error in item.refusals)
    box.reasons = [line for reason in reasons for line in textwrap.wrap(reason, ROOM)]
    return box


def _is_own(found: Diagnosis, name: str) -> bool:
    state = found.step.plan.states.get(name)
    return not found.refusals and state is not None and state.kind != "position"


def _state(state: State, module: str) -> str:
    return f"{state.name.removeprefix(module)} {state.dtype}[{','.join(map(str, state.shape))}]"


def _is_view(item: Seen) -> bool:
    name = op_name(item.node).rpartition(".")[2]
    return name in _VIEWS and item.treatment in ("untouched", "supposed") and not item.refusals


def _without_views(drawn: Network, views: set[Any]) -> Network:
    """Boxes that only look at a tensor in another way are left out, their lines joined."""
    for key in views:
        above = [one for one, other in drawn.lines if other == key]
        if len(above) != 1:
            continue
        below = [other for one, other in drawn.lines if one == key]
        label = drawn.lines.pop((above[0], key))
        for other in below:
            drawn.lines.setdefault((above[0], other), drawn.lines.pop((key, other)) or label)
            drawn.lines.pop((key, other), None)
        del drawn.boxes[key]
    return drawn


def _in_order(drawn: Network) -> bool:
    """Whether no way along the lines leads back."""
    waiting = Counter(other for _, other in drawn.lines)
    ready = [key for key in drawn.boxes if not waiting[key]]
    for key in ready:
        for one, other in drawn.lines:
            if one == key:
                waiting[other] -= 1
                if not waiting[other]:
                    ready.append(other)
    return len(ready) == len(drawn.boxes)
