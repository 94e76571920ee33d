"""What a user may ask for: one frozen config per kind, and the scheme that it gives to one matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from edgeseq.errors import UsageError

#: How a product is computed. ``blocks``: MatMulNBits, weights in groups along the input; ``rows``: MatMulInteger, the
#: activations of every row scaled by that row's maximum; ``fixed``: MatMulInteger, one scale found by calibration;
#: ``half``: weights kept as float16, computed in float32.
KernelName: TypeAlias = Literal["blocks", "rows", "fixed", "half"]
Rounding: TypeAlias = Literal["nearest", "calibrated"]
#: Group sizes that onnxruntime's MatMulNBits and GatherBlockQuantized take.
GROUPS = (16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Scheme:
    """How one matrix is stored and multiplied: ``bits`` per weight, one scale per ``group`` inputs (0: per output)."""

    kernel: KernelName
    bits: int
    group: int = 0
    rounding: Rounding = "nearest"

    def __str__(self) -> str:
        group = f", groups of {self.group}" if self.group else ""
        rounding = ", calibrated" if self.rounding == "calibrated" else ""
        return f"{'float16' if self.kernel == 'half' else f'int{self.bits}'} ({self.kernel}{group}{rounding})"


@dataclass(frozen=True, kw_only=True)
class Common:
    """What every kind shares. ``only`` and ``keep`` are patterns of node names, as ``inspect`` shows them.

    A node is quantized where one of ``only`` matches and none of ``keep``. ``one_frame``: calls hold the fewest frames,
    the runtime splits longer ones; recurrent layers then need no loop in the graph and are faster. None: where there
    are recurrent layers and it can be. ``cache``: ``int8`` stores the keys
    and values of attention in 8 bits, where its cache is onnxruntime's.
    """

    kind: ClassVar[str]
    only: tuple[str, ...] = ("*",)
    keep: tuple[str, ...] = ()
    one_frame: bool | None = None
    cache: Literal["float32", "int8"] = "float32"

    def __post_init__(self) -> None:
        for name in ("only", "keep"):
            patterns = getattr(self, name)
            if not isinstance(patterns, tuple) or not all(isinstance(pattern, str) for pattern in patterns):
                raise UsageError(f"{name} is no tuple of patterns", got=repr(patterns), wanted="such as ('decoder.*',)")
        if self.one_frame not in (None, True, False):
            raise UsageError("one_frame is none of its values", got=repr(self.one_frame), wanted="True, False or None")
        if self.cache not in ("float32", "int8"):
            raise UsageError("unknown precision of a cache", got=repr(self.cache), wanted="float32 or int8")


@dataclass(frozen=True, kw_only=True)
class Int8Dynamic(Common):
    """Weights and activations in 8 bits, activations scaled while the model runs, each row (one frame) by itself.

    ``kernel``: ``rows`` has one scale per output of a matrix and is fastest for many rows, ``blocks`` one per ``group``
    inputs and is fastest for one; ``auto`` measures which is faster here for ``batch`` rows.
    """

    kind = "int8-dynamic"
    kernel: Literal["auto", "rows", "blocks"] = "auto"
    group: int = 128
    batch: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_group(self.group)
        if self.kernel not in ("auto", "rows", "blocks"):
            raise UsageError("unknown kernel", got=repr(self.kernel), wanted="auto, rows or blocks")
        if type(self.batch) is not int or self.batch < 1:
            raise UsageError("batch out of range", got=repr(self.batch), wanted="a whole number from 1")


@dataclass(frozen=True, kw_only=True)
class Int8Static(Common):
    """Weights and activations in 8 bits, one scale per tensor, found on streams: it needs calibration."""

    kind = "int8-static"


@dataclass(frozen=True, kw_only=True)
class Int8Weights(Common):
    """Weights in 8 bits, one scale per ``group`` inputs of every output."""

    kind = "int8-weights"
    group: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_group(self.group)


@dataclass(frozen=True, kw_only=True)
class Int4Weights(Common):
    """Weights in 4 bits, one scale per ``group`` inputs of every output.

    ``rounding="calibrated"`` rounds so that the outputs stay near on streams (GPTQ); ``nearest`` rounds each weight by
    itself.
    """

    kind = "int4-weights"
    group: int = 128
    rounding: Rounding = "calibrated"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_group(self.group)
        if self.rounding not in ("nearest", "calibrated"):
            raise UsageError("unknown rounding", got=repr(self.rounding), wanted="nearest or calibrated")


@dataclass(frozen=True, kw_only=True)
class Float16(Common):
    """Weights stored in 16 bits and computed in float32: half the file, no faster step on a CPU."""

    kind = "fp16"


Config: TypeAlias = Int8Dynamic | Int8Static | Int8Weights | Int4Weights | Float16

KINDS: Mapping[str, type[Config]] = {
    config.kind: config for config in (Int8Dynamic, Int8Static, Int8Weights, Int4Weights, Float16)
}


def _check_group(group: object) -> None:
    if group not in GROUPS:
        raise UsageError("group out of range", got=repr(group), wanted=f"one of {', '.join(map(str, GROUPS))}")


def parse_kind(text: str) -> Config:
    """The config that a word such as ``int8-dynamic`` stands for, with its defaults; UsageError for another word."""
    if text not in KINDS:
        raise UsageError("unknown kind of quantization", got=repr(text), wanted=f"one of {', '.join(KINDS)}")
    return KINDS[text]()
