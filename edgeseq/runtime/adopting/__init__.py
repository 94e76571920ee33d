"""Giving a contract to a stateful ONNX file that was made elsewhere."""

from __future__ import annotations

from edgeseq.runtime.adopting.adopt import adopt
from edgeseq.runtime.adopting.recipes import RECIPES

__all__ = ["RECIPES", "adopt"]
