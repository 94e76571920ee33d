"""A chat with a language model of bytes: the answer is printed as it is computed, and one stream remembers all turns.

python -m examples.chat chat.onnx     (a line is a turn, /undo takes the last one back; no PyTorch)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from edgeseq import runtime
from edgeseq.errors import ContextFull
from edgeseq.io.text import Bytes, generate, text_stream
from edgeseq.runtime import Snapshot

CHOICE: dict[str, Any] = {"temperature": 0.7, "top_p": 0.95}


def chat(path: str, lines: Iterable[str], write: Callable[[str], object], choice: dict[str, Any] = CHOICE) -> None:
    """Answer every line with one of the model's, at most 200 bytes long.

    The stream is never given anything twice: a turn adds its line, and what the model said last is in its state.
    """
    words, stream = Bytes(), runtime.load(path).stream()
    unseen: list[int] = []  # what was said and is not in the stream's state yet: one token
    turns: list[tuple[Snapshot, list[int]]] = []  # before each turn: the state, and what it has not seen
    for line in lines:
        if line.strip() == "/undo":
            if turns:
                state, unseen = turns.pop()
                stream.restore(state)
            continue
        turns.append((stream.snapshot(), unseen))
        prompt = [*unseen, *words.encode(line.rstrip("\n") + "\n")]
        answer = generate(stream, prompt, max_tokens=200, **choice)
        with suppress(ContextFull):  # there is no room for the line itself
            for piece in text_stream(answer, words, stop=["\n"]):
                write(piece)
        write("\n")
        unseen = answer.unseen
        if answer.stopped_by in ("context", None):
            write("(the model can hold no more of this: we begin anew)\n")
            stream.reset()
            unseen, turns = [], []


def main(path: str) -> None:
    def write(text: str) -> None:
        print(text, end="", flush=True)

    chat(path, sys.stdin, write)


if __name__ == "__main__":
    main(*sys.argv[1:])
