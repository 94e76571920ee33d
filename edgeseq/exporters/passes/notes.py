"""A file says nothing of where it was made. Needs nothing; leaves names, shapes and types alone."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir


def drop_notes(model: ir.Model) -> None:
    """Remove what the exporter notes on graphs, nodes and values for its own diagnosis.

    Its stack traces name files of the machine that exports: they would make the bytes of a file depend on where edgeseq
    is installed, and take as much room as a small model's weights. Names, shapes and types stay.
    """
    scopes: list[ir.Graph | ir.Function] = [model.graph, *model.functions.values()]
    for scope in scopes:
        _bare(scope)
        for value in [*scope.inputs, *getattr(scope, "initializers", {}).values()]:
            _bare(value)
        for node in ir.traversal.RecursiveGraphIterator(scope):
            for item in (node, node.graph, *node.outputs):
                _bare(item)


def _bare(item: Any) -> None:
    item.metadata_props.clear()
    item.doc_string = None
