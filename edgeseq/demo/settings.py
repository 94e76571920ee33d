"""What a run of the demo does."""

from __future__ import annotations

from dataclasses import dataclass

#: Steps of a stream whose latency and memory the table shows.
POSITIONS = (10, 100, 1000)
#: Steps of one timed pass: the neighbourhood of the last position ends here. The GPT is exported for as many.
LAST_STEP = 1100


@dataclass(frozen=True)
class Settings:
    """How much is done; the same settings give the same models.

    ``steps`` of training are made on ``batch`` windows of ``context`` characters. ``scored`` validation characters are
    predicted for the quality, ``passes`` streams of LAST_STEP steps are timed per model.
    """

    steps: int = 2000
    batch: int = 16
    context: int = 128
    scored: int = 16_384
    passes: int = 40
    threads: int = 1
    seed: int = 0
    prompt: str = "The "
    line: int = 90
    temperature: float = 0.6


#: For the models that come with edgeseq: passes enough for the medians of the table, on a slow core in seconds too.
SHIPPED = Settings(passes=12)
#: Too little of everything for figures that mean something, by the same path.
QUICK = Settings(steps=5, batch=4, scored=1024, passes=7)
