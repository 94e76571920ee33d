"""Rules for ops of other packages: ``export(..., rules={"mylib::scan": rule})``, explained in ``docs/rules.md``."""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import onnxscript
import torch

from edgeseq.errors import UsageError

#: ``rule(step, facts, *args, **kwargs) -> value, fact``: ``facts`` lies parallel to ``args`` (None for plain numbers)
#: and knows every argument by name. An op with several results: a list of values and a list of facts.
Rule = Callable[..., tuple[Any, Any]]

#: What ``rules=`` takes: rules by the name of the op, ``"mylib::scan"``.
Rules: TypeAlias = "Mapping[str, Rule | StreamingRule]"

#: torch.onnx builds its graph in this opset and converts it to the one that is asked for.
ONNXSCRIPT_OPSET = 18
_NAME = re.compile(r"[A-Za-z_]\w*::[A-Za-z_]\w*(\.\w+)?")


@dataclass(frozen=True)
class StreamingRule:
    """A rule with the ONNX forms of the ops that it emits and torch.onnx does not know.

    ``lowering`` maps op names (``"mylib::scan_step"``) to functions of the op's arguments that return its results:
    ``onnxscript.script`` functions, or plain ones that call the ops of ``onnxscript.opset18``.
    """

    rule: Rule
    lowering: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Foreign:
    """What ``rules=`` gave: rules and ONNX forms by op, and the text that says where each rule comes from."""

    rules: Mapping[Any, Rule]
    lowering: Mapping[Any, Callable[..., Any]]
    origins: Mapping[Any, str]

    def check_used(self, graph: torch.fx.Graph) -> None:
        """UsageError for a rule whose op the captured model never calls: a slip, most likely."""
        present = {node.target for node in graph.nodes if node.op == "call_function"}
        for op in self.rules:
            if op not in present:
                names = sorted({name_of(found) for found in present if _namespace(found) == op.namespace})
                raise UsageError(
                    f"the model never calls {name_of(op)}, for which rules= has a rule",
                    why=f"of {op.namespace} the captured model calls {', '.join(names) or 'nothing'}",
                    do="check the name, or leave the rule out",
                )


def read_rules(given: Rules | None) -> Foreign:
    """The rules that a user gave, by op. UsageError names what is not an op, not a rule or not an ONNX form."""
    rules: dict[Any, Rule] = {}
    lowering: dict[Any, Callable[..., Any]] = {}
    for name, entry in (given or {}).items():
        op = _op(name)
        both = entry if isinstance(entry, StreamingRule) else StreamingRule(entry)
        if not callable(both.rule):
            raise UsageError(
                f"the rule of {name} cannot be called",
                got=repr(both.rule),
                wanted="a function rule(step, facts, *args, **kwargs), or StreamingRule(rule, lowering={...})",
            )
        if op in rules:
            raise doubled(op, "streaming rules", rules[op], both.rule)
        rules[op] = both.rule
        for emitted, form in both.lowering.items():
            target = _op(emitted)
            _check_form(emitted, form)
            if lowering.setdefault(target, form) is not form:
                raise doubled(target, "ONNX forms", lowering[target], form)
    return Foreign(rules, lowering, {op: origin_of(rule) for op, rule in rules.items()})


def doubled(op: Any, what: str, *both: Any) -> UsageError:
    """The error of an op that two functions claim, each named with its module."""
    return UsageError(f"two {what} for {name_of(op)}", got=" and ".join(map(_place, both)), wanted="one")


def _op(name: Any) -> Any:
    """The op of this name; an overload may follow, ``aten::add.Tensor``."""
    if isinstance(name, torch._ops.OpOverload):
        return name
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError("cannot read the name of an op", got=repr(name), wanted="namespace::name, as 'mylib::scan'")
    namespace, _, rest = name.partition("::")
    word, _, overload = rest.partition(".")
    packet = getattr(getattr(torch.ops, namespace), word, None)
    if packet is None:
        close = difflib.get_close_matches(name, _registered(namespace), 1)
        raise UsageError(
            f"no op is called {namespace}::{word}",
            do=f"did you mean {close[0]}?" if close else "import the module that registers it first",
        )
    overload = overload or "default"
    if overload not in packet.overloads():
        raise UsageError(
            f"{namespace}::{word} has no overload {overload!r}",
            got=repr(name),
            wanted=f"one of {', '.join(f'{namespace}::{word}.{known}' for known in packet.overloads())}",
        )
    return getattr(packet, overload)


def _registered(namespace: str) -> list[str]:
    names = torch._C._dispatch_get_all_op_names()
    return sorted({name.partition(".")[0] for name in names if name.startswith(f"{namespace}::")})


def _namespace(target: Any) -> str | None:
    return getattr(target, "namespace", None)


def name_of(op: Any) -> str:
    """``mylib::scan``; the overload is said where it is not the default one."""
    return str(op.name()).removesuffix(".default")


def _check_form(name: str, form: Any) -> None:
    """An ``onnxscript.script`` function is read by torch.onnx, which says nothing helpful about these two."""
    if not callable(form):
        raise UsageError(
            f"the ONNX form of {name} cannot be called", got=repr(form), wanted="a function of the op's arguments"
        )
    if not isinstance(form, onnxscript.OnnxFunction):
        return
    opset = form.function_ir.opset_imports.get("", ONNXSCRIPT_OPSET)
    if opset != ONNXSCRIPT_OPSET:
        raise UsageError(
            f"the ONNX form of {name} is written in another opset than torch.onnx builds with",
            got=f"opset{opset}",
            wanted=f"onnxscript.opset{ONNXSCRIPT_OPSET}, whatever opset the file gets",
        )
    if len(form.function_ir.outputs) > 1 and "return" not in form.function.__annotations__:
        raise UsageError(
            f"the ONNX form of {name} returns {len(form.function_ir.outputs)} values and does not say so",
            do="annotate its return type, as in -> tuple[FLOAT, FLOAT]",
        )


def origin_of(rule: Any) -> str:
    """``mylib.streaming.scan_rule (mylib 1.2)``: where a rule was written, and the installed package if it has one."""
    place = _place(rule)
    found = importlib.metadata.packages_distributions().get(place.partition(".")[0], [])
    versions = [f"{name} {importlib.metadata.version(name)}" for name in sorted(set(found))]
    return f"{place} ({', '.join(versions)})" if versions else place


def _place(rule: Any) -> str:
    while isinstance(rule, functools.partial):
        rule = rule.func
    rule = inspect.unwrap(rule)
    named = rule if hasattr(rule, "__qualname__") else type(rule)
    return f"{named.__module__}.{named.__qualname__}"
