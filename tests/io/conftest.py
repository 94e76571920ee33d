"""Handmade files for adapters."""

from tests.runtime.conftest import load

__all__ = ["load"]
