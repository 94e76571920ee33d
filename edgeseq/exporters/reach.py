"""How far queries reach, read off which pairs of frames have a weight that is not zero."""

from __future__ import annotations

import torch

from edgeseq.exporters.facts import Reach

#: Frames from the first on that are all looked at, and the farthest of those looked at beyond.
DENSE, FAR = 384, 2**20
_RUN = 8


def probes(most: int | None) -> torch.Tensor:
    """The frame numbers at which a mask is looked at, int64: the first few hundred, then runs ever farther apart.

    ``most``: the frames that there can be. A window of 4,096 shows as well as one of four: some pair is farther apart.
    """
    numbers = set(range(DENSE))
    number = float(DENSE)
    while number <= FAR:
        numbers |= set(range(int(number) - _RUN, int(number) + _RUN + 1))
        number *= 1.6
    limit = FAR if most is None else most
    return torch.tensor(sorted(n for n in numbers if n < limit), dtype=torch.int64)


def reach_of(read: torch.Tensor, numbers: torch.Tensor | None = None) -> Reach | tuple[int, int]:
    """The reach of the pairs ``read``, bool ``[queries, keys]``; where none fits, the first pair that is in the way.

    ``numbers``: the frame numbers of both, int64 ``[queries]``; by default from zero on, each once. The pair in the way
    is the first query, and its first key, that reads a frame which has not come.
    """
    numbers = torch.arange(read.shape[0]) if numbers is None else numbers
    pairs = numbers[read.nonzero()]
    dense = min(len(numbers), DENSE)
    after = pairs[pairs[:, 1] > pairs[:, 0]]
    window = _window(pairs, dense)
    if not len(after):
        return Reach(window)
    first = after[after[:, 0] == 0]
    block = int(first[:, 1].max()) + 1 if len(first) else 0
    if 1 < block <= dense // 4 and bool((after[:, 1] // block <= after[:, 0] // block).all()):
        return Reach(window, block=block)
    distance = after[:, 1] - after[:, 0]
    early = distance[after[:, 1] < dense]
    ahead = int(early.max()) if len(early) else 0
    farther = after[distance > ahead] if ahead <= dense // 4 else after
    if not len(farther):
        return Reach(window, ahead=ahead)
    return int(farther[0, 0]), int(farther[0, 1])


def _window(pairs: torch.Tensor, dense: int) -> int | None:
    """The widest reach back, its own frame included, where it is short and does not grow with the sequence."""
    back = pairs[:, 0] - pairs[:, 1]
    widest = int(back.max()) + 1 if len(pairs) else 1
    early = back[pairs[:, 0] < 3 * dense // 4]
    same = len(early) > 0 and int(early.max()) + 1 == widest
    return max(widest, 1) if same and widest <= dense // 2 else None


def widest(one: Reach, other: Reach) -> Reach:
    """A reach that covers both."""
    window = None if one.window is None or other.window is None else max(one.window, other.window)
    return Reach(window, max(one.ahead, other.ahead), max(one.block, other.block))
