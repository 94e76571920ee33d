"""A run on a device with memory of its own: what is copied there before it, and back after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from edgeseq.runtime.devices import BUSY, Buffer, Staged

Run = Callable[[Any, Any], None]


class Transfer:
    """A binding over ``inputs`` and ``outputs``, of which those with an array beside them are copied around its run."""

    __slots__ = ("binding", "downloads", "handle", "uploads")

    def __init__(self, handle: Any, binding: Any, inputs: Iterable[Buffer], outputs: Iterable[Buffer]) -> None:
        """``handle`` is what the inner run takes, ``binding`` the ``IOBinding`` behind it."""
        self.handle = handle
        self.binding = binding
        self.uploads = tuple(buffer for buffer in inputs if isinstance(buffer, Staged))
        self.downloads = tuple(buffer for buffer in outputs if isinstance(buffer, Staged))

    def but(self, inputs: Iterable[Buffer] = (), outputs: Iterable[Buffer] = ()) -> Transfer:
        """The same without the copies of some: frames that lie on the device, answers that stay there."""
        left = {id(buffer) for buffer in (*inputs, *outputs)}
        uploads = [buffer for buffer in self.uploads if id(buffer) not in left]
        return Transfer(
            self.handle, self.binding, uploads, [buffer for buffer in self.downloads if id(buffer) not in left]
        )


def transferring(run: Run) -> Run:
    """``run`` with the copies of a :class:`Transfer` around it."""

    def run_there(transfer: Transfer, options: Any) -> None:
        with BUSY:
            for buffer in transfer.uploads:
                buffer.upload()
            run(transfer.handle, options)
            for buffer in transfer.downloads:
                buffer.download()

    return run_there
