"""The streaming transform: replay the captured graph on one chunk and replace only the ops that mix frames.

One dispatch order, in :func:`_replay_node`; what each op does stands in ``rules/``.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch

from edgeseq.exporters.capture import BODY
from edgeseq.exporters.copies import copied_in, is_kept_by
from edgeseq.exporters.facts import Fact, Facts, Grid, Pairs, Scalar, Static, Summary, Timed
from edgeseq.exporters.framewise import flatten, on_summaries, rebuild
from edgeseq.exporters.rules import first_frames, joins
from edgeseq.exporters.rules.checks import check_result
from edgeseq.exporters.rules.foreign import Rule, name_of
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.rules.schema import bound
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import mentions

#: A view as it is replayed on summaries: states do not lie in memory as the captured op's result did.
_STRIDELESS: dict[Any, Any] = dict.fromkeys(
    [torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default], torch.ops.aten.reshape.default
)
Found = tuple[Any, Any]
Finished = tuple[str, torch.Tensor, Fact]


class Watch:
    """What stands beside a replay and sees every value; this one lets all of them pass."""

    def node(self, step: Step, node: torch.fx.Node, run: Callable[[], Found]) -> Found:
        """The value and the fact of a node that calls an op: ``run()`` replays it, or refuses."""
        return run()

    def output(self, step: Step, node: torch.fx.Node, run: Callable[[], Finished]) -> Finished:
        """An output as it is handed out, made by ``run()`` from the value of ``node``."""
        return run()


def replay(
    step: Step, registry: Registry, given: Mapping[str, torch.Tensor], watch: Watch
) -> list[tuple[str, torch.Tensor, Fact]]:
    """Run one chunk through the captured graph: ``(name, value, fact)`` of every output.

    ``given`` holds the chunk's inputs by placeholder name, and what a prologue computed by the name of its node.
    """
    if step.planning:
        registry.foreign.check_used(step.captured.graph)
    found: dict[torch.fx.Node, Found] = {}
    step.found = found
    for node in step.captured.graph.nodes:
        step.node = node
        if _is_a_guard(node) or node.name in step.plan.split.above:
            continue
        if node.name in step.plan.split.names:
            found[node] = given[node.name], Static(step.captured.shape(node.meta["val"]), conditioned=True)
            _record(step, node, found[node][1])
        elif node.op == "placeholder":
            found[node] = _placeholder(step, node, given)
        elif node.op == "get_attr":
            found[node] = node.meta[BODY], None
        elif node.op == "call_function":
            found[node] = watch.node(step, node, partial(_replay_node, step, registry, node, found))
            _record(step, node, found[node][1])
    return [(name, *found[node]) for name, node in step.captured.outputs]


def replay_untimed(
    step: Step, registry: Registry, nodes: Iterable[torch.fx.Node], given: Mapping[str, torch.Tensor]
) -> dict[torch.fx.Node, Any]:
    """Run nodes that depend on no frame, in the order of the graph; their values. ``given``: by placeholder name."""
    found: dict[torch.fx.Node, Found] = {}
    for node in nodes:
        step.node = node
        if node.op == "placeholder":
            found[node] = _placeholder(step, node, given)
        elif node.op == "get_attr":
            found[node] = node.meta[BODY], None
        else:
            found[node] = _replay_node(step, registry, node, found)
    return {node: value for node, (value, _) in found.items()}


def _is_a_guard(node: torch.fx.Node) -> bool:
    """Asserts of the capture: they return nothing and speak of whole sequences."""
    return node.op == "call_function" and node.meta.get("val") is None and not node.users


def _placeholder(step: Step, node: torch.fx.Node, given: Mapping[str, torch.Tensor]) -> Found:
    if node.name in step.captured.tensors:
        tensor = step.captured.tensors[node.name]
        return tensor, Static(tuple(tensor.shape), constant=True)
    shape = step.captured.shape(node.meta["val"])
    item = next(item for item in step.captured.inputs if item.placeholder == node.name)
    if item.spec.time_axis is None:
        return given[node.name], Static(shape, conditioned=True)
    length = step.captured.length(shape[item.spec.time_axis])
    assert length is not None
    return given[node.name], Timed(shape, item.spec.time_axis, 0, length)


def _replay_node(step: Step, registry: Registry, node: torch.fx.Node, found: Mapping[torch.fx.Node, Found]) -> Found:
    output = node.meta.get("val")
    if node.target is operator.getitem:
        value, fact = found[node.args[0]]  # type: ignore[index]
        return value[node.args[1]], fact[node.args[1]]
    if not isinstance(output, (torch.Tensor, tuple, list)):
        return _scalar(step, output)
    facts = _all_facts(step, node, found)
    if _is_grid(step, node, facts):
        return None, Grid(_shapes(step, output))
    leaves = [fact for fact in flatten([*facts, *map(facts.__getitem__, node.kwargs)]) if fact is not None]
    if node.target in first_frames.SHAPE_ONLY and any(isinstance(fact, Summary) for fact in leaves):
        rule = registry.rule(step, node.target)
        return rule(step, facts, *_values(step, list(node.args), found), **_values(step, dict(node.kwargs), found))
    if _has_frames(step, output) or any(isinstance(fact, (Timed, Pairs, Grid)) for fact in leaves):
        return _mixed(step, registry, node, found, facts, leaves)
    if all(isinstance(fact, Static) for fact in leaves):
        return _static(step, registry, node, found, facts)
    args = _values(step, list(node.args), found)
    kwargs = _values(step, dict(node.kwargs), found)
    shapes = _shapes(step, output)
    _refuse_keywords(step, node, facts, None)
    op = _STRIDELESS.get(node.target, node.target)
    if isinstance(shapes, list):
        return _several_summaries(step, facts, args, shapes, lambda _, *a: op(*a, **kwargs))
    return on_summaries(step, facts, args, shapes, lambda _, *a: op(*a, **kwargs))


def _several_summaries(step: Step, facts: Facts, args: list[Any], shapes: list[Any], op: Any) -> Found:
    """Every result of an op on values without a frame axis."""
    values, fact = on_summaries(step, facts, args, shapes[0], op)
    return values, [fact.with_shape(shape) for shape in shapes]


def _mixed(
    step: Step,
    registry: Registry,
    node: torch.fx.Node,
    found: Mapping[torch.fx.Node, Found],
    facts: Facts,
    leaves: list[Fact],
) -> Found:
    """Replay an op that has frames among its operands or makes them: by its rule."""
    if node.target not in joins.RULES and any(isinstance(fact, Summary) and fact.known is None for fact in leaves):
        raise first_frames.needs_all_time(step)
    paired = _makes_pairs(step, node) or any(isinstance(fact, (Pairs, Grid)) for fact in leaves)
    rule = registry.pair_rule(step, node.target) if paired else registry.rule(step, node.target)
    _refuse_keywords(step, node, facts, rule)
    args, kwargs = _values(step, list(node.args), found), _values(step, dict(node.kwargs), found)
    carried_before = set(step.carried)
    if rule is not joins.join:
        facts, args = first_frames.with_known(step, facts, args)
    if not is_kept_by(rule):
        facts, args = _with_copies(step, facts, args)
    result = rule(step, facts, *args, **kwargs)
    if step.planning:
        check_result(step, rule, result, carried_before)
        if node.target in registry.foreign.origins:
            step.plan.rules[name_of(node.target)] = registry.foreign.origins[node.target]
    return result


def _with_copies(step: Step, facts: Facts, args: list[Any]) -> tuple[Facts, list[Any]]:
    """Positional operands with copied first frames in their streams: what a rule expects that does not know of them."""
    leaves, leaf_facts = flatten(args), flatten(list(facts))
    if not any(isinstance(fact, Timed) and fact.copied for fact in leaf_facts):
        return facts, args
    pairs = [
        copied_in(step, leaf, fact) if isinstance(fact, Timed) else (leaf, fact)
        for leaf, fact in zip(leaves, leaf_facts, strict=True)
    ]
    new = rebuild(list(facts), [fact for _, fact in pairs])
    return facts.replaced(step.node, new), rebuild(args, [leaf for leaf, _ in pairs])


def _makes_pairs(step: Step, node: torch.fx.Node) -> bool:
    """True where a result has time in two axes, so that frames meet frames."""
    made: Any = node.meta["val"]
    tensors: list[torch.Tensor] = [item for item in flatten(made) if isinstance(item, torch.Tensor)]
    shapes = [step.captured.shape(tensor) for tensor in tensors]
    return any(sum(mentions(size, step.captured.time) for size in shape) > 1 for shape in shapes)


def _is_grid(step: Step, node: torch.fx.Node, facts: Facts) -> bool:
    """True for a value over pairs of frames that no input enters: it is computed where it meets the stream."""
    grids = step.captured.grids
    if node not in grids.free or not isinstance(node.meta.get("val"), torch.Tensor):
        return False
    return grids.is_grid(node) or any(isinstance(fact, Grid) for fact in flatten(list(facts)))


def _refuse_keywords(step: Step, node: torch.fx.Node, facts: Facts, rule: Rule | None) -> None:
    """Refuse a keyword argument that depends on the input and that the rule does not name: it would pass unaligned."""
    for name in node.kwargs:
        leaves = [fact for fact in flatten(facts[name]) if fact is not None]
        constant = all(isinstance(fact, Static) and fact.constant for fact in leaves)
        if not constant and (rule is None or name not in inspect.signature(rule).parameters):
            raise step.refuse(
                f"its keyword argument {name} depends on the input or on its length, which its rule does not follow",
                "compute that argument's part in an op of its own, as in x + alpha * y",
            )


def _all_facts(step: Step, node: torch.fx.Node, found: Mapping[torch.fx.Node, Found]) -> Facts:
    positional = _facts(step, list(node.args), found)
    schema = getattr(node.target, "_schema", None)
    names = [argument.name for argument in schema.arguments] if schema is not None else []
    named = {name: _facts(step, tree, found) for name, tree in node.kwargs.items()}
    return Facts(positional, {**dict(zip(names, positional, strict=False)), **named})


def _facts(step: Step, tree: Any, found: Mapping[torch.fx.Node, Found]) -> Any:
    """The facts of an argument tree; None for plain numbers and for sizes that do not depend on time."""
    if isinstance(tree, (list, tuple)):
        return [_facts(step, item, found) for item in tree]
    if not isinstance(tree, torch.fx.Node):
        return None
    fact = found[tree][1]
    return None if _is_plain(step, fact) else fact


def _values(step: Step, tree: Any, found: Mapping[torch.fx.Node, Found]) -> Any:
    """The values of an argument tree, constants as the step graph's own, sizes without time looked up."""
    if isinstance(tree, dict):
        return {key: _values(step, item, found) for key, item in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_values(step, item, found) for item in tree]
    if not isinstance(tree, torch.fx.Node):
        return tree
    value, fact = found[tree]
    if _is_plain(step, fact):
        return step.size(fact.size)
    if isinstance(fact, Static) and fact.constant:
        return step.weight(tree.name, value)
    return value


def _is_plain(step: Step, fact: Any) -> bool:
    return isinstance(fact, Scalar) and not mentions(fact.size, step.captured.time)


def _scalar(step: Step, output: Any) -> Found:
    if isinstance(output, torch.SymFloat) and output.node.expr.free_symbols <= {
        *step.captured.axes,
        *step.captured.rename,
    }:
        between = Scalar(output.node.expr.xreplace(dict(step.captured.rename)))
        return between, between
    if not isinstance(output, (int, torch.SymInt)):
        raise step.refuse(
            "a Python number is read from the data, as .item() does",
            "compute with tensors, or with whole numbers of frames",
        )
    fact = Scalar(step.captured.size(output))
    return fact, fact


def _shapes(step: Step, output: Any) -> Any:
    if isinstance(output, (tuple, list)):
        return [_shapes(step, item) for item in output]
    return step.captured.shape(output)


def _has_frames(step: Step, output: Any) -> bool:
    tensors = [item for item in flatten(output) if isinstance(item, torch.Tensor)]
    return any(mentions(size, step.captured.time) for tensor in tensors for size in step.captured.shape(tensor))


def _static(
    step: Step, registry: Registry, node: torch.fx.Node, found: Mapping[torch.fx.Node, Found], facts: Facts
) -> Found:
    """Replay an op on values that are known before the stream starts; on constants only: once, at export."""
    leaves = [fact for fact in flatten([*facts, *map(facts.__getitem__, node.kwargs)]) if fact is not None]
    constant = all(fact.constant for fact in leaves) and not any(
        isinstance(source.meta.get("val"), torch.SymInt) for source in node.all_input_nodes
    )
    if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()) and _drops(step, node):
        raise step.refuse_random()
    if constant:
        value = step.folded(node, lambda: _call(node, _raw(node.args, found), _raw(node.kwargs, found)))
    else:
        run = registry.untimed(step, node.target, facts)
        value = run(*_values(step, list(node.args), found), **_values(step, dict(node.kwargs), found))
    if node.target is torch.ops.aten.embedding.default:
        step.indexes(1, int(facts[0].shape[0]))
    shapes = _shapes(step, node.meta["val"])
    conditioned = any(fact.conditioned for fact in leaves)
    if isinstance(shapes, list):
        return value, [Static(shape, constant, conditioned) for shape in shapes]
    return value, Static(shapes, constant, conditioned)


def _drops(step: Step, node: torch.fx.Node) -> bool:
    """Whether an op that can draw random numbers does so: one with a dropout of zero does not."""
    return bool(bound(step, node.args, dict(node.kwargs)).get("dropout_p", 1.0))


def _raw(tree: Any, found: Mapping[torch.fx.Node, Found]) -> Any:
    return torch.fx.node.map_arg(tree, lambda node: found[node][0])


def _call(node: torch.fx.Node, args: Any, kwargs: Any) -> Any:
    return node.target(*args, **kwargs)  # type: ignore[operator]


def _record(step: Step, node: torch.fx.Node, fact: Any) -> None:
    if step.planning:
        step.plan.facts[node.name] = fact
