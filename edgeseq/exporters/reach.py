"""How far queries reach, read off which pairs of frames have a weight that is not zero."""

from __future__ import annotations

import torch

from edgeseq.exporters.facts import Reach


def reach_of(read: torch.Tensor) -> Reach | tuple[int, int]:
    """The reach of the pairs ``read``, bool ``[queries, keys]``; where none fits, the first pair that is in the way.

    That is the first query, and its first key, that reads a frame which has not come.
    """
    frames = read.shape[0]
    pairs = read.nonzero()
    distance = pairs[:, 1] - pairs[:, 0]
    after = pairs[distance > 0]
    window = _window(pairs, frames)
    if not len(after):
        return Reach(window)
    block = int(after[0, 1]) + 1 if int(after[0, 0]) == 0 else 0
    block = max(block, int(after[after[:, 0] == 0][:, 1].max()) + 1) if block else 0
    if 1 < block <= frames // 4 and bool((after[:, 1] // block <= after[:, 0] // block).all()):
        return Reach(window, block=block)
    ahead = int(distance.max())
    if ahead <= frames // 4:
        return Reach(window, ahead=ahead)
    return int(after[0, 0]), int(after[0, 1])


def _window(pairs: torch.Tensor, frames: int) -> int | None:
    """The widest reach back, its own frame included, where it stays the same while the sequence grows."""
    back = pairs[:, 0] - pairs[:, 1]
    widest = int(back.max()) + 1 if len(pairs) else 1
    early = back[pairs[:, 0] < 3 * frames // 4]
    same = len(early) > 0 and int(early.max()) + 1 == widest
    return max(widest, 1) if same and widest <= frames // 2 else None


def widest(one: Reach, other: Reach) -> Reach:
    """A reach that covers both."""
    window = None if one.window is None or other.window is None else max(one.window, other.window)
    return Reach(window, max(one.ahead, other.ahead), max(one.block, other.block))
