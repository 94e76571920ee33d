"""A repeated step as one CUDA graph: captured once, replayed from then on, its states protected meanwhile.

Capturing runs the model several times (onnxruntime issue 32243): two runs that allocate, one that is recorded and then
replayed. States that take turns between two buffers are only read by all of them. One that lives in place would go
several steps forward, so it is put back. A replay does what was recorded, whatever has changed since; so each of the
first replays is held against an ordinary run of the same step, bit for bit, and a graph that differs is never used.

A graph holds the addresses of one call's buffers. Every call, of one size, over one side of the states, has a number of
its own, which no other ever gets: caches that grow, other sizes and other streams cannot replay it. It also belongs to
the thread that captured it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgeseq.errors import ProviderError
from edgeseq.runtime.devices import Array, Buffer
from edgeseq.runtime.engine import engine_errors, first_line, run_options
from edgeseq.runtime.logs import LOGGER

Run = Callable[[Any, Any], None]

#: The run option of onnxruntime that names a graph, and its value for a run that is neither captured nor replayed.
OPTION, NONE = "gpu_graph_id", "-1"
#: Ordinary runs of a call before it is captured: what is called once or twice is not worth it.
ORDINARY = 2
#: Replays that are held against ordinary runs: the first, and one at another position.
CHECKED = 2
#: Graphs of one session: they are held until it is closed, also those of streams that are gone.
MOST = 256

_NUMBERS = itertools.count(1)
_THREADS = threading.local()


class Graphs:
    """The graphs of one session. ``required``: a step that cannot be captured is an error."""

    def __init__(self, required: bool = False, most: int = MOST) -> None:
        self.required = required
        self.made = 0
        self._most = most

    def options(self) -> Any:
        """Run options with the number of a new graph; None where there are enough."""
        if self.made >= self._most:
            return None
        self.made += 1
        return _numbered(str(next(_NUMBERS)))


def _this_thread() -> object:
    """What stands for the thread that calls: the system gives the number of one that has ended to the next."""
    if not hasattr(_THREADS, "own"):
        _THREADS.own = object()
    own: object = _THREADS.own
    return own


def uncaptured() -> Any:
    """Run options of a run that is neither captured nor replayed."""
    return _numbered(NONE)


def _numbered(number: str) -> Any:
    options = run_options()
    options.add_run_config_entry(OPTION, number)
    return options


class Captured:
    """One binding, run as it is at first, then captured, then replayed.

    ``changed`` are the buffers of which a run leaves another value for the next, ``written`` those that it writes.
    """

    __slots__ = ("_changed", "_graphs", "_handle", "_options", "_session", "_thread", "_uses", "_written", "refused")

    def __init__(
        self, graphs: Graphs, session: Any, handle: Any, changed: Sequence[Buffer], written: Sequence[Buffer]
    ) -> None:
        self._graphs = graphs
        self._session = session  # what a graph belongs to must not be closed before its call
        self._handle = handle
        self._changed = changed
        self._written = written
        self._options: Any = None
        self._thread: object = None
        self._uses = 0
        #: Why this call is not captured; None as long as nothing speaks against it.
        self.refused: str | None = None

    def run(self, run: Run, ordinary: Any) -> None:
        """Run once, in whatever way; ``ordinary`` are the options of a run without a graph."""
        if self._thread is not (thread := _this_thread()):
            self._thread, self._uses, self._options = thread, 0, None
        self._uses += 1
        if self.refused is not None or self._uses <= ORDINARY:
            run(self._handle, ordinary)
        elif self._uses <= ORDINARY + CHECKED:
            self._run_checked(run, ordinary)
        else:
            run(self._handle, self._options)

    def _run_checked(self, run: Run, ordinary: Any) -> None:
        """An ordinary run, and the same step by the graph, captured first where it is not yet."""
        before = _values(self._changed)
        run(self._handle, ordinary)
        wanted = _values(self._written)
        self.refused = self._differs(run, before, wanted)
        if self.refused is None:
            return
        _put_back(self._changed, before)
        if self._graphs.required:
            raise ProviderError(
                "this step cannot be captured as a CUDA graph",
                why=self.refused,
                do="load the model without cuda_graph=True",
            )
        LOGGER.info("a step is not captured as a CUDA graph: %s", self.refused)
        run(self._handle, ordinary)

    def _differs(self, run: Run, before: Sequence[Array], wanted: Sequence[Array]) -> str | None:
        """Why the graph is of no use; None where a replay gives what is ``wanted``."""
        try:
            if self._options is None:
                self._options = self._graphs.options()
                if self._options is None:
                    return f"there are {self._graphs.made} graphs already"
                _put_back(self._changed, before)
                run(self._handle, self._options)
            self._spoil(wanted)
            _put_back(self._changed, before)
            run(self._handle, self._options)
        except engine_errors() as error:
            return first_line(error)
        same = all(a.tobytes() == b.tobytes() for a, b in zip(wanted, _values(self._written), strict=True))
        return None if same else "a replay gave other values than the step itself"

    def _spoil(self, values: Sequence[Array]) -> None:
        """Leave nothing of an ordinary run where a replay has to write."""
        _put_back(self._written, [np.zeros_like(v) if v.any() else np.ones_like(v) for v in values])


def capturing(run: Run) -> Run:
    """``run`` for handles of which some are :class:`Captured`."""

    def run_captured(handle: Any, options: Any) -> None:
        if type(handle) is Captured:
            handle.run(run, options)
        else:
            run(handle, options)

    return run_captured


def _values(buffers: Sequence[Buffer]) -> list[Array]:
    """Copies of what the buffers hold on the device."""
    return [np.array(buffer.value.numpy()) for buffer in buffers]


def _put_back(buffers: Sequence[Buffer], values: Sequence[Array]) -> None:
    for buffer, value in zip(buffers, values, strict=True):
        buffer.value.update_inplace(value)
