"""A finished quantized file against the float file that it was made of: every law once more."""

from __future__ import annotations

from pathlib import Path

from edgeseq.errors import UsageError
from edgeseq.quantization.laws import check_quantized
from edgeseq.quantization.quantizing import settings_of
from edgeseq.quantization.source import opened
from edgeseq.quantization.streams import Samples
from edgeseq.runtime.loading import load
from edgeseq.verification.drawing import Calibration
from edgeseq.verification.report import Verification


def verify_quantized(
    path: str | Path, float_path: str | Path, *, calibration: Calibration | None = None
) -> Verification:
    """Run the laws on the quantized file at ``path`` against the float file at ``float_path``.

    ``calibration`` is an iterable of ``{name: array}``: real inputs in place of random ones. Nothing is written: what a
    changed file is no longer is what its report speaks of, so that one is refused, as is a float file that it was not
    made of. Raises UsageError, and what ``load`` raises.
    """
    model = load(path)
    report = model.contract.quantization
    if report is None:
        raise UsageError("the file is not quantized", where=str(path), do="verify it against its module, with --model")
    with opened(Path(float_path)) as source:
        if report.get("source") != source.contract.digest:
            raise UsageError(
                "the file was made of another float file",
                where=str(path),
                got=f"{float_path}, {source.contract.digest}",
                wanted=report.get("source"),
            )
        samples = Samples(source.contract, calibration)
        return check_quantized(source.load(), model, samples, settings_of(source, samples))
