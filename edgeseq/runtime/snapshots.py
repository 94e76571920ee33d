"""What a stream is at one moment, taken out of it: to go back to, to go on with elsewhere, to keep as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from edgeseq.runtime.devices import Array

#: The fields of a snapshot that hold arrays by name.
GROUPS = ("states", "histories", "waiting", "held", "finals")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Copies of everything that a stream is, for reading only; made by ``Stream.snapshot``, or by :meth:`from_bytes`.

    ``model`` is the digest of the model file, ``conditioning`` that of the arrays given once per stream, which are not
    in it. ``position``, ``frames_waiting``, ``frames_missing`` are as in the stream; ``total`` counts all its frames
    once it has ended, else it is None.

    ``states`` by name, of caches the entries in use; ``histories``: frames to be put in front of the next call;
    ``waiting``: frames too few for a call; ``held``: every input's last frame, where ``missing`` repeats it;
    ``finals``: the outputs without a time axis. None of them depends on the device.
    """

    model: str
    conditioning: str
    batch: int
    position: int
    frames_waiting: int
    frames_missing: int
    total: int | None
    states: Mapping[str, Array]
    histories: Mapping[str, Array]
    waiting: Mapping[str, Array]
    held: Mapping[str, Array] | None
    finals: Mapping[str, Array]

    @property
    def frames_in(self) -> int:
        """Base frames that the stream had taken."""
        return self.position + self.frames_waiting if self.total is None else self.total

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for _, _, array in self.arrays())

    def arrays(self) -> list[tuple[str, str, Array]]:
        """Every array with its group, one of ``GROUPS``, and its name."""
        groups = [(group, getattr(self, group)) for group in GROUPS]
        return [(group, name, array) for group, arrays in groups for name, array in (arrays or {}).items()]

    def copied(self) -> Snapshot:
        """The same, its arrays copied: contiguous, and not to be written to."""
        groups: dict[str, Any] = {group: _copies(getattr(self, group)) for group in GROUPS}
        return replace(self, **groups)

    def to_bytes(self) -> bytes:
        """The snapshot as bytes, the same on every device and machine; :meth:`from_bytes` reads them."""
        from edgeseq.runtime.snapshot_bytes import write_snapshot

        return write_snapshot(self)

    @staticmethod
    def from_bytes(data: bytes | bytearray | memoryview) -> Snapshot:
        """Read what :meth:`to_bytes` wrote; UsageError for anything else, however it came about."""
        from edgeseq.runtime.snapshot_bytes import read_snapshot

        return read_snapshot(data)

    def __repr__(self) -> str:
        counts = [item.name for item in fields(self) if item.name.startswith("frames_") and getattr(self, item.name)]
        parts = [f"batch={self.batch}", f"position={self.position}"]
        parts += [f"{name.removeprefix('frames_')}={getattr(self, name)}" for name in counts]
        parts += [f"nbytes={self.nbytes}"] + (["ended"] if self.total is not None else [])
        return f"Snapshot({', '.join(parts)})"


def _copies(arrays: Mapping[str, Array] | None) -> dict[str, Array] | None:
    if arrays is None:
        return None
    copies = {name: np.array(array, order="C", copy=True) for name, array in arrays.items()}
    for copy in copies.values():
        copy.flags.writeable = False
    return copies
