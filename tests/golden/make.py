"""Write the golden contract files: ``python -m tests.golden.make``."""

from __future__ import annotations

from pathlib import Path

from edgeseq.contract import Contract
from tests.golden.contracts import GOLDEN

FOLDER = Path(__file__).parent


def golden_bytes(contract: Contract) -> bytes:
    """What the golden file of a contract holds."""
    return (contract.to_json(indent=2) + "\n").encode()


if __name__ == "__main__":
    for name, contract in GOLDEN.items():
        (FOLDER / f"{name}.contract.json").write_bytes(golden_bytes(contract))
