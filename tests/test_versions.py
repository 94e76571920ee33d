"""The metadata claims the torch release that the tests run on, and no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
EXPORT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"][
    "export"
]


def pinned(text: str) -> str:
    """The torch version in some pins."""
    (version,) = re.findall(r"^torch==(\d+\.\d+\.\d+)$", text, re.MULTILINE)
    return str(version)


def release_of(version: str) -> str:
    """The requirement that admits the release ``2.13`` of ``2.13.0``: its corrections too, the next release not."""
    major, minor, _ = map(int, version.split("."))
    return f"torch>={major}.{minor},<{major}.{minor + 1}"


def test_the_metadata_claims_what_the_pin_tests() -> None:
    pin = pinned((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    assert [line for line in EXPORT if line.startswith("torch")] == [release_of(pin)]


def test_the_pin_is_what_the_tests_run_on() -> None:
    pin = pinned((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    assert str(torch.__version__).partition("+")[0] == pin


@pytest.mark.parametrize("claim", ["torch>=2.13", "torch>=2.12,<2.14", "torch>=2.13,<3", "torch==2.13.0"])
def test_any_other_claim_is_noticed(claim: str) -> None:
    assert claim != release_of("2.13.0")
