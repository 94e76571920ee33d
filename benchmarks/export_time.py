"""How long the export of a 2-layer GRU takes, beside torch's own of the same module.

python -m benchmarks.export_time [--runs 5] [--json out.json]
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any
from unittest import mock

from benchmarks.alternate import Comparison
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main

FEATURES, HIDDEN, LAYERS = 64, 128, 2
FRAMES, BATCH = 7, 3


def measure(subject: str, folder: Path, _: int) -> dict[str, float]:
    """The time of one export, everything imported beforehand that can be."""
    import onnxscript  # noqa: F401
    import torch

    import edgeseq.exporters  # noqa: F401

    torch.manual_seed(0)
    model = torch.nn.GRU(FEATURES, HIDDEN, LAYERS).eval()
    if subject == "edgeseq":
        return edgeseq_export(model, folder / "edgeseq.onnx")
    return {"export_s": plain_export(model, folder / "plain.onnx", dynamic=subject == "dynamic")}


def edgeseq_export(model: Any, path: Path) -> dict[str, float]:
    """The whole of ``edgeseq.export``, with the time inside its verification counted apart."""
    from edgeseq.exporters import export
    from edgeseq.exporters.verification import verify

    verification_s = 0.0

    def clocked(*arguments: Any, **named: Any) -> Any:
        nonlocal verification_s
        begin = perf_counter()
        found = verify(*arguments, **named)
        verification_s += perf_counter() - begin
        return found

    with mock.patch("edgeseq.exporters.exporting.verify", clocked):
        begin = perf_counter()
        export(model, {"input": f"float32[time,batch,{FEATURES}]"}, path)
        whole_s = perf_counter() - begin
    if not verification_s:
        raise SystemExit("edgeseq.export no longer verifies where this script looks for it")
    return {"export_s": whole_s - verification_s, "verification_s": verification_s}


def plain_export(model: Any, path: Path, dynamic: bool) -> float:
    """``torch.onnx.export`` as its documentation shows it."""
    import torch

    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    example = torch.randn(FRAMES, BATCH, FEATURES)
    begin = perf_counter()
    torch.onnx.export(model, (example,), path, dynamo=True, dynamic_shapes=(axes,) if dynamic else None, verbose=False)
    return perf_counter() - begin


def figures(found: Comparison) -> tuple[Figure, ...]:
    """Every export, and edgeseq's over both of torch's: the one with dynamic axes gives a file of the same use."""
    edgeseq, dynamic, static = (f"{subject}.export_s" for subject in SUBJECTS)
    return (
        Figure("edgeseq.export, verification apart", "s", found.of(edgeseq)),
        Figure("its verification", "s", found.of("edgeseq.verification_s")),
        Figure("torch.onnx.export, dynamic batch and time", "s", found.of(dynamic)),
        Figure("torch.onnx.export, fixed shapes", "s", found.of(static)),
        Figure("edgeseq / torch with dynamic axes", "ratio", found.ratio(edgeseq, dynamic), Wanted("at most", 1.5)),
        Figure("edgeseq / torch with fixed shapes", "ratio", found.ratio(edgeseq, static)),
    )


SUBJECTS = ("edgeseq", "dynamic", "static")
SCRIPT = Script(
    name="export_time",
    title="How long an export takes",
    about=f"nn.GRU({FEATURES}, {HIDDEN}, {LAYERS}), exported once per process: by edgeseq.export, and by"
    " torch.onnx.export(dynamo=True) with dynamic batch and time and with fixed shapes. Imports are made beforehand;"
    " edgeseq's verification, which torch has no counterpart of, is counted apart. The ratio wanted is the one to the"
    " export with dynamic axes, since edgeseq's file takes any batch and any number of frames too; the cheaper export"
    " with fixed shapes is there for comparison.",
    subjects=SUBJECTS,
    measure=measure,
    figures=figures,
    runs=7,
)

if __name__ == "__main__":
    main(SCRIPT)
