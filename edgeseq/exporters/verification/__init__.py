"""Verification: the laws, run on the finished ONNX file against the original module."""

from __future__ import annotations

from edgeseq.exporters.verification.verifying import verify
from edgeseq.verification.report import Check, Verification

__all__ = ["Check", "Verification", "verify"]
