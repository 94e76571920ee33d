"""A module straight to a quantized file: the float file between them is made, verified and thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from edgeseq.errors import UsageError
from edgeseq.exporters.modes import Mode, Sequence
from edgeseq.quantization import Config, Quantized, quantize
from edgeseq.quantization.asking import check_asked
from edgeseq.quantization.targets import target_of
from edgeseq.verification.drawing import Calibration


@dataclass(frozen=True)
class Kept:
    """What lies beside the quantized file, as ``export`` is asked for it."""

    golden: bool
    sidecar: bool
    external_data: bool


def quantized(
    float_export: Callable[[Path], object],
    config: Config,
    target: Path,
    samples: Calibration | None,
    kept: Kept,
    target_cpu: str | None,
    keep_slower: bool,
) -> Quantized:
    """Let ``float_export`` write the float file into a folder beside ``target``, and quantize it to there."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}.") as folder:
        source = Path(folder) / target.name
        float_export(source)
        return quantize(
            source,
            config,
            target,
            calibration=samples,
            target_cpu=target_cpu,
            keep_slower=keep_slower,
            **asdict(kept),
        )


def check_quantization(config: Config | None, ops: str, mode: Mode, target_cpu: str | None, keep_slower: bool) -> None:
    """UsageError where a file of these wishes cannot be quantized, asked before it is exported."""
    if config is None:
        if target_cpu is not None or keep_slower:
            name = "target_cpu" if target_cpu is not None else "keep_slower"
            raise UsageError(f"{name} is for a quantized file", do="say how to quantize it with quantize= (--quantize)")
        return
    check_asked(config)
    target_of(target_cpu)
    if ops == "portable":
        raise UsageError(
            "a quantized file needs onnxruntime's own ops",
            got="ops='portable'",
            do="leave it out, or export a portable file in float",
        )
    if isinstance(mode, Sequence):
        raise UsageError(
            "a file of whole sequences cannot be quantized",
            why="its error is measured on streams",
            do="export it in another mode",
        )
