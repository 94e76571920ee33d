"""Handmade files, written once per session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgeseq import runtime
from tests.handmade import Handmade


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Handmade], runtime.Model]:
    """Writes a handmade model to a file and loads it."""
    folder = tmp_path_factory.mktemp("handmade")
    count = iter(range(1_000_000))

    def write_and_load(handmade: Handmade) -> runtime.Model:
        return runtime.load(handmade.save(Path(folder) / f"{next(count)}.onnx"))

    return write_and_load
