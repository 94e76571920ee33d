"""Build the wheel, install it with ``[cpu]`` alone into a fresh environment, use it there: ``make check-wheel``.

It runs the demo, checks a shipped model against its golden trace, and runs a model of its own. Takes a minute, so it is
no unit test.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from pathlib import Path

import numpy as np

from edgeseq.demo import shipped
from tests import handmade

ROOT = Path(__file__).parent.parent
ABSENT = ("torch", "onnx", "onnxscript", "matplotlib", "pytest")
#: Seconds that the demo may take on the machine that checks: it is meant to take ten on a slow one.
DEMO_SECONDS = 10


def call(*command: object, folder: Path | None = None) -> str:
    """What a command prints; the script ends where it fails."""
    print("$", *command, flush=True)
    return subprocess.run(list(map(str, command)), check=True, text=True, stdout=subprocess.PIPE, cwd=folder).stdout


def main(folder: Path) -> None:
    """Raise where the wheel does not do its work."""
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    models = shipped_in(wheel)
    binaries = install(wheel, folder)
    # Not in the checkout, whose edgeseq Python would find first.
    demo(binaries, folder)
    print(call(binaries / "edgeseq", "verify", models / "gpt.onnx", folder=folder))
    run_own(binaries, folder)
    print("the wheel works with [cpu] alone")


def shipped_in(wheel: Path) -> Path:
    """Where the demo's models will lie, after a look at what they take in the wheel."""
    prefix = "edgeseq/demo/trained/"
    with zipfile.ZipFile(wheel) as archive:
        sizes = {item.filename: item.file_size for item in archive.infolist() if item.filename.startswith(prefix)}
    wanted = {f"{prefix}{path.name}" for path in shipped.FOLDER.iterdir()}
    size = sum(count for name, count in sizes.items() if name.endswith((".onnx", ".npz")))
    print(f"models in the wheel: {size:,} of {shipped.LIMIT:,} bytes; the wheel: {wheel.stat().st_size:,}")
    if set(sizes) != wanted or size > shipped.LIMIT:
        raise SystemExit(f"the wheel holds {sizes}, wanted {wanted} and at most {shipped.LIMIT} bytes of models")
    return wheel.parent / "venv" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / prefix


def install(wheel: Path, folder: Path) -> Path:
    """The binaries of a fresh environment; says what it holds and how much disk that takes."""
    venv.create(folder / "venv", with_pip=True)
    packages = folder / "venv" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    before = megabytes(packages)
    binaries = folder / "venv" / "bin"
    call(binaries / "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", f"{wheel}[cpu]")
    installed = call(binaries / "pip", "list", "--format=freeze").split()
    print(*installed)
    if found := [line for line in installed if line.partition("==")[0] in ABSENT]:
        raise SystemExit(f"installed although not asked for: {found}")
    print(f"installed: {megabytes(packages) - before:.0f} MB, with compiled Python files")
    return binaries


def megabytes(folder: Path) -> float:
    """Millions of bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def demo(binaries: Path, folder: Path) -> None:
    """The demo, right after it was installed and once more."""
    for when in ("first", "second"):
        begin = time.perf_counter()
        printed = call(binaries / "edgeseq", "demo", folder=folder)
        seconds = time.perf_counter() - begin
        print(f"{printed}\nthe {when} demo took {seconds:.1f} s")
        if seconds > DEMO_SECONDS:
            raise SystemExit(f"the demo took {seconds:.1f} s, wanted at most {DEMO_SECONDS}")


def run_own(binaries: Path, folder: Path) -> None:
    """A model that did not come with edgeseq."""
    made = handmade.centred_conv()
    path = made.save(folder / "m.onnx")
    x = np.random.default_rng(0).standard_normal((1, 50, 2)).astype(np.float32)
    np.save(folder / "x.npy", x)
    print(call(binaries / "edgeseq", "inspect", path, folder=folder))
    print(call(binaries / "edgeseq", "run", path, folder / "x.npy", "-o", folder / "y.npy", folder=folder))
    np.testing.assert_allclose(np.load(folder / "y.npy"), made.whole(x)[0], rtol=1e-5, atol=1e-6)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
