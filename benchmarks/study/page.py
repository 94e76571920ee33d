"""x."""

from pathlib import Path


def write_page(results: Path, docs: Path) -> None: ...
