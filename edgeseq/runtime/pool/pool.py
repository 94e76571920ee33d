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
from edgeseq.runtime.inputs import by_name, known_shape
from edgeseq.runtime.logs import LOGGER
from edgeseq.runtime.pool.asked import Asked, ask, check_slots, counts_for, in_order, stacked
from edgeseq.runtime.pool.conditions import Conditions
from edgeseq.runtime.pool.crew import Crew
from edgeseq.runtime.pool.held import Held
from edgeseq.runtime.pool.merged import row_of
from edgeseq.runtime.pool.refusing import check_context, check_open, check_taken, shut_down
from edgeseq.runtime.pool.room import check_room
from edgeseq.runtime.pool.shard import BROKEN, ENDED, Shard
from edgeseq.runtime.pool.slots import Slots
from edgeseq.runtime.pool.ticking import Ticker
from edgeseq.runtime.pool.turns import in_turn
from edgeseq.runtime.pool.wishes import check_wishes, full

if TYPE_CHECKING:
    from edgeseq.runtime.model import Model
    from edgeseq.runtime.pool.aio import AsyncPool


class Pool:
    """Up to ``capacity`` streams of a model, made by ``Model.pool``.

    A stream is a *slot*, a number below ``capacity``. ``ports`` are its inputs, ``outputs`` what it gives. Calls from
    several threads take turns. A call that raises has changed nothing, but for TickFailed, which says what went through
    and which streams it ended, and for interrupts, after which those streams have ended that had moved.
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
        check_room(model.contract, capacity, self._limit, {})
        self.model = model
        self.capacity = capacity
        self.ports = model.contract.with_role("frame")
        self.outputs = model.contract.with_role("output")
        self._finite = on_nonfinite == "raise"
        self._idle = idle_timeout
        self._next_sweep = 0.0
        self._slots = Slots(capacity, shards)
        self._conditions = Conditions(model, self._finite)
        self._made: Ticker | None = None
        self._turns, self._busy = threading.RLock(), False
        self._draining = self._closed = False
        self._counts = dict.fromkeys(("opened", "closed", "idle_closed", "refused"), 0)
        if self._conditions.known:
            self._made = self._allocated()

    @in_turn
    def open(self, conditioning: Mapping[str, Array] | None = None) -> int:
        """A slot for a new stream, with its ``conditioning`` as for ``Model.stream``; the emptiest shard takes it.

        Raises PoolFull where no slot is free, or while the pool drains, and what ``Model.stream`` raises.
        """
        self._check_not_closed()
        if self._draining:
            raise PoolFull("this pool takes no new streams", why="it is drained", do="open them in the next pool")
        arrays = self._conditions.of(conditioning)
        if self._made is None:
            self._made = self._allocated()
        now = time.monotonic()
        self._sweep(now)
        return self._begun(now, arrays)

    def _begun(self, now: float, arrays: Mapping[str, Array]) -> int:
        slot = self._slots.take(now)
        if slot is None:
            self._counts["refused"] += 1
            raise full(self.model.contract, self.capacity, self._limit)
        try:
            self._shard(slot).open(slot % self._slots.each, arrays)
        except BaseException:
            self._close(slot)
            raise
        self._counts["opened"] += 1
        return slot

    @in_turn
    def step(self, slots: Any, frames: Any = None, counts: Any = None, out: Any = None, /, **named: Any) -> Any:
        """Take frames for some streams and return those that are ready, a row for each slot.

        ``slots``: int32[n], each once. ``frames``: [n, k, ...], the array of the only input, with the slots along its
        batch axis; several inputs come by name, or as one dict. ``counts``: int32[n], how many of the k base frames are
        real for each slot; all without it. The answer is an array [n, m, ...], or a list of one array per slot where
        they get different numbers of frames; with several outputs a dict of those by name. ``out``, where all get as
        many, is filled and returned. ``slots`` may also be a dict {slot: frames of one stream}: the answer is one too.

        Raises ShapeError, NonFiniteInput, ContextFull or StreamEnded, and nothing was stepped; TickFailed where
        onnxruntime or memory failed.
        """
        if self._made is not None and counts is None and not named:
            steady = self._made.steady
            if steady is not None and steady.takes(slots, frames, out, self._finite):
                answer = self._made.again(steady, frames, out)
                self._touch(steady.slots)
                return answer
        self._check_not_closed()
        if isinstance(slots, Mapping):
            return self._step_dict(slots)
        return self._step(
            slots, by_name(frames, named, self.ports, "by name: step(slots, name=array, ...)"), counts, out
        )

    @in_turn
    def flush(self, slots: Any) -> Any:
        """What is still owed to some streams, as ``step`` returns it; they take no more frames until ``reset``.

        ShapeError, and unchanged streams, where the model takes no sequence of the length of one of them.
        """
        ordered, order = self._open_slots(slots)
        return self._ticker.flush(ordered, order)

    @in_turn
    def reset(self, slots: Any) -> None:
        """Start some streams anew, with the conditioning that they have; also those that have ended."""
        for slot in self._taken(slots):
            self._shard(slot).reset(slot % self._slots.each)

    @in_turn
    def close(self, slots: Any) -> None:
        """End some streams, zero all that they hold, and free their slots. ``slots`` may be a single one."""
        for slot in self._taken(slots):
            self._close(slot)
            self._counts["closed"] += 1

    @in_turn
    def abandon(self, slots: Any) -> None:
        """Let some streams take no more frames until ``reset``: a part of what was asked for them was not done."""
        for slot in self._taken(slots):
            self._shard(slot).state[slot % self._slots.each] = BROKEN

    @in_turn
    def expect(self, slots: Any, counts: Any) -> Any:
        """How many frames a step of ``counts`` base frames will return for each slot.

        int64[n], or a dict of those by name for several outputs with a time axis. Raises what that step would raise for
        its slots and counts.
        """
        ordered, order = self._open_slots(slots)
        wanted = counts_for(counts, len(ordered))
        wanted = wanted if order is None else wanted[order]
        check_context(self._ticker.crew, ordered, wanted, self._limit)
        crew = self._ticker.crew
        each = [crew.shards[shard].expect(rows, wanted[cut]) for shard, rows, cut in crew.parts(ordered)]
        found = {name: np.concatenate([one[name] for one in each]) for name in each[0]}
        if order is not None:
            found = {name: values[np.argsort(order)] for name, values in found.items()}
        return next(iter(found.values())) if len(found) == 1 else found

    @in_turn
    def frames_in(self, slot: int) -> int:
        """Base frames that a stream took, those that wait included."""
        self._check_not_closed()
        check_taken(self._crew, check_slots([slot], self.capacity))
        shard, row = self._shard(slot), slot % self._slots.each
        return int(shard.totals[row] if shard.state[row] == ENDED else shard.position(np.array([row])).sum())

    def generation(self, slot: int) -> int:
        """How many streams a slot has had before: another number means another stream."""
        return int(self._slots.generation[slot])

    @in_turn
    def sweep(self) -> None:
        """Close streams that ``idle_timeout`` has run out for; ``open`` and ``step`` do so by themselves."""
        if not self._closed:
            self._sweep(time.monotonic())

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

    @in_turn
    def drain(self) -> int:
        """Take no more streams, for a new version of the model to take over; how many are still open."""
        self._draining = True
        return len(self)

    @in_turn
    def stats(self) -> dict[str, float]:
        """Counters and gauges in one flat dict; docs/pool.md has their Prometheus names and kinds."""
        made = self._made
        held = 0 if made is None else sum(shard.nbytes for shard in made.crew.shards)
        return {
            "capacity": self.capacity,
            "shards": len(self._slots.sizes),
            "streams_open": len(self),
            "draining": int(self._draining),
            "held_bytes": held,
            "last_tick_streams": 0 if made is None else made.last,
            "tick_seconds_total": 0.0 if made is None else made.seconds,
            "ticks_total": 0 if made is None else made.ticks,
            "frames_total": 0 if made is None else made.frames,
            "failed_total": 0 if made is None else made.failed,
            **{f"{name}_total": count for name, count in self._counts.items()},
        }

    def shutdown(self) -> None:
        """Close the pool and every stream in it, and stop its threads."""
        with self._turns:
            self._closed = True
            made, self._made = self._made, None
        if made is not None:
            made.crew.stop()

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
        return 0 if self._closed else self._slots.open

    def __repr__(self) -> str:
        return f"Pool({len(self)} of {self.capacity} streams, shards={len(self._slots.sizes)})"

    def _allocated(self) -> Ticker:
        """The shards, once the sizes of all named axes are known."""
        sizes, shared, contract = self._conditions.sizes, self._conditions.shared, self.model.contract
        check_room(contract, self.capacity, self._limit, sizes)
        try:
            held = [Held(contract, max(2, count), self._limit, sizes, shared) for count in self._slots.sizes]
            crew = Crew([Shard(contract, self.model.session, one) for one in held], self._slots)
        except MemoryError as error:
            raise PoolFull("there is no memory for this pool", why=str(error), do="take a smaller capacity") from error
        return Ticker(crew, self.ports, self.outputs, self._limit)

    @property
    def _ticker(self) -> Ticker:
        if self._made is None:
            raise shut_down()
        return self._made

    @property
    def _crew(self) -> Crew | None:
        return None if self._made is None else self._made.crew

    def _shard(self, slot: int) -> Shard:
        return self._ticker.crew.shards[slot // self._slots.each]

    def _close(self, slot: int) -> None:
        try:
            self._shard(slot).close(slot % self._slots.each)
        finally:
            self._slots.give_back(slot)

    def _touch(self, slots: Array) -> None:
        """Something came for these slots."""
        if self._idle is not None:
            now = time.monotonic()
            self._slots.touch(slots, now)
            self._sweep(now)

    def _sweep(self, now: float) -> None:
        """Close streams for which nothing came for too long."""
        if self._idle is None or now < self._next_sweep or self._made is None:
            return
        self._next_sweep = now + self._idle / 8
        for slot in self._slots.idle(now - self._idle):
            LOGGER.info("pool closed slot %d: nothing came for it in %s seconds", slot, self._idle)
            self._made.steady = None
            self._close(slot)
            self._counts["idle_closed"] += 1

    def _step(self, slots: Any, frames: Mapping[str, Any], counts: Any, out: Any) -> Any:
        asked = self._asked(slots, frames, counts)
        answer = self._ticker.step(asked, out, self._conditions.sizes)
        self._touch(asked.slots)
        return answer

    def _asked(self, slots: Any, frames: Mapping[str, Any], counts: Any) -> Asked:
        """What is to be stepped, once everything about it is known to be right."""
        chosen = check_slots(slots, self.capacity)
        asked = ask(chosen, frames, counts, self.ports, self._conditions.sizes, self._finite)
        check_open(self._crew, asked.slots)
        check_context(self._ticker.crew, asked.slots, asked.counts, self._limit)
        return asked

    @in_turn
    def check(self, slot: int, frames: Mapping[str, Any]) -> None:
        """Raise what a step of one stream with these frames, a row of each, would raise; nothing is stepped."""
        self._check_not_closed()
        self._asked([slot], frames, None)

    def _step_dict(self, given: Mapping[Any, Any]) -> dict[Any, Any]:
        if not given:
            raise ShapeError("no slot was given", wanted="a dict {slot: frames} with at least one slot")
        shapes = {port.name: known_shape(port.shape, {**self.sizes, "batch": 1}) for port in self.ports}
        slots, frames, counts, batched = stacked(given, self.ports, shapes)
        answer, shown = self._step(slots, frames, counts, None), self._ticker.shown
        named = answer if len(self.outputs) > 1 else {self.outputs[0].name: answer}
        return {
            slot: shown({port.name: row_of(port, named[port.name], at, kept) for port in self.outputs})
            for at, (slot, kept) in enumerate(zip(given, batched, strict=True))
        }

    def _check_not_closed(self) -> None:
        if self._closed:
            raise shut_down()

    def _open_slots(self, slots: Any) -> tuple[Array, Array | None]:
        """Slots of open streams in ascending order, and where each was given."""
        self._check_not_closed()
        chosen = check_slots(slots, self.capacity)
        order = in_order(chosen)
        ordered = chosen if order is None else chosen[order]
        check_open(self._crew, ordered)
        return ordered, order

    def _taken(self, slots: Any) -> list[int]:
        """Slots with a stream in them, ended or not, which something is about to be done to."""
        self._check_not_closed()
        chosen = check_slots(np.atleast_1d(slots), self.capacity)
        in_order(chosen)
        check_taken(self._crew, np.sort(chosen))
        self._ticker.steady = None
        return [int(slot) for slot in chosen]
