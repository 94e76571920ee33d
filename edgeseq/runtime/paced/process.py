"""The process of a paced runner, as ``starting`` starts it: python -c 'from ... import process; process.main()'."""

from __future__ import annotations

import json
import os
import sys
import time

from edgeseq.errors import EdgeseqError
from edgeseq.runtime.loading import describe
from edgeseq.runtime.model import Model
from edgeseq.runtime.paced.board import Board
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
    model: Model | None = None
    failure: EdgeseqError | None = None
    try:
        apply(Scheduling(**settings.scheduling))
        model = loaded(settings)
    except EdgeseqError as error:
        failure = error
    contract = model.contract if model else describe(settings.path).contract
    layout = layout_of(contract, settings)
    board = Board(contract, layout, map_memory(memory, layout.size), settings.chunk, Ear(hears), Bell(rings))
    os.close(memory)
    board.alive = lambda: os.getppid() == parent
    if failure is not None:
        board.fail(failure)
    elif model is not None:
        run(board, settings, model, time.process_time_ns)
