"""The streaming rules, by family. Reading one file tells which ops stream and how."""

from __future__ import annotations

from edgeseq.exporters.rules import (
    attention,
    convolution,
    features,
    pointwise,
    pooling,
    positions,
    products,
    recurrent,
    reductions,
    refused,
    shapes,
    shifts,
)

FAMILIES = (
    pointwise,
    features,
    shapes,
    products,
    reductions,
    positions,
    shifts,
    convolution,
    pooling,
    recurrent,
    attention,
    refused,
)
