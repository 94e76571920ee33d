"""What can be read off a stream: its counters, whether it is open, how many frames a step will return."""

from __future__ import annotations

from edgeseq.contract import Contract
from edgeseq.errors import ContextFull, ProviderError, StreamEnded
from edgeseq.runtime.feeder import Feeder
from edgeseq.runtime.inputs import check_count
from edgeseq.runtime.missing import Missing
from edgeseq.runtime.opening import Opening
from edgeseq.runtime.schedule import given, lengths_at_end
from edgeseq.runtime.waiting import Waiting


class Readings:
    """The part of a stream that only looks; ``Stream`` adds what changes it."""

    __slots__ = (
        "_closed",
        "_contract",
        "_device",
        "_feeder",
        "_missing",
        "_out_ports",
        "_ports",
        "_sizes",
        "_timed",
        "_total",
        "_waiting",
    )

    def __init__(self, opening: Opening, room: int | None = None) -> None:
        contract = opening.contract
        self._missing = Missing(opening.on_missing, contract.with_role("frame"), opening.sizes)
        self._feeder = Feeder(opening, room)
        self._contract = contract
        self._device = opening.device
        self._sizes = opening.sizes
        self._ports = contract.with_role("frame")
        self._out_ports = contract.with_role("output")
        self._timed = tuple(port for port in self._out_ports if port.time_axis is not None)
        self._waiting = Waiting(contract)
        self._total: int | None = None
        self._closed = False

    def expect(self, frames: int) -> int | dict[str, int]:
        """How many frames a step of ``frames`` base frames will return; a dict by name for several timed outputs.

        Raises what that step would: StreamEnded after ``flush`` or ``close``, ContextFull.
        """
        self._check_open()
        count = check_count("frames", frames)
        self._check_room(count)
        fed = self._feeder.fed
        before, after = self._given(fed), self._given(fed + self._waiting.ready(count))
        return _one_or_dict({name: after[name] - before[name] for name in after})

    @property
    def contract(self) -> Contract:
        """The contract of the model that is streamed."""
        return self._contract

    @property
    def batch(self) -> int:
        """How many sequences go on in lock-step."""
        return self._sizes["batch"]

    @property
    def frames_in(self) -> int:
        """Base frames taken from the caller, those that wait and those that were missing included."""
        return self._feeder.fed + self._waiting.frames if self._total is None else self._total

    @property
    def frames_out(self) -> int | dict[str, int]:
        """Frames given to the caller; a dict by name for several outputs with a time axis."""
        if self._total is None:
            return _one_or_dict(self._given(self._feeder.fed))
        return _one_or_dict(lengths_at_end(self._contract, self._total))

    @property
    def frames_waiting(self) -> int:
        """Base frames taken that are too few for a call: less than the contract's ``chunk.multiple``."""
        return self._waiting.frames

    @property
    def frames_missing(self) -> int:
        """Base frames that never came, of those in :attr:`frames_in`."""
        return self._missing.count

    @property
    def position(self) -> int:
        """Base frames that the graph has been fed, filler at the end included."""
        return self._feeder.fed

    @property
    def delay(self) -> int:
        """Base frames by which the answers lag, those that wait apart: the contract's look-ahead."""
        return self._contract.delay

    @property
    def ended(self) -> bool:
        """Whether ``flush`` was called since the start or the last ``reset``."""
        return self._total is not None

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    @property
    def state_bytes(self) -> int:
        """Bytes of this stream's state tensors, both sets where a state has two; 0 once it is closed."""
        return self._feeder.state_bytes

    def __repr__(self) -> str:
        inputs, outputs = (", ".join(port.name for port in ports) for ports in (self._ports, self._out_ports))
        counts = {"waiting": self.frames_waiting, "missing": self.frames_missing}
        parts = [f"batch={self._sizes['batch']}", f"delay={self.delay}", f"position={self.position}"]
        parts += [f"{name}={count}" for name, count in counts.items() if count]
        parts += [f"state_bytes={self.state_bytes}", f"device={str(self._device)!r}"]
        parts += ["closed"] if self._closed else ["ended"] if self.ended else []
        return f"Stream({inputs} -> {outputs}, {', '.join(parts)})"

    def _check_not_closed(self) -> None:
        if self._closed:
            raise StreamEnded("the stream is closed", do="open another with model.stream()")

    def _check_open(self) -> None:
        self._check_not_closed()
        self._check_not_broken()
        if self._total is not None:
            raise StreamEnded("the stream has ended", why="flush was called", do="call reset() to start anew")

    def _check_not_broken(self) -> None:
        if self._feeder.broken:
            raise ProviderError(
                "the stream is broken", why="an earlier call failed half-way", do="call reset() to start anew"
            )

    def _check_room(self, taken: int) -> None:
        limit, total = self._feeder.limit, self.frames_in
        if limit is not None and total + taken > limit:
            raise ContextFull(
                "the context is full",
                where=f"position {total}",
                got=f"{taken} more frames",
                wanted=f"at most {limit} in all",
                do=f"{'call reset()' if total else 'give fewer'}, or {self._more_room(limit)}",
            )

    def _more_room(self, limit: int) -> str:
        """What to do about a limit, by who set it."""
        most = self._contract.max_context
        if most == limit:
            return "export the model with a larger max_context or a longer table of positions: the file ends here"
        return f"open a stream with a larger max_context{'' if most is None else f', at most {most}'}"

    def _given(self, fed: int) -> dict[str, int]:
        return {port.name: given(port, fed) for port in self._timed}


def _one_or_dict(counts: dict[str, int]) -> int | dict[str, int]:
    return counts if len(counts) > 1 else next(iter(counts.values()), 0)
