"""Memory that two processes share, without a name: it is gone with the last of them, however that one ends.

``multiprocessing.shared_memory`` gives memory a name, and needs a process of its own to remove it; what is killed
leaves it behind.
"""

from __future__ import annotations

import mmap
import os
import tempfile

from edgeseq.errors import ProviderError


def new_memory(size: int) -> tuple[int, mmap.mmap]:
    """``size`` bytes of zeros and the descriptor under which a child process may map them too, the caller's to close.

    ProviderError where the system has no such memory, or too little of it.
    """
    check_size(size)
    try:
        descriptor = _open()
        try:
            os.ftruncate(descriptor, size)
            memory = map_memory(descriptor, size)
        except BaseException:
            os.close(descriptor)
            raise
    except (OSError, MemoryError) as error:
        raise ProviderError(
            "there is no memory for the queues", why=str(error), do="take a smaller queue, batch or chunk"
        ) from error
    return descriptor, memory


def check_size(size: int) -> None:
    """ProviderError for more than the machine has: it would be taken page by page until some program is ended."""
    there_is = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > there_is:
        raise ProviderError(
            "there is no memory for the queues",
            got=f"{size:,} bytes",
            wanted=f"less than the {there_is:,} of this machine",
            do="take a smaller queue, batch or chunk",
        )


def map_memory(descriptor: int, size: int) -> mmap.mmap:
    """The memory behind a descriptor, its pages at hand, so that the first frames do not wait for them."""
    return mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))


def _open() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("edgeseq-paced", os.MFD_CLOEXEC)
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor
