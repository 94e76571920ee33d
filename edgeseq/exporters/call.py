"""One call of the step as its sizes show it: how large a value is now, where its rows are, where the user wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy
import torch

from edgeseq.contract import Length
from edgeseq.errors import NotStreamable
from edgeseq.exporters.capture import Captured
from edgeseq.exporters.facts import Fact, Head, Pairs, Timed
from edgeseq.exporters.origin import module_path, op_name, source_line
from edgeseq.exporters.symbols import Shape, Size, evaluate, mentions


class Call:
    """What is known of one call without its states: sizes, rows, and the node that is replayed.

    ``batch`` and ``chunk`` (base frames) are numbers while planning and symbols while a step graph is traced.
    """

    def __init__(
        self, captured: Captured, *, batch: Any, chunk: Any, axes: dict[sympy.Symbol, Any], device: torch.device
    ) -> None:
        self.captured = captured
        self.batch = batch
        self.chunk = chunk
        self.device = device
        self.node: torch.fx.Node | None = None
        self._axes = axes

    # -- sizes ---------------------------------------------------------------------------------------------------

    def size(self, size: Size, batch: Any = None) -> Any:
        """A size that does not depend on time, in this call."""
        if isinstance(size, int):
            return size
        values = dict(self._axes)
        if self.captured.batch is not None:
            values[self.captured.batch] = self.batch if batch is None else batch
        return evaluate(size, values)

    def sizes(self, fact: Fact, frames: Any, rows: Any = None, batch: Any = None) -> list[Any]:
        """The sizes that a value of this fact has with ``frames`` frames; ``rows`` puts a row axis in front."""
        shape = fact.shape  # type: ignore[union-attr]
        found = [] if rows is None else [rows]
        for axis, size in enumerate(shape):
            if isinstance(fact, Timed) and axis == fact.axis:
                found.append(self.size(fact.outer, batch) * frames * self.size(fact.inner, batch))
            else:
                found.append(self.size(size, batch))
        return found

    def frames_of(self, fact: Timed | Pairs) -> Any:
        """Frames that a value of this fact has in this call."""
        return self.frames_at(fact.ratio)

    def frames_at(self, ratio: Fraction) -> Any:
        """Frames in this call of a value with so many per base frame."""
        return self.chunk if ratio == 1 else self.chunk * ratio.numerator // ratio.denominator

    def head_sizes(self, fact: Timed, frames: int) -> list[int]:
        """As :meth:`sizes` for a head, whose batch is one."""
        return self.sizes(fact, frames, batch=1)

    def on_head(
        self,
        fact: Timed,
        head: Head | None,
        run: Callable[[torch.Tensor, int], torch.Tensor],
        frames: int | None = None,
    ) -> Timed:
        """The fact with the head that ``run`` makes of ``head``; it has ``frames`` frames, by default as many."""
        if head is None:
            return fact.with_(head=None)
        count = head.frames if frames is None else frames
        if count == 0:
            return fact.with_(head=None)
        return fact.with_(head=Head(count, run(head.value, count) if head.value is not None else None))

    def length(self, size: Size) -> Length | None:
        """The frames that a captured size means for every input length; None where it does not grow evenly."""
        return self.captured.length(size)

    def batch_axis(self, shape: Shape) -> int | None:
        """The axis that is the batch and nothing else."""
        return shape.index(self.captured.batch) if self.captured.batch in shape else None

    def mentions_batch(self, shape: Shape) -> bool:
        """True where some axis depends on the batch."""
        return any(mentions(size, self.captured.batch) for size in shape)

    def is_output(self, node: torch.fx.Node | None) -> bool:
        """True when the model returns this node's value."""
        return any(output is node for _, output in self.captured.outputs)

    # -- rows ------------------------------------------------------------------------------------------------------

    @property
    def has_rows(self) -> bool:
        """True where streams are batched, so that each row has a position of its own."""
        return self.captured.batch is not None

    def with_rows(self, fact: Timed, shape: Shape) -> Shape:
        """The shape with a row axis in front where the value has one."""
        rows = self.captured.batch if self.captured.batch is not None else 1
        return (rows, *shape) if fact.rowed else shape

    def over_rows(self, mask: torch.Tensor, fact: Timed) -> torch.Tensor:
        """``[batch, frames]`` so shaped that it broadcasts against an unfolded value of this fact."""
        batch = self.batch_axis(fact.shape)
        shape: list[Any] = [1] * len(fact.shape)
        if fact.rowed:
            shape[fact.axis] = mask.shape[1]
            return mask.reshape([mask.shape[0], *shape])
        if batch is None:
            shape[fact.axis] = mask.shape[1]
            return mask[0].reshape(shape)
        shape[fact.axis], shape[batch] = mask.shape[1], mask.shape[0]
        return (mask if batch < fact.axis else mask.t()).reshape(shape)

    def rows_into(self, rows: torch.Tensor, fact: Timed) -> torch.Tensor:
        """``[batch, frames, ...]``, whose other axes are the value's with the batch at one, in the value's order."""
        ordered = rows.movedim(1, fact.axis + 1)
        if fact.rowed:
            return ordered
        batch = self.batch_axis(fact.shape)
        return ordered[0] if batch is None else ordered.squeeze(batch + 1).movedim(0, batch)

    def over_batch(self, rows: torch.Tensor, shape: Shape) -> torch.Tensor:
        """``[batch]`` so shaped that it broadcasts against a value of this shape that has no time."""
        batch = self.batch_axis(shape)
        if batch is None:
            return rows[0]
        return rows.reshape([-1 if axis == batch else 1 for axis in range(len(shape))])

    # -- refusing --------------------------------------------------------------------------------------------------

    def refuse(self, why: str, do: str) -> NotStreamable:
        """NotStreamable for the current node: op, module path, source line, reason, remedy."""
        assert self.node is not None
        path = module_path(self.node)
        place = ", ".join(part for part in (source_line(self.node), "axis time") if part)
        return NotStreamable(
            f"cannot stream {op_name(self.node)}",
            where=f"{path or 'the model itself'} ({place})",
            why=self.worded(why),
            do=do,
        )

    def worded(self, text: str) -> str:
        """The text with the capture's symbols replaced by the names of their axes: ``time + 2`` for ``s27 + 2``."""
        for symbol, axis in self.captured.axes.items():
            text = re.sub(rf"\b{symbol}\b", axis, text)
        return text

    def refuse_random(self) -> NotStreamable:
        """NotStreamable for an op that draws random numbers."""
        return self.refuse("it draws random numbers", "draw them outside the model and pass them in")
