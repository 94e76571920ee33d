"""The pool: streams that open, step at their own pace, reset and close, all stepped as one batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeseq.errors import PoolFull, ShapeError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import engine_errors
from edgeseq.runtime.inputs import known_shape
from edgeseq.runtime.logs import LOGGER
from edgeseq.runtime.pool.asked import Asked, ask, by_name, check_slots, in_order, stacked
from edgeseq.runtime.pool.conditions import Conditions
from edgeseq.runtime.pool.crew import Crew, Work
from edgeseq.runtime.pool.failing import failure, tick_failed
from edgeseq.runtime.pool.held import Held
from edgeseq.runtime.pool.merged import merged, row_of
from edgeseq.runtime.pool.ready import Ready
from edgeseq.runtime.pool.refusing import check_context, check_open, check_taken, shut_down
from edgeseq.runtime.pool.room import check_room
from edgeseq.runtime.pool.shard import ENDED, Shard
from edgeseq.runtime.pool.slots import Slots
from edgeseq.runtime.pool.steady import Steady
from edgeseq.runtime.pool.stores import along_rows
from edgeseq.runtime.pool.wishes import check_wishes, full

if TYPE_CHECKING:
    from edgeseq.runtime.model import Model
    from edgeseq.runtime.pool.aio import AsyncPool

_COUNTED = ("ticks", "frames", "opened", "closed", "idle_closed", "refused", "failed")


class Pool:
    """Up to ``capacity`` streams of a model, made by ``Model.pool``.

    A stream is a *slot*, a number below ``capacity``. ``ports`` are its inputs, ``outputs`` what it gives. Calls from
    several threads take turns. A call that raises has
    changed nothing, but for TickFailed, which says what went through and which streams it ended.
    """

    def __init__(
        self,
        model: Model,
        capacity: int,
        shards: int = 1,
        max_context: int | None = None,
        on_nonfinite: str = "raise",
        idle_timeout: float | None = None,
    ) -> None:
        """As ``Model.pool``."""
        self._limit = check_wishes(model, capacity, shards, max_context, on_nonfinite, idle_timeout)
        check_room(model.contract, capacity, self._limit)
        self.model = model
        self.capacity = capacity
        self._contract = model.contract
        self.ports = model.contract.with_role("frame")
        self.outputs = model.contract.with_role("output")
        self._finite = on_nonfinite == "raise"
        self._idle = idle_timeout
        self._next_sweep = 0.0
        self._slots = Slots(capacity, shards)
        self._conditions = Conditions(model, self._finite)
        self._made: Crew | None = None
        self._steady: Steady | None = None
        self._lock = threading.RLock()
        self._draining = self._closed = False
        self._counts = dict.fromkeys(_COUNTED, 0)
        self._seconds = 0.0
        self._last = 0
        if self._conditions.known:
            self._allocate()

    def open(self, conditioning: Mapping[str, Array] | None = None) -> int:
        """A slot for a new stream, with its ``conditioning`` as for ``Model.stream``; the emptiest shard takes it.

        Raises PoolFull where no slot is free, or while the pool drains, and what ``Model.stream`` raises.
        """
        with self._lock:
            self._check_not_closed()
            if self._draining:
                raise PoolFull("this pool takes no new streams", why="it is drained", do="open them in the next pool")
            arrays = self._conditions.of(conditioning)
            if self._made is None:
                self._allocate()
            now = time.monotonic()
            self._sweep(now)
            slot = self._slots.take(now)
            if slot is None:
                self._counts["refused"] += 1
                raise full(self._contract, self.capacity, self._limit)
            try:
                self._shard(slot).open(slot % self._slots.each, arrays)
            except BaseException:
                self._close(slot)
                raise
            self._counts["opened"] += 1
            return slot

    def step(self, slots: Any, frames: Any = None, counts: Any = None, out: Any = None, /, **named: Any) -> Any:
        """Take frames for some streams and return those that are ready, a row for each slot.

        ``slots``: int32[n], each once. ``frames``: [n, k, ...], the array of the only input, with the slots along its
        batch axis; several inputs come by name, or as one dict. ``counts``: int32[n], how many of the k base frames are
        real for each slot; all without it. The answer is an array [n, m, ...], or a list of one array per slot where
        they get different numbers of frames; with several outputs a dict of those by name. ``out``, where all get as
        many, is filled and returned. ``slots`` may also be a dict {slot: frames of one stream}: the answer is one too.

        Raises ShapeError, NonFiniteInput, ContextFull or StreamEnded, and nothing was stepped; TickFailed where
        onnxruntime failed.
        """
        with self._lock:
            steady = self._steady
            if steady is not None and counts is None and steady.takes(slots, frames, out, self._finite):
                return self._again(steady, frames, out)
            self._check_not_closed()
            if isinstance(slots, Mapping):
                return self._step_dict(slots)
            chosen = check_slots(slots, self.capacity)
            given = by_name(frames, named, self.ports, "step(slots, name=array, ...)")
            asked = ask(chosen, given, counts, self.ports, self._conditions.sizes, self._finite)
            check_open(self._made, asked.slots)
            check_context(self._crew, asked, self._limit)
            return self._one_or_dict(self._advance(asked, self._out(out)))

    def flush(self, slots: Any) -> Any:
        """What is still owed to some streams, as ``step`` returns it; they take no more frames until ``reset``.

        ShapeError, and unchanged streams, where the model takes no sequence of the length of one of them.
        """
        with self._lock:
            self._steady = None
            ordered, order = self._open_slots(slots)
            parts = self._work(ordered, lambda shard, rows, cut: shard.flush(rows))
            return self._one_or_dict(merged(self.outputs, parts, order, None))

    def reset(self, slots: Any) -> None:
        """Start some streams anew, with the conditioning that they have; also those that have ended."""
        with self._lock:
            for slot in self._taken(slots):
                self._shard(slot).reset(slot % self._slots.each)

    def close(self, slots: Any) -> None:
        """End some streams, zero all that they hold, and free their slots. ``slots`` may be a single one."""
        with self._lock:
            for slot in self._taken(slots):
                self._close(slot)
                self._counts["closed"] += 1

    def expect(self, slots: Any, counts: Any) -> Any:
        """How many frames a step of ``counts`` base frames will return for each slot.

        int64[n], or a dict of those by name for several outputs with a time axis.
        """
        with self._lock:
            ordered, order = self._open_slots(slots)
            wanted = np.broadcast_to(np.asarray(counts, np.int64), ordered.shape)
            wanted = wanted if order is None else wanted[order]
            parts = self._crew.parts(ordered)
            each = [self._crew.shards[shard].expect(rows, wanted[cut]) for shard, rows, cut in parts]
            found = {name: np.concatenate([one[name] for one in each]) for name in each[0]}
            if order is not None:
                found = {name: values[np.argsort(order)] for name, values in found.items()}
            return next(iter(found.values())) if len(found) == 1 else found

    def frames_in(self, slot: int) -> int:
        """Base frames that a stream took, those that wait included."""
        with self._lock:
            (slot,) = self._taken(slot)
            shard, row = self._shard(slot), slot % self._slots.each
            return int(shard.totals[row] if shard.state[row] == ENDED else shard.fed[row] + shard.waiting[row])

    def serve(
        self, max_queue_delay: float = 0.0, max_queue: int = 1024, prefill_budget: int | None = None
    ) -> AsyncPool:
        """A front for the coroutines of one event loop: ``await stream.step(frame)``.

        What streams ask for within ``max_queue_delay`` seconds becomes one tick; with 0 what is there when the last
        tick is done. At most ``max_queue`` requests are in the queue: more wait for a place. Of steps longer than the
        model's chunk a tick takes at most ``prefill_budget`` base frames, so that a long prompt does not hold up the
        others; without it all. UsageError.
        """
        from edgeseq.runtime.pool.aio import AsyncPool

        return AsyncPool(self, max_queue_delay, max_queue, prefill_budget)

    def drain(self) -> int:
        """Take no more streams, for a new version of the model to take over; how many are still open."""
        with self._lock:
            self._draining = True
            return self._slots.open

    def stats(self) -> dict[str, float]:
        """Counters and gauges in one flat dict; docs/pool.md has their Prometheus names and kinds."""
        with self._lock:
            held = 0 if self._made is None else sum(shard.nbytes for shard in self._made.shards)
            return {
                "capacity": self.capacity,
                "shards": len(self._slots.sizes),
                "streams_open": self._slots.open,
                "draining": int(self._draining),
                "held_bytes": held,
                "last_tick_streams": self._last,
                "tick_seconds_total": self._seconds,
                **{f"{name}_total": count for name, count in self._counts.items()},
            }

    def shutdown(self) -> None:
        """Close the pool and every stream in it, and stop its threads."""
        with self._lock:
            self._closed, self._steady = True, None
            crew, self._made = self._made, None
        if crew is not None:
            crew.stop()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    @property
    def sizes(self) -> Mapping[str, int]:
        """The sizes of the named axes of the model's own, once the first stream has fixed them."""
        return self._conditions.sizes

    def __len__(self) -> int:
        return self._slots.open

    def __repr__(self) -> str:
        return f"Pool({self._slots.open} of {self.capacity} streams, shards={len(self._slots.sizes)})"

    def _allocate(self) -> None:
        """Make the shards, once the sizes of all named axes are known."""
        sizes, shared = self._conditions.sizes, self._conditions.shared
        try:
            held = [Held(self._contract, max(2, count), self._limit, sizes, shared) for count in self._slots.sizes]
            shards = [Shard(self._contract, self.model.session, one) for one in held]
        except MemoryError as error:
            raise PoolFull("there is no memory for this pool", why=str(error), do="take a smaller capacity") from error
        self._made = Crew(shards, self._slots)

    @property
    def _crew(self) -> Crew:
        if self._made is None:
            raise shut_down()
        return self._made

    def _shard(self, slot: int) -> Shard:
        return self._crew.shards[slot // self._slots.each]

    def _close(self, slot: int) -> None:
        self._shard(slot).close(slot % self._slots.each)
        self._slots.give_back(slot)

    def _sweep(self, now: float) -> None:
        """Close streams for which nothing came for too long."""
        if self._idle is None or now < self._next_sweep:
            return
        self._next_sweep = now + self._idle / 8
        for slot in self._slots.idle(now - self._idle):
            LOGGER.info("pool closed slot %d: nothing came for it in %s seconds", slot, self._idle)
            self._steady = None
            self._close(slot)
            self._counts["idle_closed"] += 1

    def _advance(self, asked: Asked, out: Mapping[str, Array] | None) -> dict[str, Any]:
        begun = time.perf_counter()
        self._steady = None
        direct = out if asked.order is None and len(self._slots.sizes) == 1 else None

        def step(shard: Shard, rows: Array, cut: slice) -> Ready:
            whole = len(rows) == len(asked.slots)
            part = asked.frames if whole else along_rows(self.ports, asked.frames, cut)
            return shard.step(rows, part, asked.counts[cut], direct)

        parts = self._work(asked.slots, step)
        made = merged(self.outputs, parts, asked.order, out)
        self._steady = self._settled(asked, made)
        self._count(asked.slots, int(asked.counts.sum()), begun)
        return made

    def _settled(self, asked: Asked, made: Mapping[str, Any]) -> Steady | None:
        """The tick that was just done, where it may come again as it is."""
        if asked.order is not None or len(self._slots.sizes) > 1:
            return None
        return Steady.after(self._crew.shards[0], asked, self.ports, made, self._limit)

    def _again(self, steady: Steady, frames: Array, out: Any) -> Any:
        begun = time.perf_counter()
        try:
            made = steady.step(frames, self._out(out))
        except engine_errors() as error:
            self._counts["failed"] += 1
            raise tick_failed(error, {}, ()) from error
        self._count(steady.slots, steady.base_frames, begun)
        return self._one_or_dict(made)

    def _count(self, slots: Array, base_frames: int, begun: float) -> None:
        self._seconds += time.perf_counter() - begun
        self._counts["ticks"] += 1
        self._counts["frames"] += base_frames
        self._last = len(slots)
        if self._idle is not None:
            now = time.monotonic()
            self._slots.touch(slots, now)
            self._sweep(now)

    def _work(self, slots: Array, work: Work) -> list[Ready]:
        parts = self._crew.parts(slots)
        found = self._crew.run(parts, work)
        failed = [one for one in found if isinstance(one, Exception)]
        if failed:
            error = failure(self.outputs, [slots[cut] for _, _, cut in parts], found, self._one_or_dict)
            self._counts["failed"] += error not in failed
            raise error from failed[0]
        return [one for one in found if isinstance(one, Ready)]

    def _step_dict(self, given: Mapping[Any, Any]) -> dict[Any, Any]:
        if not given:
            raise ShapeError("no slot was given", wanted="a dict {slot: frames} with at least one slot")
        sizes = {**self._conditions.sizes, "batch": 1}
        shapes = {port.name: known_shape(port.shape, sizes) for port in self.ports}
        slots, frames, counts, batched = stacked(given, self.ports, shapes)
        answer = self.step(slots, frames, counts)
        named = answer if len(self.outputs) > 1 else {self.outputs[0].name: answer}
        return {
            slot: self._one_or_dict({port.name: row_of(port, named[port.name], at, kept) for port in self.outputs})
            for at, (slot, kept) in enumerate(zip(given, batched, strict=True))
        }

    def _out(self, out: Any) -> dict[str, Any] | None:
        return None if out is None else dict(by_name(out, {}, self.outputs, "out={name: array, ...}"))

    def _one_or_dict(self, named: dict[str, Any]) -> Any:
        return named if len(self.outputs) > 1 else named[self.outputs[0].name]

    def _check_not_closed(self) -> None:
        if self._closed:
            raise shut_down()

    def _open_slots(self, slots: Any) -> tuple[Array, Array | None]:
        """Slots of open streams in ascending order, and where each was given."""
        self._check_not_closed()
        chosen = check_slots(slots, self.capacity)
        order = in_order(chosen)
        ordered = chosen if order is None else chosen[order]
        check_open(self._made, ordered)
        return ordered, order

    def _taken(self, slots: Any) -> list[int]:
        """Slots with a stream in them, ended or not."""
        self._check_not_closed()
        chosen = check_slots(np.atleast_1d(slots), self.capacity)
        in_order(chosen)
        check_taken(self._made, np.sort(chosen))
        self._steady = None
        return [int(slot) for slot in chosen]
