"""What a loop failed with, as bytes in the shared memory, and back."""

from __future__ import annotations

import json

from edgeseq import errors
from edgeseq.errors import EdgeseqError, ProviderError
from edgeseq.runtime.paced.layout import FAILURE

_PARTS = ("what", "where", "why", "got", "wanted", "do")
#: Characters of a part; each may take six bytes of JSON, and all have to fit.
_LONGEST = (FAILURE - 256) // 6 // len(_PARTS)


def to_bytes(error: EdgeseqError) -> bytes:
    """The error, its long parts cut."""
    parts = {name: str(value)[:_LONGEST] for name in _PARTS if (value := getattr(error, name)) is not None}
    return json.dumps({"kind": type(error).__name__, **parts}).encode()


def from_bytes(data: bytes) -> EdgeseqError:
    """The error again; ProviderError for a kind that takes more than its words."""
    parts = json.loads(data)
    kind: type[EdgeseqError] = getattr(errors, parts.pop("kind"), ProviderError)
    what = parts.pop("what")
    try:
        return kind(what, **parts)
    except TypeError:
        return ProviderError(what, **parts)
