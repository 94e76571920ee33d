"""What a machine offers to edgeseq, what is wrong with it, and what to change. Standard library only."""

from __future__ import annotations

from edgeseq.doctor.examine import Examination, examine
from edgeseq.doctor.finding import Finding

__all__ = ["Examination", "Finding", "examine"]
