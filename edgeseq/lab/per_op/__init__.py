"""Where the time of a step goes: onnxruntime's profile of it, by node, operator and module."""

from __future__ import annotations

from edgeseq.lab.per_op.per_op import Group, NodeTime, PerOp, profile
from edgeseq.lab.per_op.table import describe

__all__ = ["Group", "NodeTime", "PerOp", "describe", "profile"]
