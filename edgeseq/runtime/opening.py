"""What a stream is opened with: the model, the arrays given once, the policies. A stream shares it with its forks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from edgeseq.contract import Contract
from edgeseq.runtime.devices import HOST, Array, Buffer, Device, read_by_host
from edgeseq.runtime.schedule import largest_call, spare, unique_starts


@dataclass(frozen=True, eq=False)
class Opening:
    """``digest`` is the model file's, ``sizes`` are those of the named axes. ``finite``: refuse NaN and infinities.
    ``outputs_stay``: answers are left on the device.

    ``conditioning`` holds the arrays of all conditioning and constant inputs by name, the prologue's results included.
    """

    contract: Contract
    device: Device
    session: Any
    digest: str
    conditioning: Mapping[str, Array]
    sizes: Mapping[str, int]
    max_context: int | None = None
    finite: bool = True
    on_missing: str = "raise"
    outputs_stay: bool = False

    @cached_property
    def shared(self) -> dict[str, Buffer]:
        """The conditioning and constants that the graph takes, on its device."""
        names = {value.name for value in self.session.get_inputs()}
        return {name: self.device_of(name).place(array) for name, array in self.conditioning.items() if name in names}

    @cached_property
    def device_of(self) -> Callable[[str], Device]:
        """Where an input of the graph, by name, has to lie: on a GPU some are read by the processor, such as sizes.

        onnxruntime copies an input that lies elsewhere once, when it is bound, and never sees what is written later.
        What is returned does not hold on to the conditioning: streams keep it, and let go of that when they are closed.
        """
        device, host = self.device, frozenset[str]()
        if not device.shares_memory:
            host = read_by_host(self.session)
        return lambda name: HOST if name in host else device

    @cached_property
    def given(self) -> str:
        """A digest of the caller's conditioning; what the prologue made of it may differ by a rounding elsewhere."""
        digest = hashlib.sha256()
        for port in self.contract.with_role("conditioning"):
            array = self.conditioning[port.name]
            digest.update(f"{port.name} {array.dtype} {array.shape}\n".encode())
            digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        return f"sha256:{digest.hexdigest()}"

    @property
    def limit(self) -> int | None:
        """Base frames that a caller may give in all; None for no limit."""
        return self.max_context if self.max_context is not None else self.contract.max_context

    @cached_property
    def largest(self) -> int | None:
        """The most base frames of one call; None for no limit."""
        return largest_call(self.contract.chunk, self.sizes["batch"])

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The counts beyond 0 at which initial values are written back."""
        return unique_starts(state.start for state in self.contract.states)

    @cached_property
    def spare(self) -> int:
        """The most filler base frames that ``flush`` may feed."""
        return spare(self.contract)
