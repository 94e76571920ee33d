"""The states of some rows bound to onnxruntime, kept for the next call that takes the same rows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import binding_handle, bound_run, onnxruntime, run_options

#: Bindings that are kept.
_KEPT = 32


class Bound:
    """An ``IOBinding`` whose states and constants stay, and whose frames and outputs are given anew for every run.

    ``tensors`` are those that stay, by the name of the graph's input or output.
    """

    __slots__ = ("_binding", "_handle", "tensors")

    def __init__(self, session: Any, fixed: Mapping[str, Array], results: Mapping[str, Array]) -> None:
        self._binding = onnxruntime().IOBinding(session)
        for name, array in fixed.items():
            self._binding.bind_ortvalue_input(name, _value(array))
        for name, array in results.items():
            self._binding.bind_ortvalue_output(name, _value(array))
        self._handle = binding_handle(session, self._binding)
        self.tensors = {**fixed, **results}

    def run(self, run: Any, options: Any, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        """Bind these arrays and run."""
        for name, array in inputs.items():
            self._binding.bind_ortvalue_input(name, _value(array))
        for name, array in outputs.items():
            self._binding.bind_ortvalue_output(name, _value(array))
        run(self._handle, options)


class Bindings:
    """The bindings of one shard by what they bind, the last few kept."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._run = bound_run(session)
        self._options = run_options()
        self._kept: OrderedDict[Hashable, Bound] = OrderedDict()

    def find(self, key: Hashable) -> Bound | None:
        """The binding of this key, if it is still there."""
        bound = self._kept.get(key)
        if bound is not None:
            self._kept.move_to_end(key)
        return bound

    def keep(self, key: Hashable, fixed: Mapping[str, Array], results: Mapping[str, Array]) -> Bound:
        """A new binding under this key."""
        bound = self._kept[key] = Bound(self._session, fixed, results)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return bound

    def run(self, bound: Bound, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        """Run once on these arrays, all of them C-contiguous; ``outputs`` are filled in place."""
        bound.run(self._run, self._options, inputs, outputs)

    def forget(self) -> None:
        """Drop all, for states that have moved."""
        self._kept.clear()


def _value(array: Array) -> Any:
    return onnxruntime().OrtValue.ortvalue_from_numpy(array, "cpu", 0)
