"""Input specs: the words a user writes to say what goes into a model. Written down in ``docs/inputs.md``.

``x=float32[batch,time,64]`` is an input named ``x``. ``batch`` and ``time`` are the two axes with a meaning, any other
word is a dynamic axis, a number is a fixed size; an input without ``time`` is conditioning. ``4*time`` is an axis with
four frames for each of ``time``. ``state.0=...`` names the first element of an argument ``state`` that is a tuple.
Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgeseq.contract import axis_parts, resolve_shape
from edgeseq.errors import UsageError

DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")
EXAMPLE = "x=float32[batch,time,64]"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+))*")
_SPEC = re.compile(r"\s*(?P<dtype>[^\[\]\s]*)\s*\[(?P<axes>[^\[\]]*)\]\s*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIZE = re.compile(r"[0-9]{1,10}", re.ASCII)
_MULTIPLE = re.compile(r"(?P<times>[0-9]{1,4})\s*\*\s*time", re.ASCII)
_LARGEST = 2**31 - 1
#: Words that the contract gives another meaning.
_TAKEN = ("capacity",)

_PARTS = "take float32[...,2], the real and the imaginary part, and join them with torch.view_as_complex"
_DO = {
    "bfloat16": "write float32: a bfloat16 model is computed in float32",
    "complex64": _PARTS,
    "complex128": _PARTS,
}


@dataclass(frozen=True)
class InputSpec:
    """The dtype and shape of one input; ``shape`` holds sizes and axis names. ``str`` gives the text back."""

    dtype: str
    shape: tuple[int | str, ...]

    @property
    def time_axis(self) -> int | None:
        """Where ``time``, or a multiple of it, stands in the shape; None for conditioning."""
        return next((i for i, axis in enumerate(self.shape) if _word(axis) == "time"), None)

    @property
    def batch_axis(self) -> int | None:
        """Where ``batch`` stands in the shape; None where the input has none."""
        return self.shape.index("batch") if "batch" in self.shape else None

    @property
    def ratio(self) -> int:
        """Frames for each base frame: 4 for ``4*time``."""
        axis = None if self.time_axis is None else self.shape[self.time_axis]
        return axis_parts(axis)[0] if isinstance(axis, str) else 1

    @property
    def words(self) -> frozenset[str]:
        """The axis names, ``batch`` and ``time`` among them."""
        return frozenset(_word(axis) for axis in self.shape) - {""}

    def sizes(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape with every word replaced by its size; KeyError names a word that ``sizes`` lacks."""
        return resolve_shape(self.shape, sizes)

    def described(self, untimed: str = "no time axis: given once per stream") -> str:
        """The spec told in words, to be compared with what was meant: ``float32, batch x time x 64, frames ...``.

        ``untimed`` says what it means that there is no time axis.
        """
        shape = " x ".join(map(str, self.shape)) or "a single value"
        axis = self.time_axis
        if axis is None:
            return f"{self.dtype}, {shape}, {untimed}"
        text = f"{self.dtype}, {shape}, frames along axis {axis}"
        if self.ratio > 1:
            text += f", {self.ratio} of them for each of time"
        return text if self.batch_axis is not None else f"{text}, no batch axis: one stream at a time"

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


def _word(axis: int | str) -> str:
    return axis_parts(axis)[1] if isinstance(axis, str) else ""


def parse_spec(text: str) -> InputSpec:
    """The InputSpec that ``float32[batch,time,64]`` spells; UsageError says what is wrong with any other text."""
    match = _SPEC.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise _wrong("cannot read an input spec", got=text, wanted="a dtype and axes in brackets", name=False)
    dtype, whole = match["dtype"], text.strip()
    if dtype not in DTYPES:
        do = _DO.get(dtype)
        raise _wrong(f"unknown dtype in {whole!r}", got=dtype, wanted=f"one of {', '.join(DTYPES)}", name=False, do=do)
    axes = match["axes"].split(",") if match["axes"].strip() else []
    spec = InputSpec(dtype=dtype, shape=tuple(_axis(word.strip(), whole) for word in axes))
    words = [_word(axis) for axis in spec.shape]
    for word in ("batch", "time"):
        if words.count(word) > 1:
            raise _wrong(f"axis '{word}' stands twice in {whole!r}", got=words.count(word), wanted="once", name=False)
    return spec


def parse_input(text: str) -> tuple[str, InputSpec]:
    """The name and InputSpec of ``x=float32[batch,time,64]``; UsageError says what is wrong with any other text."""
    if not isinstance(text, str) or "=" not in text:
        raise _wrong("cannot read an input", got=text, wanted="NAME=DTYPE[AXES]")
    name, _, spec = text.partition("=")
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise _wrong(f"bad input name in {text.strip()!r}", got=name, wanted="an argument's name such as x or state.0")
    return name, parse_spec(spec)


def _axis(word: str, text: str) -> int | str:
    if word in _TAKEN:
        raise _wrong(
            f"bad axis in {text!r}", got=word, wanted="another word: this one is the room of a cache", name=False
        )
    if _WORD.fullmatch(word):
        return word
    if _SIZE.fullmatch(word) and 1 <= int(word) <= _LARGEST:
        return int(word)
    multiple = _MULTIPLE.fullmatch(word)
    if multiple is not None and int(multiple["times"]) > 0:
        return "time" if int(multiple["times"]) == 1 else f"{int(multiple['times'])}*time"
    wanted = "a size from 1, a word, or a multiple of time such as 4*time"
    raise _wrong(f"bad axis in {text!r}", got=word, wanted=wanted, name=False)


def _wrong(what: str, *, got: object, wanted: str, name: bool = True, do: str | None = None) -> UsageError:
    example = EXAMPLE if name else EXAMPLE.partition("=")[2]
    return UsageError(
        what, got=got if isinstance(got, int) else repr(got), wanted=wanted, do=do or f"example: {example}"
    )


def nest_inputs(inputs: Iterable[tuple[str, InputSpec]]) -> dict[str, Any]:
    """Inputs by argument name, as ``export`` takes them: spec texts, with dotted names turned into tuples and dicts.

    ``state.0`` and ``state.1`` become ``{"state": (text, text)}``; ``bag.audio`` becomes ``{"bag": {"audio": text}}``.
    """
    nested: dict[str, Any] = {}
    for name, spec in inputs:
        *path, last = name.split(".")
        place = nested
        for word in path:
            place = place.setdefault(word, {})
            if not isinstance(place, dict):
                raise UsageError(f"input {name!r} lies inside another input", got=name, wanted="one or the other")
        if last in place:
            raise UsageError(f"input {name!r} stands twice", wanted="every input once")
        place[last] = str(spec)
    return {name: _tuples(name, value) for name, value in nested.items()}


def _tuples(name: str, value: Any) -> Any:
    """``value`` with every dict whose keys are 0, 1, ... turned into a tuple."""
    if not isinstance(value, dict):
        return value
    inner = {key: _tuples(f"{name}.{key}", item) for key, item in value.items()}
    if not any(key.isdigit() for key in inner):
        return inner
    wanted = [str(index) for index in range(len(inner))]
    if sorted(inner) != sorted(wanted):
        raise UsageError(
            f"elements of input {name!r} have gaps", got=", ".join(inner), wanted=f"{', '.join(wanted)}, each once"
        )
    return tuple(inner[index] for index in wanted)
