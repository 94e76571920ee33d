"""What ops on complex values become in real numbers: one table, by op."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import product
from typing import Any

import torch

from edgeseq.exporters.complex_loops import loops
from edgeseq.exporters.complex_pairs import Form, Pair
from edgeseq.exporters.emitter import Emitter
from edgeseq.exporters.fourier import FORMS as FOURIER

aten = torch.ops.aten
_REAL = {torch.complex64: torch.float32, torch.complex128: torch.float64}


def pair(value: Any) -> Pair:
    """A value as a Pair; a real one has no imaginary part."""
    return value if isinstance(value, Pair) else Pair(value, None)


def _shape(value: Any) -> Any:
    return tuple(value.meta["val"].shape) if isinstance(value, torch.fx.Node) else ()


def _filled(emit: Emitter, part: Any, other: Any) -> Any:
    """A part as a node: zeros of the other part's shape where there is none."""
    if isinstance(part, torch.fx.Node):
        return part
    assert isinstance(other, torch.fx.Node)
    zeros = emit(aten.zeros_like.default, other)
    return zeros if part is None else emit(aten.add.Tensor, zeros, part)


def whole(emit: Emitter, value: Any) -> Pair:
    """The pair with both parts as nodes."""
    re, im = pair(value)
    return Pair(_filled(emit, re, im), _filled(emit, im, re))


# -- sums ----------------------------------------------------------------------------------------------------------


def _sum(emit: Emitter, a: Any, b: Any, op: Any = aten.add.Tensor) -> Any:
    """``a + b`` of two parts; None is zero."""
    if b is None:
        return a
    if a is None:
        return b if op is aten.add.Tensor else _negated(emit, b)
    return emit(op, *((a, b) if isinstance(a, torch.fx.Node) else _swapped(emit, a, b, op)))


def _swapped(emit: Emitter, a: Any, b: Any, op: Any) -> tuple[Any, Any]:
    """A number in front of a node is written behind it: torch's ops take a tensor first."""
    return (b, a) if op is aten.add.Tensor else (_negated(emit, b), -a)


def _negated(emit: Emitter, a: Any) -> Any:
    if a is None:
        return None
    return emit(aten.neg.default, a) if isinstance(a, torch.fx.Node) else -a


def added(op: Any) -> Form:
    """``a + alpha * b`` and ``a - alpha * b``."""

    def form(emit: Emitter, a: Any, b: Any, alpha: Any = 1) -> Pair:
        one, other = pair(a), pair(b if alpha == 1 else multiplied(emit, b, alpha))
        parts = [_sum(emit, x, y, op) for x, y in zip(one, other, strict=True)]
        return Pair(*(_spread(emit, part, one, other) for part in parts))

    return form


def _spread(emit: Emitter, part: Any, *operands: Pair) -> Any:
    """A part that only one operand had, in the shape that both have together."""
    if not isinstance(part, torch.fx.Node):
        return part
    for other in (item for operand in operands for item in operand if isinstance(item, torch.fx.Node)):
        if _shape(part) != torch.broadcast_shapes(_shape(part), _shape(other)):  # type: ignore[no-untyped-call]
            part = emit(aten.add.Tensor, part, emit(aten.zeros_like.default, other))
    return part


# -- products ------------------------------------------------------------------------------------------------------


def multilinear(emit: Emitter, operands: Sequence[Any], op: Any) -> Pair:
    """The product of some operands: ``op`` on every choice of parts, times ``1j`` for every imaginary part chosen."""
    sums: list[Any] = [None, None]
    for chosen in product((0, 1), repeat=len(operands)):
        parts = [pair(operand)[which] for operand, which in zip(operands, chosen, strict=True)]
        if any(part is None for part in parts):
            continue
        turns = sum(chosen) % 4
        sums[turns % 2] = _sum(emit, sums[turns % 2], op(*parts), aten.sub.Tensor if turns >= 2 else aten.add.Tensor)
    return Pair(*sums)


def multiplied(emit: Emitter, a: Any, b: Any) -> Pair:
    """``a * b``."""
    made = multilinear(emit, [a, b], lambda x, y: _scaled(emit, x, y))
    return Pair(*(_spread(emit, part, pair(a), pair(b)) for part in made))


def _scaled(emit: Emitter, a: Any, b: Any) -> Any:
    if not isinstance(a, torch.fx.Node):
        a, b = b, a
    if not isinstance(a, torch.fx.Node):
        return a * b
    return a if not isinstance(b, torch.fx.Node) and b == 1 else emit(aten.mul.Tensor, a, b)


def divided(emit: Emitter, a: Any, b: Any, **kwargs: Any) -> Pair:
    """``a / b``, which is ``a * conj(b) / |b|^2``."""
    _, im = pair(b)
    if im is None:
        return Pair(*(None if part is None else _quotient(emit, part, pair(b).re) for part in pair(a)))
    size = _squared(emit, pair(b))
    return divided(emit, multiplied(emit, a, conjugated(emit, b)), size)


def _quotient(emit: Emitter, a: Any, b: Any) -> Any:
    if isinstance(a, torch.fx.Node):
        return emit(aten.div.Tensor, a, b)
    return emit(aten.mul.Tensor, emit(aten.reciprocal.default, b), a) if isinstance(b, torch.fx.Node) else a / b


def inverted(emit: Emitter, z: Pair) -> Pair:
    """``1 / z``."""
    return divided(emit, 1.0, z)


def powered(emit: Emitter, z: Pair, exponent: Any) -> Pair:
    """``z`` to a small whole power, or to any by its logarithm."""
    if exponent in (2, 3, 4):
        made = z
        for _ in range(int(exponent) - 1):
            made = multiplied(emit, made, z)
        return made
    return exponential(emit, multiplied(emit, logarithm(emit, z), exponent))


def matrices(op: Any) -> Form:
    """matmul, bmm, mm, mv and the like: two operands, multiplied."""
    return lambda emit, a, b: multilinear(emit, [a, b], lambda x, y: emit(op, x, y))


def einsum(emit: Emitter, equation: str, operands: Sequence[Any], **kwargs: Any) -> Pair:
    """An einsum multiplies all its operands."""
    return multilinear(emit, operands, lambda *parts: emit(aten.einsum.default, equation, list(parts), **kwargs))


def weighted(op: Any) -> Form:
    """linear and convolutions: a product of frames and weights, and a bias."""

    def form(emit: Emitter, x: Any, weight: Any, bias: Any = None, *rest: Any) -> Pair:
        made = multilinear(emit, [x, weight], lambda a, b: emit(op, a, b, None, *rest))
        if bias is None:
            return made
        axes = len(_shape(pair(weight).re)) - 2
        shaped = [part if part is None else _column(emit, part, axes) for part in pair(bias)]
        return Pair(*(_sum(emit, part, add) for part, add in zip(made, shaped, strict=True)))

    return form


def _column(emit: Emitter, bias: Any, axes: int) -> Any:
    return emit(aten.view.default, bias, [-1] + [1] * axes) if axes else bias


# -- parts and polar form ------------------------------------------------------------------------------------------


def _squared(emit: Emitter, z: Pair) -> Any:
    squares = [None if part is None else _scaled(emit, part, part) for part in z]
    return _sum(emit, squares[0], squares[1])


def magnitude(emit: Emitter, z: Pair) -> Any:
    """``|z|``."""
    return emit(aten.sqrt.default, _squared(emit, z))


def angle(emit: Emitter, z: Pair) -> Any:
    """The angle of ``z``, from -pi to pi."""
    re, im = whole(emit, z)
    return emit(aten.atan2.default, im, re)


def polar(emit: Emitter, size: Any, turn: Any) -> Pair:
    """``size * exp(1j * turn)``."""
    return Pair(
        emit(aten.mul.Tensor, size, emit(aten.cos.default, turn)),
        emit(aten.mul.Tensor, size, emit(aten.sin.default, turn)),
    )


def exponential(emit: Emitter, z: Pair) -> Pair:
    """``exp(z)``."""
    if z.im is None:
        return Pair(emit(aten.exp.default, z.re), None)
    if z.re is None:
        return Pair(emit(aten.cos.default, z.im), emit(aten.sin.default, z.im))
    return polar(emit, emit(aten.exp.default, whole(emit, z).re), whole(emit, z).im)


def logarithm(emit: Emitter, z: Pair) -> Pair:
    """``log(z)``."""
    return Pair(emit(aten.log.default, magnitude(emit, z)), angle(emit, z))


def direction(emit: Emitter, z: Pair) -> Pair:
    """``z / |z|``, zero at zero."""
    size = magnitude(emit, z)
    some = emit(aten.add.Tensor, size, emit(aten._to_copy.default, emit(aten.eq.Scalar, size, 0), dtype=_dtype(size)))
    return divided(emit, z, some)


def _dtype(node: Any) -> torch.dtype:
    dtype: torch.dtype = node.meta["val"].dtype
    return dtype


def conjugated(emit: Emitter, z: Any) -> Pair:
    """The imaginary part with its sign changed."""
    re, im = pair(z)
    return Pair(re, _negated(emit, im))


def joined(emit: Emitter, re: Any, im: Any) -> Pair:
    """``torch.complex``."""
    return Pair(re, im)


def opened(emit: Emitter, z: Pair) -> Any:
    """``view_as_real``: both parts along a new last axis."""
    return emit(aten.stack.default, list(whole(emit, z)), -1)


def closed(emit: Emitter, x: Any) -> Pair:
    """``view_as_complex``: the last axis holds both parts."""
    return Pair(emit(aten.select.int, x, -1, 0), emit(aten.select.int, x, -1, 1))


def converted(emit: Emitter, x: Any, **kwargs: Any) -> Any:
    """A change of dtype; to a real one it drops the imaginary part."""
    dtype = kwargs.get("dtype")
    if dtype is not None and not dtype.is_complex:
        return emit(aten._to_copy.default, pair(x).re, **kwargs)
    if dtype is None:
        return x
    parts = (None if part is None else _in(emit, part, _REAL[dtype]) for part in pair(x))
    return Pair(*parts)


def _in(emit: Emitter, part: Any, dtype: torch.dtype) -> Any:
    return part if _dtype(part) == dtype else emit(aten._to_copy.default, part, dtype=dtype)


def same(emit: Emitter, z: Any, *_: Any, **__: Any) -> Any:
    """An op that returns its operand."""
    return z


# -- ops on each part ----------------------------------------------------------------------------------------------


def each_part(op: Any) -> Form:
    """An op that is linear and real: views, sums, concatenations. It is applied to each part."""

    def form(emit: Emitter, *args: Any, **kwargs: Any) -> Any:
        both = range(2 if any(item.im is not None for item in _pairs([args, kwargs])) else 1)
        parts = [emit(op, *_part(emit, list(args), which), **_part(emit, kwargs, which)) for which in both]
        several = emit.node.meta["val"]
        if not isinstance(several, (tuple, list)):
            return Pair(*parts, *[None] * (2 - len(parts)))
        items = ([emit(operator.getitem, part, index) for part in parts] for index in range(len(several)))
        return [Pair(*item, *[None] * (2 - len(parts))) for item in items]

    return form


def _pairs(tree: Any) -> list[Pair]:
    if isinstance(tree, Pair):
        return [tree]
    items = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else ()
    return [found for item in items for found in _pairs(item)]


def _part(emit: Emitter, tree: Any, which: int) -> Any:
    """The arguments for one part. Among operands of a concatenation, real ones have an imaginary part of zeros."""
    if isinstance(tree, Pair):
        return whole(emit, tree)[which]
    if isinstance(tree, dict):
        return {key: _part(emit, item, which) for key, item in tree.items()}
    if isinstance(tree, list):
        mixed = any(isinstance(item, Pair) for item in tree)
        floats = [_is_float(item) for item in tree]
        inside = all(floats) and mixed
        return [_part(emit, pair(item) if inside else item, which) for item in tree]
    return tree


def _is_float(item: Any) -> bool:
    return isinstance(item, Pair) or (isinstance(item, torch.fx.Node) and isinstance(item.meta["val"], torch.Tensor))


def written(op: Any) -> Form:
    """A write into a slice, and what it writes: both operands have both parts."""

    def form(emit: Emitter, z: Any, source: Any, *rest: Any) -> Pair:
        parts = zip(whole(emit, z), whole(emit, source), strict=True)
        return Pair(*(emit(op, old, new, *rest) for old, new in parts))

    return form


def zeros(emit: Emitter, z: Any, **_: Any) -> Pair:
    """``zeros_like``."""
    return Pair(emit(aten.zeros_like.default, whole(emit, z).re), None)


def filled_with_zeros(op: Any) -> Form:
    """``zeros`` and ``new_zeros`` of a complex dtype."""

    def form(emit: Emitter, *args: Any, **kwargs: Any) -> Pair:
        real = [pair(arg).re if isinstance(arg, Pair) else arg for arg in args]
        dtype = _REAL[emit.node.meta["val"].dtype]
        return Pair(emit(op, *real, **{**kwargs, "dtype": dtype}), None)

    return form


def chosen(emit: Emitter, mask: Any, a: Any, b: Any) -> Pair:
    """``torch.where`` with a complex side."""
    one, other = whole(emit, a), whole(emit, b)
    return Pair(*(emit(aten.where.self, mask, x, y) for x, y in zip(one, other, strict=True)))


def emptied(emit: Emitter, z: Pair, mask: Any, fill: Any) -> Pair:
    """``masked_fill``: the imaginary part takes that of the number."""
    fills = [part or 0.0 for part in pair(fill)]
    parts = zip(whole(emit, z), fills, strict=True)
    return Pair(*(emit(aten.masked_fill.Scalar, part, mask, number) for part, number in parts))


def padded(op: Any) -> Form:
    """Padding: the imaginary part is padded with that of the number, zero for a real one."""

    def form(emit: Emitter, z: Pair, pads: Any, *rest: Any, **_: Any) -> Pair:
        *mode, fill = rest if rest else ([0.0] if op is aten.constant_pad_nd.default else ["constant", None])
        fills = pair(fill) if fill is not None else Pair(None, None)
        parts = zip(whole(emit, z), fills, strict=True)
        return Pair(*(emit(op, part, pads, *mode, number or 0.0) for part, number in parts))

    return form


def normed(emit: Emitter, z: Pair, kind: Any = None, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Any:
    """``linalg.norm``, without a kind that of a vector."""
    return emit(
        aten.linalg_vector_norm.default, magnitude(emit, z), 2 if kind is None else kind, dim, keepdim, **kwargs
    )


def of_magnitude(op: Any) -> Form:
    """Norms: they see the magnitude alone."""
    return lambda emit, z, *args, **kwargs: emit(op, magnitude(emit, z), *args, **kwargs)


EACH_PART = (
    *(aten.view.default, aten._unsafe_view.default, aten.permute.default, aten.transpose.int, aten.t.default),
    *(aten.unsqueeze.default, aten.squeeze.default, aten.squeeze.dim, aten.squeeze.dims, aten.expand.default),
    *(aten.repeat.default, aten.slice.Tensor, aten.select.int, aten.cat.default, aten.stack.default),
    *(aten.split.Tensor, aten.split_with_sizes.default, aten.unbind.int, aten.clone.default, aten.alias.default),
    *(aten.flip.default, aten.roll.default, aten.index_select.default, aten.gather.default, aten.neg.default),
    *(
        aten.unfold.default,
        aten.sum.default,
        aten.sum.dim_IntList,
        aten.mean.default,
        aten.mean.dim,
        aten.cumsum.default,
    ),
)
FORMS: dict[Any, Form] = {
    **{op: each_part(op) for op in EACH_PART},
    aten.add.Tensor: added(aten.add.Tensor),
    aten.sub.Tensor: added(aten.sub.Tensor),
    aten.rsub.Scalar: lambda emit, a, b: added(aten.sub.Tensor)(emit, b, a),
    aten.mul.Tensor: multiplied,
    aten.div.Tensor: divided,
    aten.reciprocal.default: inverted,
    aten.pow.Tensor_Scalar: powered,
    **{op: matrices(op) for op in (aten.matmul.default, aten.bmm.default, aten.mm.default)},
    aten.einsum.default: einsum,
    **{op: weighted(op) for op in (aten.linear.default, aten.conv1d.default, aten.conv2d.default)},
    aten.abs.default: magnitude,
    aten.angle.default: angle,
    aten.polar.default: polar,
    aten.exp.default: exponential,
    aten.log.default: logarithm,
    aten.sgn.default: direction,
    **dict.fromkeys([aten._conj.default, aten._conj_physical.default], conjugated),
    aten.complex.default: joined,
    aten.view_as_real.default: opened,
    aten.view_as_complex.default: closed,
    aten.real.default: lambda emit, z: whole(emit, z).re,
    aten.imag.default: lambda emit, z: whole(emit, z).im,
    aten._to_copy.default: converted,
    **dict.fromkeys([aten.resolve_conj.default, aten.detach.default], same),
    **{op: written(op) for op in (aten.copy.default, aten.slice_scatter.default, aten.select_scatter.default)},
    aten.zeros_like.default: zeros,
    **{op: filled_with_zeros(op) for op in (aten.zeros.default, aten.new_zeros.default)},
    aten.where.self: chosen,
    aten.masked_fill.Scalar: emptied,
    **{op: padded(op) for op in (aten.pad.default, aten.constant_pad_nd.default)},
    aten.linalg_norm.default: normed,
    aten.linalg_vector_norm.default: of_magnitude(aten.linalg_vector_norm.default),
    **FOURIER,
}
FORMS[torch.ops.edgeseq.loop.default] = loops(FORMS, whole)
