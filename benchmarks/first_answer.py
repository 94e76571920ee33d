"""From the start of Python to the first answer of a 10 MB model, beside the import of numpy and onnxruntime alone.

python -m benchmarks.first_answer [--runs 21] [--json out.json]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.alternate import Comparison
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main

CODE = {
    "imports": "import numpy, onnxruntime",
    "bare": """import numpy as np, onnxruntime
session = onnxruntime.InferenceSession({path!r}, providers=["CPUExecutionProvider"])
sizes = {{"batch": 1, "time": 1}}
feeds = {{i.name: np.zeros([sizes.get(n, n) for n in i.shape], np.float32) for i in session.get_inputs()}}
session.run(None, feeds)""",
    "edgeseq": """import numpy as np
from edgeseq import runtime
runtime.load({path!r}).stream().step(np.zeros((1, 1, 64), np.float32))""",
}


def write_files(folder: Path) -> None:
    """The large GRU."""
    from benchmarks.models import write_large

    write_large(folder)


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """Milliseconds of one fresh process from its first line on; that torch is not among the modules is checked."""
    code = CODE[subject].format(path=str(folder / "model.onnx"))
    lines = ["import time", "begin = time.perf_counter()", code, "took = time.perf_counter() - begin"]
    lines += ["import sys", "assert 'torch' not in sys.modules", "print(took)"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    return {"took_s": float(done.stdout)}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """All times, and ours over the imports."""
    imports, bare, ours = (f"{subject}.took_s" for subject in CODE)
    return (
        Figure("import numpy, onnxruntime", "s", found.of(imports)),
        Figure("the same, a bare session and one run", "s", found.of(bare)),
        Figure("import edgeseq.runtime, load, stream, step", "s", found.of(ours)),
        Figure("load to first answer / imports", "ratio", found.ratio(ours, imports), Wanted("at most", 3)),
        Figure("load to first answer / bare session", "ratio", found.ratio(ours, bare)),
    )


SCRIPT = Script(
    name="first_answer",
    title="From nothing to the first answer",
    about="A GRU of two layers of 480 units, 9.2 MB, in a fresh process without torch: from the first line to the first"
    " answer, imports, digest and all checks included; beside it the import of numpy and onnxruntime alone, and a bare"
    " session with one run.",
    subjects=tuple(CODE),
    measure=measure,
    figures=figures,
    runs=21,
    files={"exported": write_files},
)

if __name__ == "__main__":
    main(SCRIPT)
