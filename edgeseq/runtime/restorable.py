"""Going back: what a stream is can be taken out of it, and put back, by the whole or by a number of frames."""

from __future__ import annotations

from edgeseq.errors import UsageError
from edgeseq.runtime.alone import alone
from edgeseq.runtime.inputs import check_count
from edgeseq.runtime.opening import Opening
from edgeseq.runtime.readings import Readings
from edgeseq.runtime.repeat import Repeat
from edgeseq.runtime.schedule import frames_of, silent_until
from edgeseq.runtime.snapshot_fit import check_fit, check_position
from edgeseq.runtime.snapshots import Snapshot

#: Snapshots that ``snapshot(keep=True)`` leaves in a stream, the newest ones.
KEPT_SNAPSHOTS = 16


class Restorable(Readings):
    """The part of a stream that goes back; ``Stream`` adds what goes on."""

    __slots__ = ("_busy", "_fast", "_kept", "_opening", "_until")

    def __init__(self, opening: Opening, room: int | None = None) -> None:
        super().__init__(opening, room)
        self._opening = opening
        self._busy = False
        self._fast: Repeat | None = None
        self._until = 0
        self._kept: list[Snapshot] = []

    @alone
    def snapshot(self, keep: bool = False) -> Snapshot:
        """Copies of everything that this stream is now; conditioning apart, which a stream gets when it is opened.

        With ``keep`` the stream keeps it too, for :meth:`rewind`: the newest 16 of them, until ``reset``.
        """
        self._check_not_closed()
        self._check_not_broken()
        taken = self._seen().copied()
        if keep:
            self._kept = [*self._kept[1 - KEPT_SNAPSHOTS :], taken]
        return taken

    @alone
    def restore(self, snapshot: Snapshot) -> None:
        """Become what ``snapshot`` holds; what follows is bit for bit what followed there.

        It may be of another stream of the same file, with the same batch and conditioning, on any device; policies
        stay. Caches grow where they have to. ContractError or UsageError where it does not belong here, and nothing
        has changed.
        """
        self._check_not_closed()
        self._become(check_fit(snapshot, self._opening))
        while self._kept and self._kept[-1] is not snapshot:
            self._kept.pop()

    @alone
    def rewind(self, frames: int) -> None:
        """Take back the last ``frames`` base frames, so that ``frames_in`` is less by as many.

        To where a snapshot was kept, ``snapshot(keep=True)``, a stream can always go back. To anywhere else it can
        where its states are caches and positions only: nothing is copied then. UsageError where it cannot.
        """
        self._check_open()
        count, total = check_count("frames", frames), self.frames_in
        if count > total:
            raise UsageError("there are not so many frames to take back", got=count, wanted=f"at most {total}")
        kept = next((kept for kept in reversed(self._kept) if kept.frames_in == total - count), None)
        if kept is not None:
            self._become(kept)
        elif count:
            self._take_back(count)
        while self._kept and self._kept[-1].frames_in > self.frames_in:
            self._kept.pop()

    def _seen(self) -> Snapshot:
        """What the stream is, its arrays not copied."""
        feeder = self._feeder
        return Snapshot(
            model=self._opening.digest,
            conditioning=self._opening.given,
            batch=self._sizes["batch"],
            position=feeder.fed,
            frames_waiting=self._waiting.frames,
            frames_missing=self._missing.count,
            total=self._total,
            states=feeder.states(),
            histories=feeder.histories(),
            waiting=self._waiting.arrays,
            held=self._missing.held,
            finals=feeder.finals(),
        )

    def _become(self, snapshot: Snapshot) -> None:
        """Write what a snapshot holds that fits; ContextFull where there is no memory for it, and nothing changes."""
        feeder = self._feeder
        self._fast = None
        feeder.reserve(snapshot.position)
        feeder.broken = True
        feeder.put(snapshot.position, snapshot.states, snapshot.histories, snapshot.finals)
        self._waiting.put(snapshot.waiting, snapshot.frames_waiting)
        self._missing.put(snapshot.held, snapshot.frames_missing)
        self._total = snapshot.total
        feeder.broken = False
        self._repeat_at_once()

    def _take_back(self, count: int) -> None:
        """Go back where nothing but a count and the waiting frames has to change."""
        why = self._why_not(count)
        if why is not None:
            raise UsageError(
                f"this stream cannot take back {count} frames",
                why=why,
                do="keep a snapshot where you may go back to: stream.snapshot(keep=True)",
            )
        waiting, feeder, target = self._waiting, self._feeder, self.frames_in - count
        self._fast = None
        feeder.broken = True
        if count <= waiting.frames:
            waiting.cut(waiting.frames - count)
        else:
            waiting.drop()
            feeder.go_back(target)
        feeder.broken = False
        self._repeat_at_once()

    def _why_not(self, count: int) -> str | None:
        """Why the stream cannot go back by its caches, in words; None where it can."""
        if self._missing.holds or self._missing.count:
            return "which frames were missing before is not kept"
        if count <= self._waiting.frames:
            return None
        multiple, feeder = self._contract.chunk.multiple, self._feeder
        if (self.frames_in - count) % multiple:
            return f"the graph takes {multiple} frames at a time: it can go back to a multiple of {multiple} only"
        for port in (*self._ports, *self._out_ports):
            if port.overlap or port.time_axis is None:
                return f"{port.name} depends on frames that are not kept"
        for state in self._contract.states:
            if state.kind != "position" and "capacity" not in state.shape:
                return f"the state {state.name} does not keep what it was"
        values = feeder.states()
        for state in self._contract.states:
            if state.kind == "position":
                check_position(state, values[state.name], feeder.fed, self._opening)
        return None

    def _repeat_at_once(self) -> None:
        """Let the next step repeat the latest call, whose size is likely its own, where nothing is in the way.

        Either all outputs give every frame of their calls from here on, or none gives any up to some position.
        """
        feeder, call = self._feeder, self._feeder.repeatable()
        self._fast, self._until = None, feeder.repeats_until()
        if call is None or self._waiting.frames or self._total is not None:
            return
        if all(frames_of(port, feeder.fed) >= port.delay for port in self._timed):
            self._fast = call.repeat
        else:
            self._fast = call.early(self._out_ports)
            self._until = min(self._until, *(silent_until(port) for port in self._timed))
