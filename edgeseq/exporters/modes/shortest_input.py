"""How few frames a module takes: some say so only by raising, as torch's instance norm does for a single frame."""

from __future__ import annotations

import warnings

import torch
from torch import nn

from edgeseq.exporters.capture import Captured
from edgeseq.exporters.contracting import least_frames
from edgeseq.exporters.nesting import nested

_REFUSALS = (RuntimeError, ValueError, IndexError, ZeroDivisionError)
_TRIES = 64
_WORD = 6


def shortest_input(model: nn.Module, captured: Captured) -> int:
    """Frames of the shortest input that the module takes, as far as the capture and trying zeros tell."""
    least = -(-least_frames(captured) // captured.multiple) * captured.multiple
    for frames in range(least, least + _TRIES * captured.multiple, captured.multiple):
        if _takes(model, captured, frames):
            return frames
    return least  # what keeps it from running is not the length: verification says what it is


def _takes(model: nn.Module, captured: Captured, frames: int) -> bool:
    words = frozenset().union(*(item.spec.words for item in captured.inputs))
    sizes = {**dict.fromkeys(words, _WORD), "batch": 1, "time": frames}
    zeros = {
        item.name: torch.zeros(item.spec.sizes(sizes), dtype=getattr(torch, item.spec.dtype))
        for item in captured.inputs
    }
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a statistic of one frame is: the user never asked for it
            model(**nested(zeros))
    except _REFUSALS:
        return False
    return True
