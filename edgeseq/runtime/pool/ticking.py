"""The ticks of a pool: steps and flushes over its shards, put together again as they were asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Port, resolve_shape
from edgeseq.errors import ShapeError
from edgeseq.runtime.answers import out_by_name
from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import engine_errors
from edgeseq.runtime.inputs import check_out
from edgeseq.runtime.pool.asked import Asked
from edgeseq.runtime.pool.crew import Crew, Part, Work
from edgeseq.runtime.pool.failing import failure, tick_failed
from edgeseq.runtime.pool.merged import merged
from edgeseq.runtime.pool.ready import Ready
from edgeseq.runtime.pool.shard import ENDED, Shard
from edgeseq.runtime.pool.steady import Steady
from edgeseq.runtime.pool.stores import along_rows
from edgeseq.runtime.pool.underway import UnderWay


class Ticker:
    """Carries ticks out and counts them. ``steady`` is the last one, where it may come again as it is."""

    def __init__(self, crew: Crew, ports: tuple[Port, ...], outputs: tuple[Port, ...], limit: int | None) -> None:
        """``limit``: the most base frames of a stream."""
        self.crew = crew
        self.ticks = self.frames = self.failed = self.last = 0
        self.seconds = 0.0
        self.steady: Steady | None = None
        self._ports, self._outputs = ports, outputs
        self._limit = limit

    def step(self, asked: Asked, out: Any, sizes: Mapping[str, int]) -> Any:
        """What ``Pool.step`` returns for what was ``asked`` and is right; ``sizes`` are those of the named axes."""
        begun = time.perf_counter()
        self.steady = None
        parts = self.crew.parts(asked.slots)
        target = None if out is None else self._checked(out, asked, parts, sizes)
        direct = target if asked.order is None and len(self.crew.shards) == 1 else None
        frames = asked.frames
        if direct is not None and shares_memory(frames, direct):
            frames = {name: array.copy() for name, array in frames.items()}

        def work(shard: Shard, rows: Array, cut: slice) -> Ready:
            part = frames if len(rows) == len(asked.slots) else along_rows(self._ports, frames, cut)
            return shard.step(rows, part, asked.counts[cut], direct)

        with UnderWay(self.crew.shards, parts, asked.slots) as under_way:
            found = self._work(asked.slots, parts, work, under_way)
            try:
                made = merged(self._outputs, found, asked.order)
                if target is not None and direct is None:
                    for name, array in target.items():
                        array[...] = made[name]
                self.steady = self._settled(asked, made)
            except MemoryError as error:
                raise self._lost(error, under_way) from error
        self._count(len(asked.slots), int(asked.counts.sum()), begun)
        return self.shown(made) if out is None else out

    def again(self, steady: Steady, frames: Array, out: Any) -> Any:
        """The steady tick once more; it takes these frames and this ``out``."""
        begun, through = time.perf_counter(), False
        self.steady = None
        steady.begin()
        try:
            made = steady.step(frames, None if out is None else self._named(out))
            self.steady = steady
            self._count(len(steady.slots), steady.base_frames, begun)
            answer = self.shown(made) if out is None else out
            through = True
        except engine_errors() as error:
            raise self._lost(error, None) from error
        finally:
            steady.end(through)
        return answer

    def flush(self, slots: Array, order: Array | None) -> Any:
        """What is still owed to ascending slots, which have ended then."""
        self.steady = None
        parts = self.crew.parts(slots)
        with UnderWay(self.crew.shards, parts, slots, ENDED) as under_way:
            found = self._work(slots, parts, lambda shard, rows, cut: shard.flush(rows), under_way)
            try:
                return self.shown(merged(self._outputs, found, order))
            except MemoryError as error:
                raise self._lost(error, under_way) from error

    def shown(self, named: dict[str, Any]) -> Any:
        """The one output, or all by name."""
        return named if len(self._outputs) > 1 else named[self._outputs[0].name]

    def _named(self, out: Any) -> dict[str, Any]:
        return dict(out_by_name(out, self._outputs))

    def _checked(self, out: Any, asked: Asked, parts: list[Part], sizes: Mapping[str, int]) -> dict[str, Array]:
        """ShapeError where ``out`` does not fit what this tick will make."""
        given, shards = self._named(out), self.crew.shards
        each = [shards[shard].expect(rows, asked.counts[cut]) for shard, rows, cut in parts]
        target = {}
        for port in self._outputs:
            counts = np.concatenate([one[port.name] for one in each]) if port.time_axis is not None else np.zeros(1)
            if (counts != counts[0]).any():
                raise ShapeError(
                    f"out for {port.name} would have rows of different lengths",
                    got=f"{int(counts.min())} to {int(counts.max())} frames",
                    do="leave out= away, or step streams together that get as many; pool.expect tells",
                )
            shape = resolve_shape(port.shape, {**sizes, "batch": len(asked.slots), "time": int(counts[0])})
            target[port.name] = check_out(port.name, given[port.name], np.dtype(port.dtype), shape)
        return target

    def _work(self, slots: Array, parts: list[Part], work: Work, under_way: UnderWay) -> list[Ready]:
        found = self.crew.run(parts, work)
        failed = [one for one in found if not isinstance(one, Ready)]
        if failed:
            own = [slots[cut] for _, _, cut in parts]
            error = failure(self._outputs, own, found, under_way.ended, self.shown)
            self.failed += error not in failed
            raise error from failed[0]
        return [one for one in found if isinstance(one, Ready)]

    def _settled(self, asked: Asked, made: Mapping[str, Any]) -> Steady | None:
        """The tick that was just done, where it may come again as it is."""
        if asked.order is not None or len(self.crew.shards) > 1:
            return None
        return Steady.after(self.crew.shards[0], asked, self._ports, self._outputs, made, self._limit)

    def _lost(self, error: Exception, under_way: UnderWay | None) -> Exception:
        self.failed += 1
        return tick_failed(error, {}, [] if under_way is None else under_way.ended())

    def _count(self, streams: int, base_frames: int, begun: float) -> None:
        self.seconds += time.perf_counter() - begun
        self.ticks += 1
        self.frames += base_frames
        self.last = streams


def shares_memory(frames: Mapping[str, Array], out: Mapping[str, Array]) -> bool:
    """Whether an output may lie where an input does, which onnxruntime would read while it writes."""
    return any(np.may_share_memory(one, other) for one in frames.values() for other in out.values())
