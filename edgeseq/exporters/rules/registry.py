"""The table of streaming rules: one per op, refusals included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

from edgeseq.errors import UsageError
from edgeseq.exporters.step import Step

#: ``rule(step, facts, *args, **kwargs) -> value, fact``: ``facts`` lies parallel to ``args`` (None for plain numbers).
Rule = Callable[..., tuple[Any, Any]]


@dataclass(frozen=True)
class Refusal:
    """Why an op must not stream along time, and what to do instead: a sentence each."""

    why: str
    do: str


class Registry:
    """Rules and refusals by op. A duplicate names both modules; an unknown op is refused by name."""

    def __init__(self, families: Sequence[ModuleType], extra: Mapping[Any, Rule] | None = None) -> None:
        self._rules: dict[Any, Rule] = {}
        self._pointwise: Rule | None = None
        for family in families:
            for op, rule in family.RULES.items():
                self._add(op, rule)
            self._pointwise = getattr(family, "POINTWISE", self._pointwise)
        self._rules.update({_overload(op): rule for op, rule in (extra or {}).items()})

    def _add(self, op: Any, rule: Rule) -> None:
        if op in self._rules:
            raise UsageError(
                f"two streaming rules for {op}", got=f"{self._rules[op].__module__} and {rule.__module__}", wanted="one"
            )
        self._rules[op] = rule

    def rule(self, step: Step, op: Any) -> Rule:
        """The rule of an op; NotStreamable where there is none."""
        found = self._rules.get(op)
        if found is not None:
            return found
        if self._pointwise is not None and torch.Tag.pointwise in getattr(op, "tags", ()):
            return self._pointwise
        if torch.Tag.nondeterministic_seeded in getattr(op, "tags", ()):
            raise step.refuse_random()
        raise step.refuse(
            "no streaming rule says how it treats time",
            "write it with ops that have one, or give a rule with export(..., rules={...})",
        )


def _overload(op: Any) -> Any:
    if not isinstance(op, str):
        return op
    namespace, _, name = op.partition("::")
    name, _, overload = name.partition(".")
    return getattr(getattr(getattr(torch.ops, namespace), name), overload or "default")
