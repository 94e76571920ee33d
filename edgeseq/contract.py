"""The contract: what a streaming ONNX file promises and how it must be called.

Stored as JSON in the file's ``metadata_props`` under :data:`METADATA_KEY` and specified in ``docs/contract.md``.
Nothing but the standard library is imported, so that every part of edgeseq can share it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, Literal

from edgeseq.structure import Part

METADATA_KEY = "edgeseq.contract"
#: The newest version there is. A contract without a prologue is written as version 1.
VERSION = 2

#: The mode of a file that was made elsewhere: it computes what it computes, and was checked against itself.
ADOPTED = "adopted"

#: What the control input ``remaining`` holds while the end of the stream is not known.
END_UNKNOWN = 2**40

#: The longest ``Length.period``: a list of as many numbers goes with it, and is gone through when a stream opens.
LONGEST_PERIOD = 2**18

#: The least and the greatest frame period in seconds: what lies beyond is a slip of the unit.
PERIODS = (1e-9, 1e9)

Role = Literal["frame", "conditioning", "constant", "control", "output"]
StateKind = Literal["recurrent", "conv", "kv", "position", "delay", "summary"]
Axis = int | str  # ``batch``, ``time`` and ``capacity`` have a meaning; ``4*batch`` is four times the batch


@dataclass(frozen=True)
class Length:
    """Frames that an output has for an input of T base frames: exact for every T, not only for multiples.

    ``T = q * period + r`` gives ``q * frames + at[r]``. ``at[r]`` is None where the model takes no such length.
    """

    period: int = 1
    frames: int = 1
    at: tuple[int | None, ...] = (0,)

    def __call__(self, base_frames: int) -> int | None:
        """Frames of the output for an input of ``base_frames``; None where the model takes no such length."""
        whole, rest = divmod(base_frames, self.period)
        offset = self.at[rest]
        return None if offset is None else max(0, whole * self.frames + offset)

    @property
    def ratio(self) -> Fraction:
        """Frames per base frame."""
        return Fraction(self.frames, self.period)


@dataclass(frozen=True)
class Port:
    """One input or output of the graph that is not a state.

    ``shape`` holds sizes and axis names. ``delay`` and ``length`` count the port's own frames; an output with a time
    axis has both. ``default`` is the value a conditioning input takes when the caller gives none (None: required); a
    constant without one is computed by the prologue.
    ``control`` says what the runtime feeds a control input: ``remaining``, int64[batch], is the number of real base
    frames from the start of this call to the end of the stream, ``END_UNKNOWN`` (2**40) while the end is
    not known.
    """

    name: str
    role: Role
    dtype: str
    shape: tuple[Axis, ...]
    time_axis: int | None = None
    ratio: Fraction = Fraction(1)
    delay: int = 0
    length: Length | None = None
    overlap: int = 0
    default: float | None = None
    control: str | None = None
    unit: str | None = None
    range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Initial:
    """The value of a state before its first real frame.

    ``zeros``; ``fill`` with ``value``; ``data``: ``base64`` of the little-endian values in ``shape``, repeated along
    every axis where ``shape`` is 1 and the state is not; ``conditioning``: the array given for ``port``, or its part
    ``[index : index + 1]`` along the first axis, with axes of size 1 added or dropped to have the state's shape;
    ``prologue``: the same of what the prologue computes for the constant ``port``.
    """

    kind: Literal["zeros", "fill", "data", "conditioning", "prologue"] = "zeros"
    value: float | None = None
    shape: tuple[int, ...] | None = None
    base64: str | None = None
    port: str | None = None
    index: int | None = None


@dataclass(frozen=True)
class State:
    """A tensor carried from call to call: the graph's ``output`` becomes its ``input`` of the next call.

    ``start``: when the stream has taken exactly this many base frames, ``initial`` is written back; no call may
    straddle that count. ``in_place``: both ends may be bound to one buffer. ``ratio``: entries per base frame along
    the ``capacity`` axis of a ``kv`` state.
    """

    name: str
    input: str
    output: str
    kind: StateKind
    dtype: str
    shape: tuple[Axis, ...]
    initial: Initial = Initial()
    start: int = 0
    in_place: bool = False
    ratio: Fraction = Fraction(1)


@dataclass(frozen=True)
class Prologue:
    """A second graph, run once per stream: conditioning in, values of constants out.

    ``file`` is the bare name of a file in the model's folder, ``digest`` what it must have. ``inputs`` are conditioning
    ports and ``outputs`` constant ports, in the order of that graph.
    """

    file: str
    digest: str | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Chunk:
    """How many base frames a call may hold: a positive multiple of ``multiple``, at most ``max``.

    ``max_batched`` is the most when the batch is larger than one. None: no limit.
    """

    multiple: int = 1
    max: int | None = None
    max_batched: int | None = None


@dataclass(frozen=True)
class Machine:
    """A machine as far as session settings depend on it; ``cores`` are those that a process may run on."""

    cpu: str
    architecture: str
    cores: int


@dataclass(frozen=True)
class Session:
    """How the file is best opened on one machine, as measured there.

    ``spinning``: waiting threads keep their cores busy. ``minimized`` is what was to be least, ``measured`` what was
    found, for information.
    """

    threads: int
    spinning: bool
    machine: Machine
    onnxruntime: str
    minimized: str
    measured: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contract:
    """Everything a runtime must know about a streaming ONNX file.

    ``delay`` is in base frames: the largest of the outputs' delays. ``receptive_field`` counts base frames,
    None: unlimited. ``max_context``: base frames after which the stream is full, None: never.
    ``frame_period`` is in seconds. ``rules``: where the streaming rules of other packages come from, by op.
    ``modules``: the model, then every module inside it in the order of the calls; empty where they are not known.
    ``session``: how to open the file on one machine; None where it was tuned on none.
    """

    ports: tuple[Port, ...]
    states: tuple[State, ...]
    prologue: Prologue | None = None
    chunk: Chunk = Chunk()
    delay: int = 0
    min_frames: int = 1
    receptive_field: int | None = None
    max_context: int | None = None
    frame_period: float | None = None
    mode: Mapping[str, Any] = field(default_factory=lambda: {"name": "exact"})
    opset: Mapping[str, int] = field(default_factory=dict)
    onnxruntime: str = ">=1.22"
    quantization: Mapping[str, Any] | None = None
    verification: Mapping[str, Any] | None = None
    digest: str | None = None
    seal: str | None = None
    rules: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[Part, ...] = ()
    session: Session | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def with_role(self, role: Role) -> tuple[Port, ...]:
        """Ports of one role, in graph order."""
        return tuple(port for port in self.ports if port.role == role)

    def port(self, name: str) -> Port:
        """The port of this name; KeyError where there is none."""
        for port in self.ports:
            if port.name == name:
                return port
        raise KeyError(name)

    @property
    def whole_sequences(self) -> bool:
        """True where a call is a whole sequence of its own: nothing can be streamed."""
        return self.mode.get("name") == "sequence"

    def to_json(self, indent: int | None = None) -> str:
        """The contract as JSON text, keys in declaration order, so that equal contracts give equal bytes."""
        document = {"format": METADATA_KEY, "version": 1 if self.prologue is None else 2, **plain(self)}
        return json.dumps(document, indent=indent, ensure_ascii=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, where: str = "contract") -> Contract:
        """Read a contract; ContractError names the first field that is missing or wrong. Unknown fields are ignored."""
        from edgeseq.contract_reading import read_contract

        return read_contract(text, where)


def axis_parts(axis: str) -> tuple[int, str]:
    """``"4*batch"`` as ``(4, "batch")``, ``"batch"`` as ``(1, "batch")``."""
    times, star, name = axis.rpartition("*")
    return (int(times) if star else 1), name


def resolve_shape(shape: tuple[Axis, ...], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape with its named axes replaced by their sizes; KeyError names an axis that ``sizes`` lacks."""
    resolved = []
    for axis in shape:
        if isinstance(axis, int):
            resolved.append(axis)
        else:
            times, name = axis_parts(axis)
            resolved.append(times * sizes[name])
    return tuple(resolved)


def plain(value: Any) -> Any:
    """A value of a contract as JSON has it: objects, lists, texts and numbers."""
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    return value
