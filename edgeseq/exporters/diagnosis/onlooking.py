"""Reading a step graph while it is planned: how each captured node streams, and every reason why one does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import torch

from edgeseq.errors import EdgeseqError, NotStreamable
from edgeseq.exporters.diagnosis.supposing import is_unknown, supposed
from edgeseq.exporters.facts import Scalar, Static, Summary, Timed
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.replay import Finished, Found, Watch
from edgeseq.exporters.rules.foreign import Rule
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.step import Step

#: What follows from a refusal may fail in any of these ways; without one they are raised.
_CONSEQUENCES = (EdgeseqError, RuntimeError, ValueError, TypeError, IndexError, AssertionError, AttributeError)

_Result = TypeVar("_Result")
Treatment = Literal["constant", "conditioned", "number", "untouched", "rule", "summary", "refused", "supposed"]


@dataclass(frozen=True)
class Seen:
    """A captured node as it was replayed.

    ``constant``: computed at export; ``conditioned``: of conditioning only; ``number``: a size; ``untouched``: replayed
    as it was; ``rule``: by a rule that shifts, keeps or makes frames; ``summary``: on values without frames;
    ``refused``; ``supposed``: not replayed, since nothing is known of what it takes.

    ``operands`` are the facts of the nodes it takes, ``states`` the names of those it asked for, ``refusals`` the
    reasons: its own, and that of handing it out as an output.
    """

    node: torch.fx.Node
    fact: Any
    operands: tuple[Any, ...]
    treatment: Treatment
    rule: Rule | None = None
    states: tuple[str, ...] = ()
    refusals: tuple[NotStreamable, ...] = ()


class Onlooker(Watch):
    """Sees every node and lets the replay go on after a refusal, with the result that the op would have.

    What is refused later assumes that what was refused before it is solved. What only follows from a refusal is not
    listed. After a run ``seen`` holds its nodes in graph order.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.seen: dict[torch.fx.Node, Seen] = {}
        self._after: set[torch.fx.Node] = set()
        self._step: Step | None = None

    @property
    def refusals(self) -> list[NotStreamable]:
        """Every reason, in graph order."""
        return [error for seen in self.seen.values() for error in seen.refusals]

    def node(self, step: Step, node: torch.fx.Node, run: Callable[[], Found]) -> Found:
        """Replay a node, or suppose its result."""
        self._begin(step)
        operands = [self.seen[source].fact for source in node.all_input_nodes if source in self.seen]
        operands += [_placeholder(step, source) for source in node.all_input_nodes if source.op == "placeholder"]
        before = set(step.carried)
        follows = any(source in self._after for source in node.all_input_nodes)
        found, refusal = None, None
        if not is_unknown(operands):
            found, refusal = _tried(run, follows)
        if follows or found is None:
            self._after.add(node)
        value, fact = supposed(step, node, operands) if found is None else found
        states = () if found is None else tuple(name for name in step.carried if name not in before)
        rule = _rule(self.registry, step, node, fact, operands)
        treatment = _treatment(fact, operands, states, replayed=found is not None, refused=refusal is not None)
        refusals = () if refusal is None else (refusal,)
        self.seen[node] = Seen(node, fact, tuple(operands), treatment, rule, states, refusals)
        return value, fact

    def output(self, step: Step, node: torch.fx.Node, run: Callable[[], Finished]) -> Finished:
        """Hand an output out; where it cannot be, something in its place."""
        before, seen = set(step.carried), self.seen.get(node)
        lost = seen is not None and is_unknown(seen.fact)
        found, refusal = (None, None) if lost else _tried(run, node in self._after)
        if seen is not None:
            asked = tuple(name for name in step.carried if name not in before) if found is not None else ()
            refusals = seen.refusals if refusal is None else (*seen.refusals, refusal)
            self.seen[node] = replace(seen, states=(*seen.states, *asked), refusals=refusals)
        if found is not None:
            return found
        name = next(name for name, output in step.captured.outputs if output is node)
        return name, torch.zeros((), dtype=node.meta["val"].dtype), Summary(())

    def _begin(self, step: Step) -> None:
        """Forget the run before: a step is planned twice where it must be flushed."""
        if step is not self._step:
            self._step, self.seen, self._after = step, {}, set()


def _tried(run: Callable[[], _Result], follows: bool) -> tuple[_Result | None, NotStreamable | None]:
    """What ``run`` gives, or its refusal; neither where it fails because of one before."""
    try:
        return run(), None
    except NotStreamable as error:
        return None, error
    except _CONSEQUENCES:
        if not follows:
            raise
        return None, None


def _placeholder(step: Step, node: torch.fx.Node) -> Any:
    shape = step.captured.shape(node.meta["val"])
    item = next((item for item in step.captured.inputs if item.placeholder == node.name), None)
    if item is None:
        return Static(shape, constant=True)
    if item.spec.time_axis is None:
        return Static(shape, conditioned=True)
    length = step.captured.length(shape[item.spec.time_axis])
    return Timed(shape, item.spec.time_axis, 0, length) if length is not None else None


def _rule(registry: Registry, step: Step, node: torch.fx.Node, fact: Any, operands: list[Any]) -> Rule | None:
    if not any(isinstance(leaf, Timed) for leaf in flatten([fact, operands])):
        return None
    try:
        return registry.rule(step, node.target)
    except NotStreamable:
        return None


def _treatment(fact: Any, operands: list[Any], states: tuple[str, ...], *, replayed: bool, refused: bool) -> Treatment:
    if not replayed:
        return "refused" if refused else "supposed"
    facts = [leaf for leaf in flatten(fact) if leaf is not None]
    if all(isinstance(leaf, Scalar) for leaf in facts):
        return "number"
    if all(isinstance(leaf, Static) for leaf in facts):
        return "constant" if all(leaf.constant for leaf in facts) else "conditioned"
    timed = [leaf for leaf in flatten(operands) if isinstance(leaf, Timed)]
    if not timed and not any(isinstance(leaf, Timed) for leaf in facts):
        return "summary"
    moved = {(leaf.delay, leaf.length, leaf.head_frames) for leaf in [*facts, *timed] if isinstance(leaf, Timed)}
    return "rule" if states or not timed or len(moved) > 1 or _sums(facts) else "untouched"


def _sums(facts: list[Any]) -> bool:
    return any(isinstance(leaf, Summary) for leaf in facts)
