"""What quantization did to a file, node by node: stored in its contract, shown by ``inspect``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgeseq.quantization.configs import Config
from edgeseq.quantization.noise import LongRun
from edgeseq.quantization.sites import Left
from edgeseq.quantization.speed import Speed


@dataclass(frozen=True)
class Node:
    """One quantized node. ``snr_db``: SQNR of its output for the inputs that it gets in the quantized stream.

    ``alone_snr_db``: SQNR of the model's worst output where this node alone is quantized. None: no error to be seen,
    or not measured.
    """

    name: str
    kind: str
    scheme: str
    bytes_before: int
    bytes_after: int
    snr_db: float | None
    alone_snr_db: float | None


@dataclass(frozen=True)
class Report:
    """Everything that is known of a quantized file. ``outputs``: SQNR in dB of each output of the model.

    ``source`` is the digest of the float file; ``inputs`` says what the figures were measured on. ``speed`` is None,
    and ``speed_note`` says why, where it was not measured on the target.
    """

    kind: str
    config: Mapping[str, Any]
    target: str
    source: str
    one_frame: bool
    nodes: tuple[Node, ...]
    left: tuple[Left, ...]
    file_bytes_before: int
    file_bytes_after: int
    inputs: str
    outputs: Mapping[str, float | None]
    long_run: LongRun
    speed: Speed | None
    speed_note: str | None
    limits: Mapping[str, float]
    raised: tuple[str, ...]
    task: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as stored in the contract."""
        return {
            **asdict(self),
            "long_run": self.long_run.to_dict(),
            "speed": None if self.speed is None else self.speed.to_dict(),
        }


def plain_config(config: Config) -> dict[str, Any]:
    """The settings of a config as JSON has them."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}
