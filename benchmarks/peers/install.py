"""Makes the peers' virtual environments, and says what is installed in them.

Each peer has one of its own, for their wishes do not agree. They share the packages of the project's environment,
PyTorch above all; what pip puts into them goes before those.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from typing import Any

from benchmarks.peers.table import ENGINES, ENVIRONMENTS, ROOT, Engine


def install(engines: Sequence[Engine]) -> dict[str, str]:
    """Make what environments these engines need; the reason for each that pip cannot make, by name."""
    wanted = {engine.environment: engine for engine in engines if engine.environment is not None}
    return {name: reason for name, engine in wanted.items() if (reason := _make(name, engine)) is not None}


def _make(name: str, engine: Engine) -> str | None:
    folder, python = ENVIRONMENTS / name, str(engine.python())
    if not engine.python().exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        paths = {"base": str(folder), "platbase": str(folder)}
        shared = f"{sysconfig.get_path('purelib')}\n"
        (ROOT / sysconfig.get_path("purelib", "venv", vars=paths) / "shared.pth").write_text(shared, encoding="utf-8")
    command = [python, "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), *engine.install]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return None if done.returncode == 0 else (errors or [f"pip ended with {done.returncode}"])[-1]


#: Run by an engine's own interpreter: every distribution that these need, with its version and bytes on disk.
LISTING = """
import importlib.metadata as metadata, json, sys
from packaging.requirements import Requirement
found, todo = {}, sys.argv[1:]
while todo:
    name = todo.pop().lower().replace("_", "-")
    if name in found:
        continue
    try:
        there = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        if name in sys.argv[1:]:
            raise SystemExit(f"{name} is not installed")
        continue
    files = [file.locate() for file in there.files or []]
    found[name] = [there.version, sum(file.stat().st_size for file in files if file.is_file())]
    needs = map(Requirement, there.requires or [])
    todo += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
print(json.dumps(found))
"""


def installed(engine: Engine) -> dict[str, Any]:
    """``versions`` of what a step needs, dependencies included, and ``bytes``; or the reason it is ``missing``."""
    if not engine.python().exists():
        return {"versions": {}, "bytes": None, "missing": "not installed: python -m benchmarks.peers install"}
    command = [str(engine.python()), "-c", LISTING, *engine.packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"versions": {}, "bytes": None, "missing": done.stderr.strip().splitlines()[-1]}
    found: dict[str, tuple[str, int]] = json.loads(done.stdout)
    size = sum(size for _, size in found.values())
    if "edgeseq" in found:
        # An editable install lists none of its files.
        size += sum(path.stat().st_size for path in (ROOT / "edgeseq").rglob("*") if path.suffix in (".py", ".json"))
    return {"versions": {name: version for name, (version, _) in found.items()}, "bytes": size, "missing": None}


if __name__ == "__main__":
    for name, reason in install(list(ENGINES.values())).items():
        sys.stderr.write(f"{name}: {reason}\n")
