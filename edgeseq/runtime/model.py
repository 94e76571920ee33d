"""A loaded file: one session, its contract, and the streams it opens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeseq.contract import Contract, axis_parts
from edgeseq.errors import ProviderError, ShapeError, UsageError
from edgeseq.runtime.answers import Answers
from edgeseq.runtime.conditioning import bind_conditioning
from edgeseq.runtime.devices import Array, Device
from edgeseq.runtime.finite import check_finite, refuses_nonfinite
from edgeseq.runtime.opening import Opening
from edgeseq.runtime.prologue import Prologue
from edgeseq.runtime.stream import Stream, stream_of
from edgeseq.runtime.whole import refuse_stream, run_whole

if TYPE_CHECKING:
    from edgeseq.runtime.pool import Pool


@dataclass(frozen=True)
class Model:
    """A streaming model, loaded once and shared by any number of streams.

    ``digest`` is that of graph and weights as they were loaded. ``prologue`` computes, once per stream, what depends on
    conditioning alone.
    """

    path: str
    contract: Contract
    device: Device
    session: Any
    digest: str
    prologue: Prologue | None = None

    def stream(
        self,
        batch: int = 1,
        conditioning: Mapping[str, Any] | None = None,
        max_context: int | None = None,
        on_nonfinite: str = "raise",
        on_missing: str = "raise",
        outputs: str = "host",
    ) -> Stream:
        """One independent stream, ``batch`` of them in lock-step.

        ``conditioning`` maps the model's conditioning inputs to arrays, which are copied; those with a default may be
        left out. A model with a prologue runs it here, once; ``reset`` does not. ``max_context`` gives caches room for
        so many base frames at once, and the stream ends there; without it they grow by doubling up to the contract's
        own ``max_context``.

        ``on_nonfinite``: ``raise`` refuses conditioning and frames that hold NaN or an infinity with NonFiniteInput,
        ``pass`` hands them to the graph. ``on_missing``: what ``Stream.missing`` puts in place of frames that never
        came: ``hold``, the last frame of every input; ``zero``, zeros; ``raise``, nothing, it refuses. ``outputs``:
        ``device`` leaves answers in the memory of the GPU that the model runs on, to be read by ``torch.from_dlpack``
        and its like.
        """
        refuse_stream(self)
        self._check_batch(batch)
        self.check_max_context(max_context)
        finite = refuses_nonfinite(on_nonfinite)
        do = "give finite values, or open the stream with on_nonfinite='pass'" if finite else None
        try:
            arrays, sizes = self.conditioned(conditioning, batch, do)
            model = self.contract, self.device, self.session, self.digest
            opening = Opening(*model, arrays, sizes, max_context, finite, on_missing, outputs == "device")
            return stream_of(opening, outputs)
        except MemoryError as error:
            raise ProviderError(
                "there is no memory for this stream", why=str(error), do="take a smaller batch or max_context"
            ) from error

    def pool(
        self,
        capacity: int,
        shards: int = 1,
        max_context: int | None = None,
        on_nonfinite: str = "raise",
        idle_timeout: float | None = None,
    ) -> Pool:
        """A pool of up to ``capacity`` streams that come and go, each at its own pace, stepped as one batch.

        ``shards`` cuts it into as many parts, each with a thread and a batch of its own; the weights are shared and a
        stream never moves. ``max_context`` bounds the frames of a stream, and the room that caches take.
        ``idle_timeout``: seconds after which a stream for which nothing came is closed. Raises UsageError where the
        streams of this model cannot be told apart in a batch, PoolFull where this machine has no memory for it.
        """
        from edgeseq.runtime.pool import Pool

        return Pool(self, capacity, shards, max_context, on_nonfinite, idle_timeout)

    def run(
        self,
        frames: Any,
        conditioning: Mapping[str, Any] | None = None,
        on_nonfinite: str = "raise",
    ) -> Answers:
        """All outputs for a whole sequence: an array, or a dict by name where there are several.

        ``frames`` is the array of the only input, or a dict by name; the rest is as in :meth:`stream`. A file that was
        exported with ``Sequence`` is run like this only; any other is stepped through a stream of its own, and flushed.
        """
        refuses_nonfinite(on_nonfinite)
        return run_whole(self, frames, conditioning, on_nonfinite)

    def __repr__(self) -> str:
        inputs, outputs = (
            ", ".join(port.name for port in self.contract.with_role(role)) for role in ("frame", "output")
        )
        name = self.contract.mode.get("name", "exact")
        mode = "" if name == "exact" else f", mode={name!r}"
        return f"Model({self.path!r}, {inputs} -> {outputs}{mode}, device={str(self.device)!r})"

    def _check_batch(self, batch: object) -> None:
        if type(batch) is not int or batch < 1:
            raise ShapeError("batch must be a whole number from 1", got=repr(batch))
        for port in self.contract.with_role("frame"):
            batched = any(isinstance(axis, str) and axis_parts(axis)[1] == "batch" for axis in port.shape)
            if batch > 1 and not batched:
                raise ShapeError(f"{port.name} has no batch axis", got=f"batch={batch}", wanted="batch=1")

    def conditioned(
        self, conditioning: Mapping[str, Any] | None, batch: int, finite: str | None
    ) -> tuple[dict[str, Array], dict[str, int]]:
        """The arrays that ``batch`` rows are opened with, the prologue's among them, and the sizes of the named axes.

        ``finite``: the remedy where conditioning is not finite; None lets it pass.
        """
        arrays, sizes = bind_conditioning(self.contract, conditioning, batch)
        if finite is not None:
            for name in conditioning or ():
                check_finite(name, arrays[name], finite)
        if self.prologue is not None:
            arrays |= self.prologue.run(arrays, sizes)
        return arrays, sizes

    def check_max_context(self, max_context: object) -> None:
        """UsageError for what is no number of frames that the model can hold."""
        if max_context is None:
            return
        if type(max_context) is not int or max_context < 1:
            raise UsageError("max_context must be a whole number from 1, or None", got=repr(max_context))
        limit = self.contract.max_context
        if limit is not None and max_context > limit:
            raise UsageError(
                "max_context is more than the model can hold",
                got=max_context,
                wanted=f"at most {limit}",
                do="export the model again with a larger max_context",
            )
