"""The process of a paced runner, as ``starting`` starts it: python -c 'from ... import process; process.main()'."""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

from edgeseq.errors import EdgeseqError
from edgeseq.runtime.paced.board import Board, leave
from edgeseq.runtime.paced.layout import Preface
from edgeseq.runtime.paced.memory import map_memory
from edgeseq.runtime.paced.running import layout_of, loaded, read_settings, run
from edgeseq.runtime.paced.scheduling import Scheduling, apply
from edgeseq.runtime.paced.wakes import Bell, Ear


def main() -> None:
    """Run what the first argument says with the descriptors in the others: memory, to sleep at, to ring."""
    parent = os.getppid()
    text, *numbers = sys.argv[1:]
    memory, hears, rings = map(int, numbers)
    settings = read_settings(json.loads(text))
    try:
        apply(Scheduling(**settings.scheduling))
        model = loaded(settings)
    except EdgeseqError as error:
        # The contract is not known, or another than the caller's: only what comes before it in memory is.
        preface = Preface()
        leave(error, preface, np.frombuffer(map_memory(memory, preface.size), np.uint8))
        Bell(rings).ring()
        return
    layout = layout_of(model.contract, settings)
    board = Board(model.contract, layout, map_memory(memory, layout.size), settings.chunk, Ear(hears), Bell(rings))
    os.close(memory)
    board.alive = lambda: os.getppid() == parent
    run(board, settings, model, time.process_time_ns)
