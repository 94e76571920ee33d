"""What a process holds, and what each further stream adds to it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.doctor.files import Files
from edgeseq.runtime.loading import load
from edgeseq.runtime.measuring.randoms import random_conditioning, random_frames
from edgeseq.runtime.measuring.settings import Settings

#: Streams that are opened before, and those whose memory is measured: the more, the finer.
BEFORE, STREAMS = 8, 64
#: Their states together hold at most so much: fewer streams of a model that needs more.
ROOM_BYTES = 256 * 2**20


def stream_bytes(given: Mapping[str, Any]) -> dict[str, Any]:
    """``state_bytes`` of one stream, and ``stream_bytes``, what one of many open streams adds to resident memory.

    ``given`` are settings. None where the system does not tell. For a fresh process: memory that was used before and is
    free again would hide what is taken.
    """
    settings = Settings.from_dict(given)
    model = load(settings.path, threads=settings.threads, allow_unverified=settings.allow_unverified, **settings.place)
    random = np.random.default_rng(settings.seed)
    frames = random_frames(model.contract, settings.batch, settings.frames, random)

    def opened() -> Any:
        stream = model.stream(settings.batch, random_conditioning(model.contract, settings.batch, random))
        for _ in range(2):
            stream.step(frames)
        return stream

    streams = [opened()]
    state_bytes = streams[0].state_bytes
    many = max(1, min(STREAMS, ROOM_BYTES // max(1, 2 * state_bytes)))
    streams += [opened() for _ in range(min(BEFORE, many))]
    before = resident_bytes()
    streams += [opened() for _ in range(many)]
    after = resident_bytes()
    added = None if before is None or after is None else max(0, after - before) // many
    return {"state_bytes": state_bytes, "stream_bytes": added}


def resident_bytes() -> int | None:
    """What of this process is in memory now; None where the system does not tell."""
    return _status_bytes("VmRSS")


def peak_rss_bytes() -> int | None:
    """The most memory this process has had resident; None where the system does not tell."""
    # Linux hands the peak that resource tells down to children: with PyTorch in the parent it would be counted here.
    own = _status_bytes("VmHWM")
    if own is not None:
        return own
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _status_bytes(name: str) -> int | None:
    parts = Files().fields("proc/self/status").get(name, "").split()
    return int(parts[0]) * 1024 if len(parts) == 2 and parts[1] == "kB" else None
