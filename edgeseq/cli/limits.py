"""What ``edgeseq inspect`` is asked to hold a file against: its size, and the memory of a stream."""

from __future__ import annotations

from dataclasses import dataclass

from edgeseq.cli.tables import format_bytes
from edgeseq.contract import Contract
from edgeseq.errors import UsageError


@dataclass(frozen=True)
class Limit:
    """A size against the most that is wanted; ``size_bytes`` None, with the reason, where it cannot be told."""

    name: str
    size_bytes: int | None
    limit_bytes: int
    frames: int | None = None
    why: str | None = None

    @property
    def met(self) -> bool:
        """Whether the size is known and at most the limit."""
        return self.size_bytes is not None and self.size_bytes <= self.limit_bytes

    def __str__(self) -> str:
        size = "size unknown" if self.size_bytes is None else f"{self.size_bytes:,} bytes"
        at = "" if self.frames is None else f" at {self.frames:,} frames"
        why = "" if self.why is None else f": {self.why}"
        return f"{self.name} {size}{at}, at most {self.limit_bytes:,} wanted{why}"


def check_limits(
    contract: Contract, size: int, max_size: int | None, max_state: int | None, at_frames: int | None
) -> list[Limit]:
    """The limits that were asked for. ``size``: bytes of the file and of its data files.

    The state is what edgeseq's runtime holds for one stream after ``at_frames`` base frames, ``max_context`` where not
    given. State that grows without a limit is known only with ``at_frames``. Raises UsageError beyond ``max_context``.
    """
    found = []
    if max_size is not None:
        found.append(Limit("file", size, max_size))
    if max_state is not None:
        found.append(_state(contract, max_state, at_frames))
    elif at_frames is not None:
        raise UsageError("--at-frames says where the state is measured", wanted="--max-state beside it")
    return found


def _state(contract: Contract, most: int, at_frames: int | None) -> Limit:
    from edgeseq.runtime.budget import grows, held_bytes

    if at_frames is not None and contract.max_context is not None and at_frames > contract.max_context:
        raise UsageError(
            "--at-frames lies beyond the model's context", got=at_frames, wanted=f"at most {contract.max_context}"
        )
    growing = any(grows(state) for state in contract.states)
    frames = (at_frames or contract.max_context) if growing else None
    size = held_bytes(contract, frames)
    if size is not None:
        return Limit("state", size, most, frames)
    if growing and frames is None:
        from edgeseq.cli.summary import memory

        each = format_bytes(memory(contract)["per_frame_of_capacity"] or 0)
        return Limit("state", None, most, None, f"it grows by {each} per frame without end; give --at-frames")
    return Limit("state", None, most, frames, "a state has a dynamic axis of its own")
