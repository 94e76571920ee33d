"""Complex values as pairs of real ones: a pass over the captured graph, before any rule sees it.

onnxruntime has no complex tensors. Every complex value becomes two real values of its shape, its real and its imaginary
part, and every op on it a few real ops; what each op becomes stands in ``complex_ops``. Two values, not an axis of two:
axes keep their numbers, a part that is zero costs nothing, and every streaming rule works on each part as it is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from edgeseq.exporters.capture import Captured
from edgeseq.exporters.emitter import Emitter, rewritten, tensors_of, with_own_graph

aten = torch.ops.aten


class Pair(NamedTuple):
    """The parts of a complex value: nodes, numbers, or None for zero."""

    re: Any
    im: Any


Form = Callable[..., Any]


def in_real_numbers(captured: Captured, forms: dict[Any, Form]) -> Captured:
    """The captured model without complex values; as it is where it has none.

    ``forms`` gives the real form of each op: ``form(emit, *args, **kwargs)`` gets Pairs for complex arguments and
    returns a Pair, a node, or a list of either. What depends on weights alone stays complex: it is computed at export.
    """
    if not any(is_complex(node) for node in captured.graph.nodes):
        return captured
    captured = with_own_graph(captured)
    rewriting = _Rewriting(captured, forms)
    for node in list(captured.graph.nodes):
        rewriting.visit(node)
    made = rewritten(captured, rewriting.replaced)
    return replace(made, tensors={**captured.tensors, **rewriting.tensors})


class _Rewriting:
    def __init__(self, captured: Captured, forms: dict[Any, Form]) -> None:
        self.captured, self.forms = captured, forms
        self.tensors: dict[str, torch.Tensor] = {}
        self.found: dict[torch.fx.Node, Any] = {}
        self.replaced: dict[torch.fx.Node, torch.fx.Node] = {}
        self.opened: dict[torch.fx.Node, Pair] = {}
        self.constant = {node for node in captured.graph.nodes if node.name in captured.tensors}

    def visit(self, node: torch.fx.Node) -> None:
        """Note a node on constants alone; replace one that touches complex values."""
        emit = Emitter(self.captured, node, self.tensors)
        if node.op == "output":
            self._check_outputs()
        elif node.op == "call_function" and _is_constant(node, self.constant):
            self.constant.add(node)
        elif node.op == "call_function" and any(map(is_complex, [node, *node.all_input_nodes])):
            self._replace(emit, node)
        elif node.target is aten.select.int and node.args[0] in self.opened:
            self._pick(node)
        elif node.target is aten._neg_view.default:  # what torch makes of ``z.conj().imag``
            node.target = aten.neg.default

    def _pick(self, node: torch.fx.Node) -> None:
        """``view_as_real(z)[..., 0]``, which is what ``z.real`` is captured as, takes the part itself."""
        opened, axis, index = node.args
        if axis in (-1, node.meta["val"].dim()):
            self.replaced[node] = self.opened[opened][index]  # type: ignore[index]
            node.replace_all_uses_with(self.replaced[node])

    def _replace(self, emit: Emitter, node: torch.fx.Node) -> None:
        if node.meta.get("val") is None:
            return node.graph.erase_node(node)  # an assert of the capture
        args, kwargs = self._taken(emit, node.args), self._taken(emit, node.kwargs)
        if node.target is operator.getitem:
            result = args[0][args[1]]
        elif isinstance(node.meta["val"], torch.SymInt):
            result = emit(node.target, args[0].re, *args[1:])
        else:
            result = _form(emit, self.forms, node)(emit, *args, **kwargs)
        if is_complex(node):
            self.found[node] = result
            return None
        self.replaced[node] = result.re if isinstance(result, Pair) else result
        node.replace_all_uses_with(self.replaced[node])
        if node.target is aten.view_as_real.default:
            self.opened[self.replaced[node]] = Pair(*self.replaced[node].args[0])  # type: ignore[misc]
        return None

    def _taken(self, emit: Emitter, tree: Any) -> Any:
        """An argument tree with Pairs in place of what is complex."""
        if isinstance(tree, dict):
            return {key: self._taken(emit, item) for key, item in tree.items()}
        if isinstance(tree, (list, tuple)):
            return [self._taken(emit, item) for item in tree]
        if isinstance(tree, complex):
            return Pair(tree.real or None, tree.imag or None)
        if not isinstance(tree, torch.fx.Node) or not is_complex(tree):
            return tree
        if tree not in self.found:
            parts = emit(aten.view_as_real.default, emit(aten.resolve_conj.default, tree))
            self.found[tree] = Pair(emit(aten.select.int, parts, -1, 0), emit(aten.select.int, parts, -1, 1))
        return self.found[tree]

    def _check_outputs(self) -> None:
        for _, node in self.captured.outputs:
            if is_complex(node):
                raise Emitter(self.captured, node, {}).refuse(
                    "the model returns complex numbers, which ONNX files cannot hand out",
                    "return torch.view_as_real(y), whose last axis holds the real and the imaginary part",
                )


def is_complex(node: torch.fx.Node) -> bool:
    """True for a node whose value, or one of whose values, is complex."""
    return any(value.is_complex() for value in tensors_of([node]))


def _is_constant(node: torch.fx.Node, constant: set[torch.fx.Node]) -> bool:
    """True for what depends on weights alone, sizes included: ``replay`` computes it once, at export."""
    if node.meta.get("val") is None or isinstance(node.meta["val"], torch.SymInt):
        return False
    return all(source in constant for source in node.all_input_nodes)


def _form(emit: Emitter, forms: dict[Any, Form], node: torch.fx.Node) -> Form:
    if node.target not in forms:
        raise emit.refuse(
            "it has no form in real numbers, and ONNX files have no complex ones",
            "write it with real arithmetic on torch.view_as_real",
        )
    return forms[node.target]
