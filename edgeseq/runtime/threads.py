"""How many threads a session gets, and whether they spin: as asked for, or as it was found best on this machine."""

from __future__ import annotations

from edgeseq.contract import Contract, Machine
from edgeseq.errors import UsageError


def check_threads(threads: object) -> None:
    """UsageError for what is no number of threads."""
    if threads is not None and (type(threads) is not int or threads < 1):
        raise UsageError("threads must be a whole number from 1", got=repr(threads))


def session_settings(
    contract: Contract, device: str, threads: int | None = None, spinning: bool | None = None
) -> tuple[int, bool]:
    """Threads and spinning of a session on ``device``; None where it was not said.

    A contract's session block counts on the CPU of the machine that it names, and where no number of threads was asked
    for. Otherwise it is one thread, and spinning as onnxruntime has it.
    """
    tuned = contract.session if threads is None and device == "cpu" else None
    if tuned is None or tuned.machine != this_machine():
        return threads or 1, spinning is not False
    return tuned.threads, tuned.spinning if spinning is None else spinning


def this_machine() -> Machine:
    """This machine, as session blocks name one."""
    import os
    import platform

    from edgeseq.doctor.files import Files
    from edgeseq.doctor.processor import cpu_model, usable_cores

    return Machine(cpu_model(Files()), platform.machine(), usable_cores() or os.cpu_count() or 1)
