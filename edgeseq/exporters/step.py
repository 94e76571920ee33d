"""What a streaming rule may ask for while a captured graph is replayed on one chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeVar

import sympy
import torch

from edgeseq.contract import Axis, Initial, Length, State, StateKind
from edgeseq.exporters.alignment import length_of
from edgeseq.exporters.call import Call
from edgeseq.exporters.capture import Captured
from edgeseq.exporters.facts import Timed
from edgeseq.exporters.initials import described
from edgeseq.exporters.origin import module_path
from edgeseq.exporters.plan import Carried, Plan, initial_of
from edgeseq.exporters.symbols import Size, mentions

_PLANNED_CAPACITY = 16
Kept = TypeVar("Kept")
_aten = torch.ops.aten
_SAME_VALUES = frozenset(
    [
        _aten.view.default,
        _aten.transpose.int,
        _aten.permute.default,
        _aten.slice.Tensor,
        _aten.unsqueeze.default,
        _aten._to_copy.default,
        _aten.t.default,
        _aten.select.int,
        _aten.flip.default,
    ]
)


class Step(Call):
    """One call of the step: hands out states, constants, positions, and the ends of the stream.

    While ``planning`` it runs on real tensors and writes the plan; while a step graph is traced it reads the plan.
    Every public name is explained in ``docs/rules.md``.
    """

    def __init__(
        self,
        captured: Captured,
        plan: Plan,
        *,
        planning: bool,
        batch: Any,
        chunk: Any,
        values: dict[str, torch.Tensor],
        constants: Callable[[str], torch.Tensor],
        axes: dict[sympy.Symbol, Any],
        device: torch.device,
        ops: str,
    ) -> None:
        super().__init__(captured, batch=batch, chunk=chunk, axes=axes, device=device)
        self.plan = plan
        self.planning = planning
        self.ops = ops
        self.carried: dict[str, Carried] = {}
        self.found: Mapping[torch.fx.Node, Any] = {}
        self._values = values
        self._constants = constants
        self._memo: dict[Any, Any] = {}
        #: What ``rules/weighted.py`` keeps for the sums in which a softmax over time ends.
        self.weighed: dict[torch.fx.Node, Any] = {}
        self._asked: Counter[tuple[str, str]] = Counter()

    @property
    def flushes(self) -> bool:
        """True where the runtime feeds frames past the last real one, so that what must not see them masks them."""
        return self.plan.flushes

    @property
    def multiple(self) -> int:
        """Base frames of which every call holds a whole multiple."""
        return self.plan.multiple

    # -- states and constants ------------------------------------------------------------------------------------

    def state(
        self,
        suffix: str,
        *,
        kind: StateKind,
        shape: Sequence[Size | str],
        dtype: torch.dtype,
        start: int = 0,
        initial: torch.Tensor | Initial | None = None,
        in_place: bool = False,
        ratio: Fraction = Fraction(1),
    ) -> Carried:
        """A state of the current node. ``initial`` may have size 1 where the state's size depends on the batch."""
        assert self.node is not None
        key = (self.node.name, self._numbered(suffix))
        if self.planning:
            name = self._state_name(suffix)
            self.plan.keys[key] = name
            axes = tuple(self._axis(size) for size in shape)
            if isinstance(initial, torch.Tensor):
                initial = initial.to(dtype)
            self.plan.states[name] = State(
                name=name,
                input=name,
                output=f"{name}.next",
                kind=kind,
                dtype=str(dtype).removeprefix("torch."),
                shape=axes,
                initial=initial if isinstance(initial, Initial) else initial_of(self._same_rows(initial, shape)),
                start=start,
                in_place=in_place,
                ratio=ratio,
            )
            sizes = [_PLANNED_CAPACITY if isinstance(size, str) else self.size(size) for size in shape]
            self._values[name] = torch.zeros(sizes, dtype=dtype, device=self.device)
        name = self.plan.keys[key]
        self.carried[name] = Carried(self._values[name])
        return self.carried[name]

    def initial_of(self, node: torch.fx.Node, part: int | None = None) -> Initial:
        """What a state holds at first: the value of a conditioned node, or one entry of its first axis.

        Where it is neither an input nor what the prologue computes already, the prologue is asked to compute it.
        """
        found = described(self.captured, self.plan.split.names, node, part)
        if found is None and node.name not in self.plan.split.possible:
            raise self.refuse(
                "its initial state depends on an input and on the batch, which that input does not show",
                "give the input a batch axis",
            )
        if found is None:
            self.plan.asked.add(node.name)
        return found or Initial()

    def _same_rows(self, value: torch.Tensor | None, shape: Sequence[Size | str]) -> torch.Tensor | None:
        """The value with size 1 along axes that depend on the batch, along which it must not vary."""
        if value is None:
            return None
        for axis, size in enumerate(shape):
            if mentions(size, self.captured.batch) and value.shape[axis] > 1:
                first = value.narrow(axis, 0, 1)
                if not bool((value == first).all()):
                    raise self.refuse(
                        "what a state holds at first differs along an axis that batch shares with another",
                        "keep batch in an axis of its own",
                    )
                value = first
        return value

    def _numbered(self, suffix: str) -> str:
        assert self.node is not None
        count = self._asked[self.node.name, suffix] = self._asked[self.node.name, suffix] + 1
        return f"{suffix}{count}" if count > 1 else suffix

    def _state_name(self, suffix: str) -> str:
        base = self._label(suffix)
        name, count = base, 1
        while name in self.plan.states:
            count += 1
            name = f"{base}{count}"
        return name

    def _label(self, suffix: str) -> str:
        """``encoder.conv1.history``: the module that the current node comes from, and a word."""
        assert self.node is not None
        path = module_path(self.node) or self.node.name
        return f"{path}.{suffix}"

    def _axis(self, size: Size | str) -> Axis:
        if isinstance(size, (int, str)):
            return size
        if isinstance(size, sympy.Symbol) and size in self.captured.axes:
            return self.captured.axes[size]
        times, symbol = size.as_coeff_Mul()
        if times.is_Integer and symbol in self.captured.axes:
            return f"{int(times)}*{self.captured.axes[symbol]}"
        raise self.refuse(f"a state would have an axis of size {size}", "keep batch and time in axes of their own")

    def constant(self, suffix: str, value: torch.Tensor | None) -> torch.Tensor:
        """A tensor known at export; ``value`` is only read while planning."""
        assert self.node is not None
        key = f"made.{self.node.name}.{self._numbered(suffix)}"
        if self.planning:
            assert value is not None
            self.plan.constants[key] = value.detach().contiguous()
            return self.plan.constants[key]
        return self._constants(key)

    def weight(self, name: str, value: Any) -> Any:
        """A captured parameter, buffer or folded constant as the step graph holds it."""
        if not isinstance(value, torch.Tensor):
            return value
        known = self.captured.names.get(name)
        key = f"folded.{name}" if known is None else f"model.{known}"
        if self.planning:
            self.plan.constants[key] = value
            return value
        return self._constants(key)

    def folded(self, node: torch.fx.Node, compute: Callable[[], Any]) -> Any:
        """The value of a node that depends on constants only; computed while planning."""
        if self.planning and node.name not in self.plan.folded:
            self.plan.folded[node.name] = compute()
        return self.plan.folded[node.name]

    def once(self, key: Any, compute: Callable[[], Kept]) -> Kept:
        """A value that several nodes of this call share, computed at its first use."""
        if key not in self._memo:
            self._memo[key] = compute()
        kept: Kept = self._memo[key]
        return kept

    # -- both ends of the stream -----------------------------------------------------------------------------------

    def start_of(self, fact: Timed) -> int | None:
        """Base frames after which the value's first streamed frame is real; None where no call ends just there."""
        start = Fraction(fact.delay + fact.head_frames) / fact.ratio
        whole = start.denominator == 1 and start % self.plan.multiple == 0
        return int(start) if whole else None

    def position(self, start: int = 0) -> torch.Tensor:
        """Base frames taken since ``start``, before this call: int64[batch], a row per stream."""
        name = _position_name(start)
        if name not in self.carried:
            if self.planning:
                shape: tuple[Axis, ...] = ("batch",) if self.captured.batch is not None else (1,)
                self.plan.states[name] = State(name, name, f"{name}.next", "position", "int64", shape, start=start)
                rows = self.batch if self.captured.batch is not None else 1
                self._values[name] = torch.zeros(rows, dtype=torch.int64, device=self.device)
            value = self._values[name]
            self.carried[name] = Carried(value, value + self.chunk)
        return self.carried[name].value

    def places(self, ratio: Fraction, frames: Any, start: int = 0) -> torch.Tensor:
        """Places of this call's frames in their stream since ``start``: int64[batch, frames]."""
        key = ("places", ratio, start)
        if key not in self._memo:
            first = self._first_place(self.position(start), ratio)
            self._memo[key] = first[:, None] + torch.arange(frames, device=self.device)
        places: torch.Tensor = self._memo[key]
        return places

    def _first_place(self, position: torch.Tensor, ratio: Fraction) -> torch.Tensor:
        return position if ratio == 1 else torch.floor_divide(position * ratio.numerator, ratio.denominator)

    def newest(self, ratio: Fraction, frames: Any, start: int = 0) -> torch.Tensor:
        """The place of the last of this call's frames: int64[batch]."""
        first = self.position(start)
        after = self.carried[_position_name(start)].next
        assert after is not None
        newest: torch.Tensor = after - 1 if ratio == 1 else self._first_place(first, ratio) + (frames - 1)
        return newest

    def own_places(self, fact: Timed) -> torch.Tensor:
        """Places of this call's frames: ``[batch, frames]``, or ``[frames]`` without a batch."""
        places = self.places(fact.ratio, self.frames_of(fact))
        return places if self.has_rows else places[0]

    def remaining(self) -> torch.Tensor:
        """Real base frames from the start of this call to the end of the stream: int64[batch], may be negative."""
        self.plan.uses_remaining = True
        return self._values["remaining"]

    def real_frames(self, fact: Timed) -> torch.Tensor:
        """How many of this call's places come before the end of the value: int64[batch], may be out of range."""
        key = ("real", fact.length, fact.delay)
        if key not in self._memo:
            self._memo[key] = length_of(fact.length, self.remaining(), fact.delay)
        real_frames: torch.Tensor = self._memo[key]
        return real_frames

    def before_end(self, fact: Timed, frames: Any) -> torch.Tensor:
        """True at the places before the end of the value: bool[batch, frames]."""
        return torch.arange(frames, device=self.device) < self.real_frames(fact)[:, None]

    def at_most(self, counts: torch.Tensor, most: Any) -> torch.Tensor:
        """``counts`` bounded by a size of this call, which a plain ``clamp`` would freeze in the traced graph."""
        return torch.minimum(counts, torch.scalar_tensor(most, dtype=counts.dtype, device=self.device))

    def count(self, length: Length) -> torch.Tensor:
        """Frames that ``length`` gives for the base frames so far: int64[batch]."""
        now = self.at_most(self.remaining(), self.chunk) if self.plan.flushes else self.chunk
        seen = self.position() + now
        return length_of(length, seen)

    def within(self, places: torch.Tensor, rows: int) -> torch.Tensor:
        """Places as indices of a table: where frames past the end are fed, theirs stop at its last row."""
        return places.clamp(max=rows - 1) if self.plan.flushes else places

    def indexes(self, argument: int, rows: int) -> None:
        """Note that an argument of the current node indexes ``rows`` rows, if it is an input as it was given."""
        assert self.node is not None
        given = self.node.args[argument]
        source = input_behind(given[-1] if isinstance(given, (list, tuple)) else given)
        if source is not None:
            self.plan.ranges[source] = min(rows, self.plan.ranges.get(source, rows))

    def limit(self, length: Length, entries: int) -> None:
        """Bound the context by a table of ``entries`` rows that is read at every frame of ``length``."""
        most = entries * length.period // length.frames + length.period
        while most > 0 and not 0 <= (length(most) or 0) <= entries:
            most -= 1
        self.plan.max_context = min(most, self.plan.max_context or most)


def _position_name(start: int) -> str:
    return "position" if start == 0 else f"position@{start}"


def input_behind(source: Any) -> str | None:
    """The placeholder whose values a node has untouched; None where there is none such."""
    while isinstance(source, torch.fx.Node) and source.op == "call_function" and source.target in _SAME_VALUES:
        source = source.args[0]
    return source.name if isinstance(source, torch.fx.Node) and source.op == "placeholder" else None
