"""Where the loop runs: a fresh process, or a thread. Both are started, watched and ended alike."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from mmap import mmap
from pathlib import Path
from typing import Protocol

import edgeseq
from edgeseq.contract import Contract
from edgeseq.errors import EdgeseqError, ProviderError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.model import Model
from edgeseq.runtime.paced.board import Board
from edgeseq.runtime.paced.memory import check_size, new_memory
from edgeseq.runtime.paced.places import Place
from edgeseq.runtime.paced.running import layout_of, loaded, run
from edgeseq.runtime.paced.scheduling import Scheduling, apply
from edgeseq.runtime.paced.settings import Settings
from edgeseq.runtime.paced.wakes import Bell, Ear

#: Seconds that a loop is given to end by itself: a step under way cannot be interrupted.
_PATIENCE_S = 5.0
_RUN = "from edgeseq.runtime.paced import process; process.main()"


class Site(Protocol):
    """A running loop."""

    board: Board
    pid: int | None

    def ended(self) -> str | None:
        """How it ended, in words; None while it runs."""

    def stop(self) -> None:
        """End it and let go of everything; does nothing the second time."""


class InProcess:
    """A loop in a process of its own."""

    def __init__(self, contract: Contract, settings: Settings, conditioning: Mapping[str, Array]) -> None:
        layout = layout_of(contract, settings)
        self._owner = os.getpid()
        memory, mapped = new_memory(layout.size)
        try:
            (hears, bell), (ear, rings) = os.pipe(), os.pipe()
            self.board = Board(contract, layout, mapped, settings.chunk, Ear(ear), Bell(bell))
            self.board.give(conditioning)
            self._begin(settings, (memory, hears, rings))
        except OSError as error:
            self.board.bell.close()
            self.board.ear.close()
            raise ProviderError("the paced process cannot be started", why=str(error)) from error
        finally:
            os.close(memory)

    def _begin(self, settings: Settings, descriptors: tuple[int, int, int]) -> None:
        # -P: a statistics.py in the folder where the program was called is not Python's.
        numbers = [str(descriptor) for descriptor in descriptors]
        command = [sys.executable, "-P", "-c", _RUN, json.dumps(settings.to_dict()), *numbers]
        try:
            # In a process group of its own: Ctrl-C is for the program, which then ends the loop.
            self._process = subprocess.Popen(
                command, env=_environment(), stdin=subprocess.DEVNULL, pass_fds=descriptors, process_group=0
            )
            self.pid: int | None = self._process.pid
        finally:
            for descriptor in descriptors[1:]:
                os.close(descriptor)

    def ended(self) -> str | None:
        """As in ``Site``."""
        code = self._process.poll()
        if code is None:
            return None
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def stop(self) -> None:
        """As in ``Site``."""
        if os.getpid() != self._owner:
            return  # a fork of the program that ends is not its end
        self.board.head[Place.STOP] = 1
        self.board.bell.ring()
        self.board.bell.close()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.board.ear.close()


class InThread:
    """A loop in a thread of this process."""

    pid: int | None = None

    def __init__(
        self, contract: Contract, settings: Settings, conditioning: Mapping[str, Array], model: Model | None
    ) -> None:
        layout = layout_of(contract, settings)
        check_size(layout.size)
        self._owner = os.getpid()
        (hears, bell), (ear, rings) = os.pipe(), os.pipe()
        memory = mmap(-1, layout.size)
        self.board = Board(contract, layout, memory, settings.chunk, Ear(ear), Bell(bell))
        self.board.give(conditioning)
        self._far = Board(contract, layout, memory, settings.chunk, Ear(hears), Bell(rings))
        self._thread = threading.Thread(target=self._run, args=(settings, model), name="edgeseq-paced", daemon=True)
        self._thread.start()

    def _run(self, settings: Settings, model: Model | None) -> None:
        try:
            apply(Scheduling(**settings.scheduling))
            if model is None:
                model = loaded(settings)
            run(self._far, settings, model, time.thread_time_ns)
        except EdgeseqError as error:
            self._far.fail(error)
        finally:
            self._far.bell.close()
            self._far.ear.close()

    def ended(self) -> str | None:
        """As in ``Site``."""
        return None if self._thread.is_alive() else "the thread ended"

    def stop(self) -> None:
        """As in ``Site``."""
        if os.getpid() != self._owner:
            return  # as above; the memory is shared with a fork too
        self.board.head[Place.STOP] = 1
        self.board.bell.ring()
        if threading.current_thread() is not self._thread:  # where the collector of garbage runs is not ours to choose
            self._thread.join()
        self.board.bell.close()
        self.board.ear.close()


def _environment() -> dict[str, str]:
    """That of this process, with this edgeseq to be imported and numpy on one thread."""
    root = str(Path(edgeseq.__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([root, inherited] if inherited else [root])
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
