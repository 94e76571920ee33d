"""How long an export takes: of a 2-layer GRU, beside torch's own of the same module, and of the demo's GPT.

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
    if subject == "gpt":
        return gpt_export(folder / "gpt.onnx")
    model = torch.nn.GRU(FEATURES, HIDDEN, LAYERS).eval()
    if subject == "edgeseq":
        return edgeseq_export(model, {"input": f"float32[time,batch,{FEATURES}]"}, folder / "edgeseq.onnx")
    return {"export_s": plain_export(model, folder / "plain.onnx", dynamic=subject == "dynamic")}


def gpt_export(path: Path) -> dict[str, float]:
    """The demo's GPT, untrained, and the replay of its golden trace in the same process."""
    from edgeseq import runtime
    from edgeseq.demo.making import INPUTS
    from edgeseq.demo.models import CharGPT
    from edgeseq.demo.settings import LAST_STEP

    found = edgeseq_export(CharGPT().eval(), INPUTS, path, max_context=LAST_STEP)
    begin = perf_counter()
    if not runtime.replay(path).passed:
        raise SystemExit("the golden trace does not replay")
    return {**found, "replay_s": perf_counter() - begin}


def edgeseq_export(model: Any, inputs: dict[str, str], path: Path, **chosen: Any) -> dict[str, float]:
    """The whole of ``edgeseq.export``, with the time inside its verification and its golden trace counted apart."""
    from edgeseq.exporters import exporting

    spent: dict[str, float] = {}

    def clocked(name: str) -> Any:
        function = getattr(exporting, name)

        def call(*arguments: Any, **named: Any) -> Any:
            begin = perf_counter()
            found = function(*arguments, **named)
            spent[name] = perf_counter() - begin
            return found

        return mock.patch.object(exporting, name, call)

    with clocked("check_laws"), clocked("write_trace"):
        begin = perf_counter()
        exporting.export(model, inputs, path, **chosen)
        whole_s = perf_counter() - begin
    if set(spent) != {"check_laws", "write_trace"}:
        raise SystemExit("edgeseq.export no longer verifies where this script looks for it")
    return {
        "export_s": whole_s - sum(spent.values()),
        "verification_s": spent["check_laws"],
        "trace_s": spent["write_trace"],
    }


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
    edgeseq, dynamic, static = (f"{subject}.export_s" for subject in SUBJECTS[:3])
    return (
        Figure("edgeseq.export, verification apart", "s", found.of(edgeseq)),
        Figure("its verification, 10,000 steps of it in one run", "s", found.of("edgeseq.verification_s")),
        Figure("torch.onnx.export, dynamic batch and time", "s", found.of(dynamic)),
        Figure("torch.onnx.export, fixed shapes", "s", found.of(static)),
        Figure("edgeseq / torch with dynamic axes", "ratio", found.ratio(edgeseq, dynamic), Wanted("at most", 1.5)),
        Figure("edgeseq / torch with fixed shapes", "ratio", found.ratio(edgeseq, static)),
        Figure("the demo's GPT: export, verification apart", "s", found.of("gpt.export_s")),
        Figure("the demo's GPT: verification", "s", found.of("gpt.verification_s")),
        Figure("the demo's GPT: making its golden trace", "s", found.of("gpt.trace_s")),
        Figure("the demo's GPT: load, and replay of its golden trace", "s", found.of("gpt.replay_s")),
    )


SUBJECTS = ("edgeseq", "dynamic", "static", "gpt")
SCRIPT = Script(
    name="export_time",
    title="How long an export takes",
    about=f"nn.GRU({FEATURES}, {HIDDEN}, {LAYERS}), exported once per process: by edgeseq.export, and by"
    " torch.onnx.export(dynamo=True) with dynamic batch and time and with fixed shapes. Imports are made beforehand;"
    " edgeseq's verification and golden trace, which torch has no counterpart of, are counted apart. The ratio wanted"
    " is the one to the export with dynamic axes, since edgeseq's file takes any batch and any number of frames too;"
    " the cheaper export with fixed shapes is there for comparison. The demo's GPT is exported as the demo does.",
    subjects=SUBJECTS,
    measure=measure,
    figures=figures,
    runs=5,
)

if __name__ == "__main__":
    main(SCRIPT)
