"""Arrays out of an ``.npz`` file that nobody trusts: plain numbers, not compressed, no larger than the file.

``numpy.load`` believes what a header says before it looks at what there is: it parses it as Python and allocates the
array. Here a header has to be one that numpy writes for numbers, and has to fit the bytes that follow it.
"""

from __future__ import annotations

import math
import re
import struct
import zipfile
from pathlib import Path

import numpy as np

from edgeseq.runtime.devices import Array

_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '(<f[248]|<[iu][248]|[|][iub]1)', 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,10},? ?){0,32})\), \} *\n"
)
#: A trace has a few arrays for each port.
_MOST_ENTRIES = 4096


def read_npz(path: Path, largest: int) -> dict[str, Array]:
    """The arrays in a file of at most ``largest`` bytes, by name; ValueError where it is anything else, OSError.

    No entry may be compressed, so that the arrays take no more memory than the file.
    """
    size = path.stat().st_size
    if size > largest:
        raise ValueError(f"it has {size} bytes, more than {largest}")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(entries, size)
            return {item.filename.removesuffix(".npy"): _array(archive.read(item)) for item in entries}
    except (zipfile.BadZipFile, struct.error, NotImplementedError, RuntimeError, EOFError) as error:
        # The error may hold a name, as long as the archive lets it be.
        raise ValueError(f"it is not a whole archive: {str(error)[:200]}") from None


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    if len(entries) > _MOST_ENTRIES:
        raise ValueError(f"it has {len(entries)} entries, more than {_MOST_ENTRIES}")
    if len({item.filename for item in entries}) < len(entries):
        raise ValueError("an entry stands in it twice")
    # Where the sizes differ zipfile would make room for the larger one.
    if any(item.compress_type != zipfile.ZIP_STORED or item.compress_size != item.file_size for item in entries):
        raise ValueError("an entry is compressed")
    if sum(item.file_size for item in entries) > size:
        raise ValueError("its entries are larger than itself")


def _array(data: bytes) -> Array:
    """The array in the bytes of an ``.npy`` file."""
    if data[:6] != _MAGIC or data[6:7] not in (b"\x01", b"\x02", b"\x03"):
        raise ValueError("an entry is not an array")
    first = 10 if data[6] == 1 else 12
    end = first + int.from_bytes(data[8:first], "little")
    match = _HEADER.fullmatch(data[first:end])
    if match is None:
        raise ValueError("an entry is not an array of numbers")
    dtype = np.dtype(match[1].decode())
    shape = tuple(int(size) for size in re.findall(rb"[0-9]+", match[3]))
    if math.prod(shape) * dtype.itemsize != len(data) - end:
        raise ValueError("an array has not as many values as its header says")
    flat = np.frombuffer(data, dtype, offset=end)
    return flat.reshape(shape, order="F" if match[2] == b"True" else "C")
