"""A graph with some of its sites in fewer bits; the rest stays as it is, name for name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgeseq.quantization.embeddings import lookup
from edgeseq.quantization.halves import store_halves
from edgeseq.quantization.kernels import Kernel
from edgeseq.quantization.nodes import Nodes
from edgeseq.quantization.sites import Site, find_sites


@dataclass(frozen=True)
class Rewritten:
    """What became of the sites of a graph.

    ``bytes_after`` of each one's weights, by name. ``shadows``: of sites that were left beside, what they give in
    float32 for the same inputs, and what takes the place of it.
    """

    bytes_after: Mapping[str, int]
    shadows: Mapping[str, tuple[ir.Value, ir.Value]]


def rewrite(
    model: ir.Model,
    kernels: Mapping[str, Kernel],
    one_frame: bool = False,
    shadows: bool = False,
    others: Iterable[str] = (),
) -> Rewritten:
    """Replace the sites that ``kernels`` names in ``model``, which is changed; with ``shadows`` leave them beside.

    ``others`` as in :func:`find_sites`.
    """
    after, beside = {}, {}
    for site in find_sites(model, others)[0]:
        kernel = kernels.get(site.name)
        if kernel is None:
            continue
        if site.tied is not None and (site.tied not in kernels or kernels[site.tied].scheme != kernel.scheme):
            site = replace(site, tied=None)
        known = set(model.graph.initializers)
        beside[site.name] = _replace(model, site, kernel, one_frame, shadows)
        after[site.name] = sum(
            value.const_value.nbytes
            for name, value in model.graph.initializers.items()
            if name not in known and value.const_value is not None
        )
    if not shadows:
        RemoveUnusedNodesPass()(model)
    return Rewritten(after, beside if shadows else {})


def _replace(model: ir.Model, site: Site, kernel: Kernel, one_frame: bool, shadows: bool) -> tuple[ir.Value, ir.Value]:
    """Put what a site is in fewer bits in its place; its first result before and after."""
    nodes = Nodes(model, site.name)
    if kernel.scheme.kernel == "half":
        used = [value for value in site.node.outputs if value.uses() or value.is_graph_output()]
        after = (used or site.node.outputs)[0]
        before = _copied(nodes, site.node, after) if shadows else after
        store_halves(model, site)
        return before, after
    results = _written(nodes, site, kernel, one_frame)
    nodes.place(site.node, results)
    return results[0]


def _copied(nodes: Nodes, node: ir.Node, result: ir.Value) -> ir.Value:
    """``result`` of a node like this one, in front of it, with the same inputs; its own where it holds graphs."""
    if node.graph is None or any(attribute.type == ir.AttributeType.GRAPH for attribute in node.attributes.values()):
        return result
    results = nodes.several(node.op_type, node.inputs, len(node.outputs), node.domain)
    copy = nodes.made[0]
    copy.attributes.update(node.attributes)
    copy.version = node.version
    node.graph.insert_before(node, copy)
    return results[node.outputs.index(result)]


def _written(nodes: Nodes, site: Site, kernel: Kernel, one_frame: bool) -> list[tuple[ir.Value, ir.Value]]:
    """The site in other nodes; what takes the place of each of its results."""
    result = site.node.outputs[0]
    if site.layer is not None:
        return site.layer.write(nodes, kernel, one_frame)
    if site.table is not None:
        indices = site.node.inputs[1]
        assert indices is not None
        return [(result, lookup(nodes, site.table, indices, kernel, site.tied))]
    if site.convolution is not None:
        return [(result, site.convolution.write(nodes, kernel))]
    x = site.node.inputs[0]
    assert site.matrix is not None
    assert x is not None
    product = kernel.product(nodes, x, site.matrix, "product")
    bias = site.node.inputs[2] if len(site.node.inputs) > 2 else None
    return [(result, product if bias is None else nodes.op("Add", [product, bias]))]
