"""Numbers to few bits: per output, or in groups along the input; nearest, or so that outputs stay near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeseq.verification.arrays import Array

#: Shares of the largest weight in a group that -8 may stand for; 8 / 7 keeps groups of two opposite numbers exact.
_SHARES = (*np.linspace(0.7, 1.0, 16), 8 / 7)
#: Of the mean of the Hessian's diagonal, what is added to it so that it can be inverted (GPTQ, section 3.3).
_DAMPING = 0.01


@dataclass(frozen=True)
class PerOutput:
    """``weights`` int8 ``[outputs, inputs]`` times ``scales`` float32 ``[outputs]``."""

    weights: Array
    scales: Array


@dataclass(frozen=True)
class Grouped:
    """``weights`` uint8 ``[outputs, groups, group]``, times ``scales`` float32 ``[outputs, groups]``, of either sign.

    Zero is ``2**(bits - 1)``. ``inputs`` of them count; what a last group has beyond is zero.
    """

    weights: Array
    scales: Array
    bits: int
    inputs: int

    def restored(self) -> Array:
        """The matrix ``[outputs, inputs]`` that they stand for, float32."""
        whole = (self.weights.astype(np.float32) - 2 ** (self.bits - 1)) * self.scales[..., None]
        return np.ascontiguousarray(whole.reshape(len(whole), -1)[:, : self.inputs])

    def packed(self) -> Array:
        """The weights as bytes ``[outputs, groups, group * bits / 8]``, the first of two in the low half."""
        if self.bits == 8:
            return self.weights
        return np.asarray(self.weights[..., 0::2] | (self.weights[..., 1::2] << 4), np.uint8)

    def packed_zeros(self) -> Array:
        """The zero of every group of 4 bits, two to a byte: ``[outputs, groups / 2]``."""
        return np.full((len(self.scales), -(-self.scales.shape[1] // 2)), 0x88, np.uint8)


def per_output(matrix: Array, largest: int) -> PerOutput:
    """Round ``[outputs, inputs]`` to integers of at most ``largest``, one scale per output."""
    scales = np.abs(matrix).max(axis=1) / largest
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    return PerOutput(np.round(matrix / scales[:, None]).astype(np.int8), scales)


def group_of(inputs: int, wanted: int, bits: int, *, filled: bool = True) -> int:
    """The group size for so many inputs: ``wanted``, or a smaller one from 16 where that takes no more bytes.

    With ``filled`` the last group takes as much as any: 136 inputs in groups of 128 would take as much as 256.
    """

    def size(group: int) -> tuple[float, int]:
        groups = -(-inputs // group)
        stored = (groups * group if filled else inputs) * bits / 8 + groups * 4
        return stored, -group if filled else group  # of two that take as much, larger groups are faster

    return min((group for group in (16, 32, 64, 128, 256) if group <= wanted), key=size)


def grouped(matrix: Array, bits: int, group: int, gram: Array | None = None) -> Grouped:
    """Round ``[outputs, inputs]`` in groups of ``group`` inputs; ``gram`` ``[inputs, inputs]`` is ``x^T x`` on streams.

    Without ``gram`` every weight goes to the nearest integer. With it the error of each input is made up for by those
    that are rounded after it: GPTQ (Frantar et al. 2022, arXiv 2210.17323, algorithm 1), the most important inputs of
    each group, by the diagonal, having chosen its scale.
    """
    outputs, inputs = matrix.shape
    wide = np.zeros((outputs, -(-inputs // group) * group), np.float64)
    wide[:, :inputs] = matrix
    if gram is None:
        blocks = wide.reshape(outputs, -1, group)
        scales = _scales(blocks, bits, np.ones(blocks.shape[1:]))
        return Grouped(_integers(blocks, scales[..., None], bits), scales.astype(np.float32), bits, inputs)
    return _compensated(wide, bits, group, gram, inputs)


def _compensated(wide: Array, bits: int, group: int, gram: Array, inputs: int) -> Grouped:
    outputs, width = wide.shape
    hessian = np.zeros((width, width))
    hessian[:inputs, :inputs] = gram
    diagonal = np.diag(hessian).copy()
    diagonal[diagonal == 0] = max(float(diagonal.mean()), 1e-12)
    np.fill_diagonal(hessian, diagonal + _DAMPING * diagonal.mean())
    upper = np.linalg.cholesky(np.linalg.inv(hessian)).T
    weights = np.empty((outputs, width // group, group), np.uint8)
    scales = np.empty((outputs, width // group), np.float32)
    for number in range(width // group):
        first, last = number * group, (number + 1) * group
        block = wide[:, None, first:last]
        scales[:, number] = scale = _scales(block, bits, diagonal[None, first:last])[:, 0]
        errors = np.empty((outputs, group))
        for place in range(group):
            column = wide[:, first + place]
            weights[:, number, place] = rounded = _integers(column, scale, bits)
            nearest = (rounded.astype(np.float64) - 2 ** (bits - 1)) * scale
            errors[:, place] = error = (column - nearest) / upper[first + place, first + place]
            wide[:, first + place : last] -= np.outer(error, upper[first + place, first + place : last])
        wide[:, last:] -= errors @ upper[first:last, last:]
    return Grouped(weights, scales, bits, inputs)


def _scales(blocks: Array, bits: int, importance: Array) -> Array:
    """A scale for each last axis of ``blocks``: of those that clip a little, that with the least weighted error.

    Four bits hold -8 but no 8: there the scale has the sign that brings the largest weight to -8, so that none of the
    16 integers is wasted; 0.4 dB on tables of trained models.
    """
    if bits == 8:
        largest = np.abs(blocks).max(axis=-1) / 127
        return np.asarray(np.where(largest > 0, largest, 1.0))
    place = np.abs(blocks).argmax(axis=-1)[..., None]
    largest = -np.take_along_axis(blocks, place, axis=-1)[..., 0] / 2 ** (bits - 1)
    largest = np.where(largest != 0, largest, 1.0)
    best, least = largest, np.full(largest.shape, np.inf)
    for share in _SHARES:
        scale = (share * largest)[..., None]
        near = (_integers(blocks, scale, bits).astype(np.float64) - 2 ** (bits - 1)) * scale
        error = np.sum(np.square(blocks - near) * importance, axis=-1)
        best, least = np.where(error < least, share * largest, best), np.minimum(error, least)
    return np.asarray(best)


def _integers(values: Array, scale: Array, bits: int) -> Array:
    middle = 2 ** (bits - 1)
    return np.asarray(np.clip(np.round(values / scale) + middle, 0, 2 * middle - 1), np.uint8)
