"""What is tried: the float file and its quantized forms, each with the threads it may be opened with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgeseq.quantization.configs import Config, Float16, Int4Weights, Int8Dynamic, Int8Static, Int8Weights
from edgeseq.quantization.report import plain_config

#: Calls of the fewest frames, or of any number; None: what the config itself finds.
_FRAMES = {True: ", 1 frame", False: ", chunks", None: ""}


@dataclass(frozen=True)
class Opening:
    """How a file is opened: threads inside one operator, and whether those that wait keep their cores busy."""

    threads: int = 1
    spinning: bool = True

    def __str__(self) -> str:
        if self.threads == 1:
            return "1 thread"
        return f"{self.threads} threads{'' if self.spinning else ', no spinning'}"


@dataclass(frozen=True)
class Candidate:
    """A file, the float one where ``config`` is None, and how it is opened."""

    config: Config | None = None
    opening: Opening = Opening()

    @property
    def form(self) -> str:
        """The file in words."""
        if self.config is None:
            return "float"
        kernel = f" {self.config.kernel}" if isinstance(self.config, Int8Dynamic) else ""
        return f"{self.config.kind}{kernel}{_FRAMES[self.config.one_frame]}"

    def __str__(self) -> str:
        return f"{self.form}, {self.opening}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "form": self.form,
            "kind": "float" if self.config is None else self.config.kind,
            "config": None if self.config is None else plain_config(self.config),
            "threads": self.opening.threads,
            "spinning": self.opening.spinning,
        }


#: What all others are held against: the file as it was given, with one thread.
FLOAT = Candidate()


def openings(cores: int) -> list[Opening]:
    """One thread; then twice as many each time, and all cores, spinning and not."""
    counts = sorted({cores, *(2**power for power in range(1, cores.bit_length()) if 2**power <= cores)} - {1})
    return [Opening(), *(Opening(count, spinning) for count in counts for spinning in (True, False))]


def configs(one_frame: bool, calibrated: bool, batch: int = 1) -> Iterator[Config]:
    """Every kind in every form: with and without a loop over the frames of a call, where a file can do ``one_frame``.

    Int8Static needs real inputs to be ``calibrated``.
    """
    choices: Sequence[bool | None] = (True, False) if one_frame else (None,)
    for frames in choices:
        yield Int8Dynamic(kernel="rows", one_frame=frames, batch=batch)
        yield Int8Dynamic(kernel="blocks", one_frame=frames, batch=batch)
        if calibrated:
            yield Int8Static(one_frame=frames)
        yield Int8Weights(one_frame=frames)
        yield Int4Weights(one_frame=frames)
    yield Float16()
