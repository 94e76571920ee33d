"""The table of rows, one or more per rule; ``python -m tests.rules OP`` (``make rule OP=...``) runs those of one op."""

from __future__ import annotations

from edgeseq.exporters.rules import FAMILIES
from edgeseq.exporters.rules.refused import REFUSALS
from edgeseq.exporters.step_ops import TORCH_TO_ONNX
from tests.rules import (
    attention,
    features,
    framing,
    indexing,
    joins,
    loop,
    overlaps,
    padding,
    pointwise,
    positions,
    products,
    recurrent,
    reductions,
    refused,
    running,
    scatters,
    shapes,
    shifts,
    transposed,
    upsampling,
    weighted,
    windows,
)
from tests.rules.row import Row

ROWS: tuple[Row, ...] = (
    *pointwise.ROWS,
    *features.ROWS,
    *shapes.ROWS,
    *products.ROWS,
    *reductions.ROWS,
    *weighted.ROWS,
    *running.ROWS,
    *positions.ROWS,
    *shifts.ROWS,
    *padding.ROWS,
    *joins.ROWS,
    *scatters.ROWS,
    *windows.ROWS,
    *transposed.ROWS,
    *upsampling.ROWS,
    *framing.ROWS,
    *overlaps.ROWS,
    *recurrent.ROWS,
    *loop.ROWS,
    *attention.ROWS,
    *indexing.ROWS,
    *refused.ROWS,
)

#: Refusals along time that ``tests/test_refusals.py`` checks on exported models, text and line too: op and row there.
ELSEWHERE = {
    "aten.flip.default": "flip",
    "aten.roll.default": "roll",
    "aten.lstm": "bidirectional-lstm",
    "aten.gru": "bidirectional-gru",
    "aten.scaled_dot_product_attention.default": "attention",
    "aten.softmax.int": "softmax-over-time",
    "aten.sort.default": "sort",
    "aten.group_norm.default": "group-norm",
    "aten.instance_norm.default": "instance-norm",
    "aten._native_batch_norm_legit.no_stats": "no-stored-statistics",
    "aten.arange.start_step": "positions-from-the-end",
}

#: Registered ops without a row, each with the reason.
WITHOUT_ROW: dict[str, str] = {}


def registered() -> set[str]:
    """The ops of every rule by the names that rows have; a recurrent call counts once per kind."""
    ops = {str(op) for family in FAMILIES for op in family.RULES}
    return ops - {"edgeseq.recurrent.default"} | {f"aten.{mode}" for mode in TORCH_TO_ONNX}


def missing() -> set[str]:
    """Ops that could stream along time and have no rule for it yet."""
    return {str(op) for op, (refusal, _) in REFUSALS.items() if refusal.missing}
