"""Fourier transforms over an axis of fixed size: products with constant matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from edgeseq.exporters.complex_pairs import Form, Pair
from edgeseq.exporters.emitter import Emitter
from edgeseq.exporters.waves import inverse_waves, waves

aten = torch.ops.aten
_SCALES: dict[str | None, Callable[[int], float]] = {
    None: lambda n: 1.0,
    "backward": lambda n: 1.0,
    "ortho": lambda n: 1 / math.sqrt(n),
    "forward": lambda n: 1 / n,
}


def _inverse_scale(norm: str | None, n: int) -> float:
    """What the inverse is multiplied by beside its ``1 / n``."""
    return {None: 1.0, "backward": 1.0, "ortho": math.sqrt(n), "forward": float(n)}[norm]


def _transformed(node: torch.fx.Node) -> list[Any]:
    """The sizes that a call asks for, as ``n=2 * time`` does, where they are not plain numbers."""
    return [source.meta["val"] for source in node.all_input_nodes if isinstance(source.meta.get("val"), torch.SymInt)]


def _size(emit: Emitter, x: Any, dim: int) -> int:
    """The size of the axis; refused where it is time, or of no fixed size."""
    size = x.meta["val"].shape[dim]
    if emit.along_time(size) or any(emit.along_time(whole) for whole in _transformed(emit.node)):
        raise emit.refuse(
            "a Fourier transform along time needs the whole sequence before its first frame",
            "use torch.stft; where it computes a long convolution, as in S4, export the layer's recurrent form",
        )
    if isinstance(size, torch.SymInt):
        raise emit.refuse("it transforms an axis that has no fixed size", "write the size in the input spec")
    return int(size)


def _last(emit: Emitter, x: Any, dim: int) -> Any:
    """The value with axis ``dim`` last, or an axis put back from there."""
    return x if dim in (-1, x.meta["val"].dim() - 1) else emit(aten.transpose.int, x, dim, -1)


def _product(emit: Emitter, x: Any, matrix: torch.Tensor) -> Any:
    return emit(aten.matmul.default, x, emit.constant(matrix.to(x.meta["val"].dtype)))


def _halves(emit: Emitter, x: Any, dim: int, count: int) -> Pair:
    """Both parts, which lie one behind the other along the last axis."""
    parts = [emit(aten.slice.Tensor, x, -1, first, first + count) for first in (0, count)]
    return Pair(*(_last(emit, part, dim) for part in parts))


def rfft(emit: Emitter, x: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Pair:
    """Half the spectrum of a real signal, ``[..., n // 2 + 1]``."""
    size = _size(emit, x, dim)
    n = n or size
    x, used = _used(emit, _last(emit, x, dim), min(n, size), size)
    cosine, sine = waves(used, n // 2 + 1, n)
    matrix = torch.cat([cosine, -sine], 1) * _SCALES[norm](n)
    return _halves(emit, _product(emit, x, matrix), dim, n // 2 + 1)


def _used(emit: Emitter, x: Any, used: int, size: int) -> tuple[Any, int]:
    return (x if used == size else emit(aten.slice.Tensor, x, -1, 0, used)), used


def irfft(emit: Emitter, z: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The real signal of half a spectrum, ``[..., n]``."""
    bins = _size(emit, z.re, dim)
    n = n or 2 * (bins - 1)
    used = min(bins, n // 2 + 1)
    parts = [_used(emit, _last(emit, part, dim), used, bins)[0] for part in z if part is not None]
    matrices = [matrix for matrix, part in zip(inverse_waves(used, n), z, strict=True) if part is not None]
    joined = emit(aten.cat.default, parts, -1) if len(parts) > 1 else parts[0]
    return _last(emit, _product(emit, joined, torch.cat(matrices) * _inverse_scale(norm, n)), dim)


def _complex(inverse: bool) -> Form:
    """fft and ifft: ``[re, im]`` times ``[[cos, -sin], [sin, cos]]``, the signs of the sines turned for the inverse."""

    def form(emit: Emitter, z: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Pair:
        given = [part for part in (z if isinstance(z, Pair) else (z, None)) if part is not None]
        size = _size(emit, given[0], dim)
        n = n or size
        used = min(n, size)
        scale = _inverse_scale(norm, n) / n if inverse else _SCALES[norm](n)
        cosine, sine = waves(used, n, n)
        sine = -sine if inverse else sine
        blocks = [torch.cat([cosine, -sine], 1), torch.cat([sine, cosine], 1)]
        held = [part is not None for part in (z if isinstance(z, Pair) else (z, None))]
        matrix = torch.cat([block for block, here in zip(blocks, held, strict=True) if here]) * scale
        parts = [_used(emit, _last(emit, part, dim), used, size)[0] for part in given]
        joined = emit(aten.cat.default, parts, -1) if len(parts) > 1 else parts[0]
        return _halves(emit, _product(emit, joined, matrix), dim, n)

    return form


fft, ifft = _complex(inverse=False), _complex(inverse=True)


def _several(one: Form, other: Form, default: tuple[int, ...] | None) -> Form:
    """A transform over several axes: ``one`` over the last of them, ``other`` over the rest.

    ``irfft`` takes half a spectrum along the last axis to real numbers, so it comes last; all others come first.
    """

    def form(emit: Emitter, z: Any, s: Any = None, dim: Any = default, norm: str | None = None) -> Any:
        rank = (z.re if isinstance(z, Pair) else z).meta["val"].dim()
        axes = list(range(rank)) if dim is None else list(dim)
        steps = list(zip(axes, [None] * len(axes) if s is None else s, strict=True))
        for axis, size in steps if one is irfft else reversed(steps):
            last = axis == axes[-1]
            z = (one if last else other)(emit, z, size, axis, norm)
        return z

    return form


FORMS: dict[Any, Form] = {
    aten.fft_rfft.default: rfft,
    aten.fft_irfft.default: irfft,
    aten.fft_fft.default: fft,
    aten.fft_ifft.default: ifft,
    aten.fft_rfft2.default: _several(rfft, fft, (-2, -1)),
    aten.fft_irfft2.default: _several(irfft, ifft, (-2, -1)),
    aten.fft_fft2.default: _several(fft, fft, (-2, -1)),
    aten.fft_ifft2.default: _several(ifft, ifft, (-2, -1)),
    aten.fft_rfftn.default: _several(rfft, fft, None),
    aten.fft_irfftn.default: _several(irfft, ifft, None),
    aten.fft_fftn.default: _several(fft, fft, None),
    aten.fft_ifftn.default: _several(ifft, ifft, None),
}
