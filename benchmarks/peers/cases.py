"""The cases that are measured: a network, and for a Transformer the position of its steps."""

from __future__ import annotations

from dataclasses import dataclass

#: Steps whose answers are compared with PyTorch's before anything is timed; of a GPT as many as its window has.
CHECKED = 256


@dataclass(frozen=True)
class Case:
    """``kind`` is RNN, LSTM, GRU, GPT or Silero; ``position`` is None for all but the GPT."""

    kind: str
    layers: int = 0
    hidden: int = 0
    position: int | None = None

    @property
    def name(self) -> str:
        """The case in a table: ``LSTM 2x256``, ``GPT 6x384 at 512``."""
        size = f" {self.layers}x{self.hidden}" if self.layers else ""
        return f"{self.kind}{size}" + ("" if self.position is None else f" at {self.position:,}")

    @property
    def slug(self) -> str:
        """The case in a path and on the command line: ``lstm-2x256``, ``gpt-6x384-at-512``."""
        return self.name.lower().replace(" ", "-").replace(",", "")

    @property
    def window(self) -> int | None:
        """Steps around the position, after which a stream goes back to the first of them; None: it never has to.

        A sixteenth of the position, at least 16: what a step costs changes little in it.
        """
        return None if self.position is None else max(16, self.position // 16)

    @property
    def start(self) -> int:
        """Tokens behind a stream before its first step."""
        return 0 if self.position is None or self.window is None else self.position - self.window // 2

    @property
    def capacity(self) -> int:
        """Places of a cache."""
        return 0 if self.window is None else self.start + self.window

    @property
    def checked(self) -> int:
        """Steps whose answers are compared."""
        return self.window or CHECKED


RECURRENT = tuple(
    Case(kind, layers, hidden) for kind in ("RNN", "LSTM", "GRU") for layers, hidden in ((1, 128), (2, 256), (2, 512))
)
TRANSFORMERS = tuple(Case("GPT", 6, 384, position) for position in (64, 512, 4096))
CASES = {case.slug: case for case in (*RECURRENT, *TRANSFORMERS, Case("Silero"))}
