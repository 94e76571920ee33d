"""How long the runs are on which a file is checked, and parts of what is given to them."""

from __future__ import annotations

from edgeseq.contract import Contract
from edgeseq.verification.arrays import Arrays
from edgeseq.verification.streams import frames_between

_FRAMES = 61


def short_run(contract: Contract) -> int:
    """Frames to compare on: past the start of every state and the shortest input, within the context."""
    least = contract.min_frames + 2 * contract.delay + max((state.start for state in contract.states), default=0)
    frames = max(_FRAMES, least + 16 * contract.chunk.multiple)
    frames += contract.receptive_field or 0
    if contract.max_context is not None:
        frames = min(frames, contract.max_context)
    return accepted(contract, frames)


def accepted(contract: Contract, frames: int) -> int:
    """The largest length up to ``frames`` that the model takes."""
    lengths = [port.length for port in contract.with_role("output") if port.length is not None]
    while frames > 1 and any(length(frames) is None for length in lengths):
        frames -= 1
    return frames


def past_of(contract: Contract, inputs: Arrays, frames: int) -> Arrays:
    """The first ``frames`` base frames of some inputs."""
    timed = {port.name: port for port in contract.with_role("frame")}
    return {
        name: frames_between(timed[name], array, 0, frames) if name in timed else array
        for name, array in inputs.items()
    }
