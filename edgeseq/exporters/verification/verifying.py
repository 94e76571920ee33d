"""``verify``: the laws on a finished file, and its seal renewed where it was changed and still holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from edgeseq.contract import Contract
from edgeseq.errors import UsageError
from edgeseq.exporters.preparing import prepared
from edgeseq.exporters.verification.golden import write_trace
from edgeseq.exporters.verification.laws import check_laws
from edgeseq.runtime.golden import trace_of
from edgeseq.runtime.loading import describe
from edgeseq.sealing import seal
from edgeseq.verification.drawing import Calibration
from edgeseq.verification.report import Verification


def verify(
    path: str | Path,
    model: nn.Module,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    calibration: Calibration | None = None,
    rules: Mapping[str, Any] | None = None,
) -> Verification:
    """Run the laws on the file at ``path`` against the module it was made from.

    ``atol`` and ``rtol`` are the user's allowance on top of the yardstick; ``calibration`` is an iterable of
    ``{name: array}`` to verify on in place of random inputs; ``rules`` are those it was exported with. Returns what was
    found; a failed law is a failed check, not an exception. A file that was changed after it was last verified, and one
    that was adopted without its module, gets a new seal, digest, report and golden trace, if every law holds. Raises
    EdgeseqError where the file cannot be loaded or the model is another one, and UsageError for a quantized file.
    """
    target = Path(path)
    if describe(target).contract.quantization is not None:
        raise UsageError(
            "a quantized file is not verified against the module",
            where=str(target),
            why="it is as far from the module as its fewer bits make it, not as near as rounding does",
            do=f"verify the float file against the module, then this one against it: edgeseq verify {target.name} "
            "--float M.onnx",
        )
    samples = None if calibration is None else list(calibration)
    model = prepared(model).model
    found = check_laws(target, model, atol=atol, rtol=rtol, calibration=samples, rules=rules)
    described = describe(target)
    if found.passed and (described.doubt or _against_itself(described.contract)):
        seal(target, replace(described.contract, verification=found.to_dict()))
        write_trace(
            target, model, trace_of(target), calibration=samples, atol=atol, rtol=rtol, amplifying=found.amplifying
        )
    return found


def _against_itself(contract: Contract) -> bool:
    """Whether the report in the file is that of its adoption."""
    settings = (contract.verification or {}).get("settings")
    return isinstance(settings, dict) and settings.get("against") == "itself"
