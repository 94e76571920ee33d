"""The streaming rules, by family: reading one file tells which ops stream and how.

What the author of a rule needs is exported here and explained in ``docs/rules.md``.
"""

from __future__ import annotations

from edgeseq.exporters.alignment import align, delay, past_end, ready, settle, until_end
from edgeseq.exporters.facts import Facts, Head, Place, Scalar, Static, Summary, Timed
from edgeseq.exporters.framewise import framewise
from edgeseq.exporters.rules import (
    attention,
    convolution,
    features,
    framing,
    indexing,
    joins,
    loop,
    overlaps,
    padding,
    pair_products,
    pair_views,
    pairs,
    pointwise,
    pooling,
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
)
from edgeseq.exporters.rules.foreign import Rule, Rules, StreamingRule
from edgeseq.exporters.rules.schema import axes_of, bound, each_result, picked, result_is_used, result_shape, target
from edgeseq.exporters.step import Step

FAMILIES = (
    pointwise,
    features,
    shapes,
    products,
    reductions,
    running,
    positions,
    shifts,
    padding,
    joins,
    scatters,
    convolution,
    transposed,
    upsampling,
    pooling,
    framing,
    overlaps,
    recurrent,
    loop,
    attention,
    pairs,
    pair_views,
    pair_products,
    indexing,
    refused,
)

__all__ = [
    "FAMILIES",
    "Facts",
    "Head",
    "Place",
    "Rule",
    "Rules",
    "Scalar",
    "Static",
    "Step",
    "StreamingRule",
    "Summary",
    "Timed",
    "align",
    "axes_of",
    "bound",
    "delay",
    "each_result",
    "framewise",
    "past_end",
    "picked",
    "ready",
    "result_is_used",
    "result_shape",
    "settle",
    "target",
    "until_end",
]
