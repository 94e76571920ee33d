"""A process that works through cases and says what became of each, so that its own death can be seen and named.

``python -m tests.fuzz.worker SETTINGS``, JSON. It writes lines of JSON to standard output: ``{"begin": n}`` before a
case, ``{"end": n, "word": ..., "seconds": ...}`` after it, with ``bug`` where there was one.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.fuzz.bases import Base, read_bases
from tests.fuzz.cases import KINDS, Case, case, write
from tests.fuzz.exercise import Bug, exercise, graph_of

Exercise = Callable[[Case, Path, bytes | None], str]

#: What may happen to a file in Python beside being read: nothing. docs.python.org/3/library/audit_events.html has all.
FORBIDDEN = frozenset(
    [
        "compile",
        "exec",
        "ctypes.dlopen",
        "os.chmod",
        "os.exec",
        "os.fork",
        "os.link",
        "os.mkdir",
        "os.posix_spawn",
        "os.putenv",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.symlink",
        "os.system",
        "os.truncate",
        "pickle.find_class",
        "shutil.copyfile",
        "shutil.rmtree",
        "socket.connect",
        "subprocess.Popen",
    ]
)


class _Guard:
    """Remembers what Python did while a case was on that no file may make it do."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event in FORBIDDEN:
            self.seen.append(f"{event} {arguments!r:.100}")
        elif event == "open" and isinstance(arguments[0], (str, bytes)):
            path, mode, flags = (*arguments, None, 0)[:3]
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes or not os.path.realpath(os.fsdecode(path)).startswith(self.folder + os.sep):
                self.seen.append(f"open {path!r} {mode}")


def main(settings: dict[str, Any]) -> None:
    """Run the cases ``first`` to ``last`` of ``seed`` on the bases in ``bases``."""
    bases = read_bases(Path(settings["bases"]))
    graphs = {base.name: graph_of(base.files) for base in bases}
    module, _, name = settings.get("exercise", "tests.fuzz.exercise:exercise").partition(":")
    run: Exercise = getattr(import_module(module), name)
    guard, line = _Guard(), Line()
    scratch = Path(tempfile.mkdtemp(prefix="edgeseq-fuzz-"))
    try:
        _warm_up(bases, scratch)
        gc.freeze()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in settings.get("cases") or range(settings["first"], settings["last"]):
            made = case(settings["seed"], number, bases, settings.get("kinds") or KINDS)
            line.say(begin=number)
            faulthandler.dump_traceback_later(settings["seconds"], exit=True)
            began = time.perf_counter()
            with _limited_memory(settings["megabytes"] * 2**20):
                bug, word = _tried(run, made, scratch, graphs[made.base], guard)
            seconds = time.perf_counter() - began
            faulthandler.cancel_dump_traceback_later()
            line.say(end=number, kind=made.kind, base=made.base, word=word, seconds=seconds, bug=bug)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class Line:
    """The way to whoever started this process. onnxruntime writes to standard output too: that goes to errors now."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def say(self, **words: Any) -> None:
        """Send a line of JSON."""
        self._out.write(json.dumps(words) + "\n")
        self._out.flush()


def _tried(run: Exercise, made: Case, scratch: Path, graph: bytes | None, guard: _Guard) -> tuple[str | None, str]:
    """The bug that a case shows, if any, and how far it came."""
    folder = scratch / "case"
    folder.mkdir()
    path = write(made, folder)
    guard.seen, guard.folder = [], os.path.realpath(folder)
    try:
        word = run(made, path, graph)
    except Exception:  # noqa: BLE001 (whatever is raised here is what we are looking for)
        guard.folder = None
        return traceback.format_exc(), "bug"
    finally:
        guard.folder = None
        shutil.rmtree(folder)
    return (f"the file made Python do: {guard.seen}", "bug") if guard.seen else (None, word)


def _warm_up(bases: list[Base], scratch: Path) -> None:
    """Run every base as it is: imports happen now, and the bases are seen to be good."""
    for base in bases:
        for kind in ("contract", "trace"):
            bug, word = _tried_base(Case(kind, base.name, base.files, untouched=True), scratch)
            if bug or word not in ("stepped", "replayed"):
                raise Bug(f"the base {base.name} itself: {word} {bug}")


def _tried_base(made: Case, scratch: Path) -> tuple[str | None, str]:
    folder = scratch / "base"
    folder.mkdir()
    try:
        return None, exercise(made, write(made, folder), None)
    finally:
        shutil.rmtree(folder)


@contextmanager
def _limited_memory(more: int) -> Iterator[None]:
    """Let this process grow by so many bytes, no further."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + more, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    faulthandler.enable()
    main(json.loads(sys.argv[1]))
