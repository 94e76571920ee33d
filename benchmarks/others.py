"""How much of the machine other programs used during a measurement."""

from __future__ import annotations

import time

from edgeseq.doctor.files import Files
from edgeseq.runtime.measuring.load import own_ns, read_load


class Others:
    """Counts from its making; Linux only."""

    def __init__(self) -> None:
        self._begin = time.monotonic_ns(), _others_ns()

    def cores(self) -> float:
        """The number of cores that others kept busy, on average, since the making."""
        begin_ns, others_ns = self._begin
        return max(0.0, (_others_ns() - others_ns) / (time.monotonic_ns() - begin_ns))


def _others_ns() -> int:
    """Processor time that others have used since the start of the machine, its host included."""
    load = read_load(Files())
    if load is None:
        raise OSError("other programs can be counted on Linux only: there is no /proc/stat")
    return load.busy_ns + load.steal_ns - own_ns()
