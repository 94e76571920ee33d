"""The table of streaming rules: one per op, refusals included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import torch

from edgeseq.exporters.facts import Facts
from edgeseq.exporters.rules.foreign import Rule, Rules, doubled, name_of, read_rules
from edgeseq.exporters.step import Step

#: ``untimed(step, facts, *args)``: an op on values that depend on no frame, where the op itself has no ONNX form.
Untimed = Callable[..., Any]


@dataclass(frozen=True)
class Refusal:
    """Why an op must not stream along time, and what to do instead: a sentence each.

    ``missing``: it could stream; nobody has written its rule yet.
    """

    why: str
    do: str
    missing: bool = False


class Registry:
    """Rules and refusals by op. A duplicate names both modules; an unknown op is refused by name.

    ``foreign`` holds what the user gave for ops of other packages.
    """

    def __init__(self, families: Sequence[ModuleType], extra: Rules | None = None) -> None:
        self.foreign = read_rules(extra)
        self._rules: dict[Any, Rule] = {}
        self._pointwise: Rule | None = None
        self._pairs: dict[Any, Rule] = {}
        self._pairwise: Rule | None = None
        self._untimed: dict[Any, Untimed] = {}
        for family in families:
            self._untimed |= getattr(family, "UNTIMED", {})
            for op, rule in family.RULES.items():
                self._add(op, rule)
            self._pointwise = getattr(family, "POINTWISE", self._pointwise)
            self._pairs.update(getattr(family, "PAIRS", {}))
            self._pairwise = getattr(family, "PAIRWISE", self._pairwise)
        for op, rule in self.foreign.rules.items():
            self._add(op, rule)

    def _add(self, op: Any, rule: Rule) -> None:
        if op in self._rules:
            raise doubled(op, "streaming rules", self._rules[op], rule)
        self._rules[op] = rule

    def untimed(self, step: Step, op: Any, facts: Facts) -> Callable[..., Any]:
        """What runs an op on values that depend on no frame: the op itself, or what stands for it in the file."""
        found = self._untimed.get(op)
        return op if found is None else partial(found, step, facts)

    def rule(self, step: Step, op: Any) -> Rule:
        """The rule of an op; NotStreamable where there is none."""
        found = self._rules.get(op)
        if found is not None:
            return found
        if self._pointwise is not None and torch.Tag.pointwise in getattr(op, "tags", ()):
            return self._pointwise
        if torch.Tag.nondeterministic_seeded in getattr(op, "tags", ()):
            raise step.refuse_random()
        if isinstance(op, torch._ops.HigherOrderOperator):
            raise step.refuse(
                "what it calls is not looked into, and frames go in", "call its ops where they are needed, without it"
            )
        raise step.refuse(
            "no streaming rule says how it treats time",
            f"write it with ops that have one, or give a rule as docs/rules.md says: rules={{{_name(op)!r}: ...}}",
        )

    def pair_rule(self, step: Step, op: Any) -> Rule:
        """The rule of an op for values over pairs of frames; NotStreamable where there is none."""
        if op in self._pairs:
            return self._pairs[op]
        if self._pairwise is not None and (torch.Tag.pointwise in getattr(op, "tags", ()) or self._is_pointwise(op)):
            return self._pairwise
        raise step.refuse(
            "every frame meets every other frame, and no rule says how it treats them: not causal as far as is known",
            "use scaled_dot_product_attention with is_causal=True, or keep time on one axis",
        )

    def _is_pointwise(self, op: Any) -> bool:
        return op in self._rules and self._rules[op] is self._pointwise


def _name(op: Any) -> str:
    return name_of(op) if hasattr(op, "name") else str(op)
