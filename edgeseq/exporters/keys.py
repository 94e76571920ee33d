"""The keys of attention in a step: the frames seen so far, kept in a cache, or the last few, kept as a history.

A past axis has one column per key. With a window of ``W`` frames and ``lag`` frames between a key and its query::

    cache      0 1 2 3 . . . . n     columns: every frame so far, one more per frame
    history    h h h | x x           columns: W - 1 + lag frames of earlier calls, then this call's
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import torch

from edgeseq.exporters.facts import Keys, Pairs, Reach, Timed
from edgeseq.exporters.step_ops import columns, remembered

if TYPE_CHECKING:
    from edgeseq.exporters.step import Step


def keys_of(step: Step, query: Timed, key: Timed, origin: str) -> Keys:
    """The domain of the keys where these two first meet: delays at which both start on a whole call."""
    if query.length != key.length:
        raise step.refuse(f"{query.length} queries meet {key.length} keys", "attend to a sequence of as many frames")
    reach, wait = step.plan.reaches.get(origin, Reach()), step.plan.waits.get(origin, 0)
    first = max(query.delay - reach.ahead, key.delay, wait, 0)
    at = next(frames for frames in count(first) if _starts(step, key, frames))
    lag = next(frames for frames in count(reach.ahead) if _starts(step, query, at + frames))
    return Keys(key.length, at, reach, lag)


def _starts(step: Step, fact: Timed, frames: int) -> bool:
    return step.start_of(fact.with_(delay=frames, head=None)) is not None


def start(keys: Keys) -> int:
    """Base frames after which the first key is real."""
    return int(keys.delay / keys.length.ratio)


def query_places(step: Step, fact: Pairs) -> torch.Tensor:
    """Frame numbers of this call's queries: int64[rows, queries]."""
    frames = step.frames_of(fact)
    return step.places(fact.ratio, frames, int(fact.delay / fact.ratio))


def key_places(step: Step, keys: Keys) -> torch.Tensor:
    """Frame numbers of the columns: int64[rows, columns], one row where they are the same for all."""
    return step.once(("columns", keys), lambda: _columns(step, keys))


def _columns(step: Step, keys: Keys) -> torch.Tensor:
    new = step.places(keys.length.ratio, step.frames_at(keys.length.ratio), start(keys))
    history = keys.history
    if history is None:
        newest = new[:, -1:].amax((0, 1))
        numbers: torch.Tensor = columns(newest + 1)
        return numbers[None]
    return new[:, :1] + torch.arange(-history, new.shape[1], device=step.device)


def seen(step: Step, keys: Keys) -> Any:
    """How many columns there are in this call."""
    if keys.history is None:
        return key_places(step, keys).shape[1]
    return step.frames_at(keys.length.ratio) + keys.history


def real_columns(step: Step, keys: Keys) -> torch.Tensor | None:
    """False at columns before the first frame and, where queries look ahead, past the last: bool[rows, columns]."""
    return step.once(("real columns", keys), lambda: _real(step, keys))


def _real(step: Step, keys: Keys) -> torch.Tensor | None:
    real = None
    if keys.history:
        real = key_places(step, keys) >= 0
    if step.flushes and (keys.reach.ahead or keys.reach.block > 1):
        places = step.places(keys.length.ratio, step.frames_at(keys.length.ratio), start(keys))
        known = Timed((), 0, keys.delay, keys.length)
        before = key_places(step, keys) < (places[:, 0] + step.real_frames(known))[:, None]
        real = before if real is None else real & before
    return real


def remember(step: Step, value: torch.Tensor, fact: Timed, keys: Keys, name: str = "keys") -> torch.Tensor:
    """The value at every column along its time axis: what a cache or a history adds to this call's frames."""
    axis, batch = fact.axis, step.batch_axis(fact.shape)
    if batch is not None and batch > 0 and keys.history is None:  # every row is written at a place of its own
        return _turned(step, value, fact, keys, name, 0, batch)
    if axis == value.dim() - 1 and axis > (0 if batch is None else 1):  # entries of a cache lie together
        return _turned(step, value, fact, keys, name, axis - 1, axis)
    if keys.history is None:
        return _from_cache(step, value, fact, keys, name)
    if keys.history == 0:
        return value
    shape = _resized(fact, keys.history)
    state = step.state(name, kind="kv", shape=shape, dtype=value.dtype, start=start(keys))
    joined = torch.cat([state.value, value], axis)
    # Counted from the end, so that no size of the call is computed in the graph.
    state.next = torch.ops.aten.slice.Tensor(joined, axis, -keys.history)
    return joined


def _turned(step: Step, value: torch.Tensor, fact: Timed, keys: Keys, name: str, one: int, other: int) -> torch.Tensor:
    """Remembered with two axes swapped."""
    places = list(range(len(fact.shape)))
    places[one], places[other] = places[other], places[one]
    turned = fact.with_(axis=places.index(fact.axis), shape=tuple(fact.shape[place] for place in places))
    return remember(step, value.transpose(one, other), turned, keys, name).transpose(one, other)


def _from_cache(step: Step, value: torch.Tensor, fact: Timed, keys: Keys, name: str) -> torch.Tensor:
    cache = step.state(
        name,
        kind="kv",
        shape=_resized(fact, "capacity"),
        dtype=value.dtype,
        start=start(keys),
        in_place=True,
        ratio=fact.ratio,
    )
    places = step.places(fact.ratio, value.shape[fact.axis], start(keys))
    rows = places if step.batch_axis(fact.shape) == 0 else places[:1]
    cache.next = remembered(cache.value, value, rows, fact.axis)
    filled = seen(step, keys)
    torch._check(filled <= cache.next.shape[fact.axis])  # type: ignore[no-untyped-call]
    return cache.next.narrow(fact.axis, 0, filled)


def _resized(fact: Timed, size: int | str) -> tuple[Any, ...]:
    return (*fact.shape[: fact.axis], size, *fact.shape[fact.axis + 1 :])


def pair_sizes(step: Step, fact: Pairs) -> list[Any]:
    """The sizes that a value over pairs of frames has in this call."""
    sizes = [None if axis in (fact.axis, fact.past) else step.size(size) for axis, size in enumerate(fact.shape)]
    sizes[fact.axis], sizes[fact.past] = step.frames_of(fact), seen(step, fact.keys)
    return sizes
