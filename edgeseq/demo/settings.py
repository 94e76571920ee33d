"""What a run of the demo does."""

from __future__ import annotations

from dataclasses import dataclass

#: Steps of a stream whose latency and memory the table shows.
POSITIONS = (10, 100, 1000)
#: Steps of one timed pass: the neighbourhood of the last position ends here. The GPT has room for as many.
LAST_STEP = 1100


@dataclass(frozen=True)
class Settings:
    """How much is done; the same settings give the same models.

    ``steps`` of training are made on ``batch`` windows of ``context`` characters. ``scored`` validation characters are
    predicted for the quality, ``passes`` streams of LAST_STEP steps are timed per model.
    """

    steps: int = 1200
    batch: int = 8
    context: int = 128
    scored: int = 16_384
    passes: int = 40
    threads: int = 1
    seed: int = 0
    prompt: str = "The "
    line: int = 90
    temperature: float = 0.8


#: Too little of everything for figures that mean something, by the same path.
QUICK = Settings(steps=5, batch=4, scored=1024, passes=7)
