"""The form and the settings of a file that are best on the machine at hand, by measurement."""

from __future__ import annotations

from edgeseq.quantization.tuning.tuned import Tuned
from edgeseq.quantization.tuning.tuning import tune

__all__ = ["Tuned", "tune"]
