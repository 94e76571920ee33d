"""The conditioning of the streams of a pool: each its own where it has a batch axis, else the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from edgeseq.contract import axis_parts
from edgeseq.errors import ShapeError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.pool.stores import has_batch

if TYPE_CHECKING:
    from edgeseq.runtime.model import Model


class Conditions:
    """What streams are opened with. The first one fixes the sizes of the named axes and what all have in common.

    ``sizes`` are those of the named axes, the batch apart, once they are ``known``.
    """

    def __init__(self, model: Model, finite: bool) -> None:
        self._model = model
        self._finite = finite
        contract = model.contract
        self._ports = (*contract.with_role("conditioning"), *contract.with_role("constant"))
        shapes = [*(port.shape for port in contract.ports), *(state.shape for state in contract.states)]
        axes = [axis for shape in shapes for axis in shape if isinstance(axis, str)]
        own = {axis_parts(axis)[1] for axis in axes} - {"batch", "time", "capacity"}
        self.sizes: dict[str, int] = {}
        self.shared: dict[str, Array] = {}
        self.known = not own and all(has_batch(port.shape) for port in self._ports)
        self._fixed = self.known

    def of(self, conditioning: Mapping[str, Array] | None) -> dict[str, Array]:
        """The arrays of one stream, checked, what the prologue computes among them; ShapeError or NonFiniteInput."""
        do = "give finite values, or make the pool with on_nonfinite='pass'" if self._finite else None
        arrays, sizes = self._model.conditioned(conditioning, 1, do)
        self._check_same({name: size for name, size in sizes.items() if name != "batch"}, arrays)
        return arrays

    def _check_same(self, sizes: dict[str, int], arrays: Mapping[str, Array]) -> None:
        shared = {port.name: arrays[port.name] for port in self._ports if not has_batch(port.shape)}
        if not self._fixed:
            self.sizes, self.shared, self._fixed = sizes, shared, True
        for name, size in sizes.items():
            if self.sizes[name] != size:
                raise ShapeError(
                    f"the streams of a pool have one size of {name}",
                    got=size,
                    wanted=self.sizes[name],
                    do="pad it, or make a pool for each size",
                )
        for name, array in shared.items():
            if not np.array_equal(self.shared[name], array, equal_nan=array.dtype.kind == "f"):
                raise ShapeError(
                    f"{name} has no batch axis and must be the same for all streams of a pool",
                    do="make a pool for each value of it",
                )
