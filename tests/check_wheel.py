"""Build the wheel, install it with ``[cpu]`` alone into a fresh environment, run a model there: ``make check-wheel``.

Takes a minute, so it is no unit test.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np

from tests import handmade

ROOT = Path(__file__).parent.parent
ABSENT = ("torch", "onnx", "onnxscript", "matplotlib", "pytest")


def call(*command: object) -> str:
    """What a command prints; the script ends where it fails."""
    print("$", *command, flush=True)
    return subprocess.run(list(map(str, command)), check=True, text=True, stdout=subprocess.PIPE).stdout


def main(folder: Path) -> None:
    """Raise where the wheel does not do its work."""
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=True)
    binaries = folder / "venv" / "bin"
    call(binaries / "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", f"{wheel}[cpu]")
    installed = call(binaries / "pip", "list", "--format=freeze").split()
    print(*installed)
    if found := [line for line in installed if line.partition("==")[0] in ABSENT]:
        raise SystemExit(f"installed although not asked for: {found}")
    made = handmade.centred_conv()
    path = made.save(folder / "m.onnx")
    x = np.random.default_rng(0).standard_normal((1, 50, 2)).astype(np.float32)
    np.save(folder / "x.npy", x)
    print(call(binaries / "edgeseq", "inspect", path))
    print(call(binaries / "edgeseq", "run", path, folder / "x.npy", "-o", folder / "y.npy"))
    np.testing.assert_allclose(np.load(folder / "y.npy"), made.whole(x)[0], rtol=1e-5, atol=1e-6)
    print("the wheel runs a model with [cpu] alone")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
