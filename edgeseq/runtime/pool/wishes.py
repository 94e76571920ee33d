"""Whether a pool can be what it is asked to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeseq.contract import Contract
from edgeseq.errors import PoolFull, UsageError
from edgeseq.runtime.budget import grows
from edgeseq.runtime.finite import refuses_nonfinite
from edgeseq.runtime.pool.room import in_words, stream_bytes
from edgeseq.runtime.pool.stores import batch_axis, has_batch
from edgeseq.runtime.whole import refuse_stream

if TYPE_CHECKING:
    from edgeseq.runtime.model import Model


def check_wishes(
    model: Model,
    capacity: object,
    shards: object,
    max_context: int | None,
    on_nonfinite: object,
    idle_timeout: object,
) -> int | None:
    """The most base frames of a stream, None without a limit; UsageError for what means nothing or cannot be."""
    refuse_stream(model)
    if type(capacity) is not int or capacity < 1:
        raise UsageError("capacity must be a whole number from 1", got=repr(capacity))
    if type(shards) is not int or not 1 <= shards <= capacity:
        raise UsageError("shards must be a whole number from 1 to the capacity", got=repr(shards))
    refuses_nonfinite(on_nonfinite)
    if idle_timeout is not None and not (isinstance(idle_timeout, (int, float)) and idle_timeout > 0):
        raise UsageError("idle_timeout must be a number of seconds above 0, or None", got=repr(idle_timeout))
    if str(model.device) != "cpu":
        raise UsageError("a pool runs on the CPU", got=str(model.device), do="load the model with device='cpu'")
    model.check_max_context(max_context)
    _check_rows(model.contract)
    return _limit(model.contract, max_context)


def _check_rows(contract: Contract) -> None:
    """UsageError where the rows of some tensor cannot be told apart."""
    for port in contract.ports:
        if port.role in ("frame", "output") or has_batch(port.shape):
            batch_axis(port.name, port.shape)
    for state in contract.states:
        batch_axis(state.name, state.shape)
        if grows(state) and batch_axis(state.name, state.shape) != 0:
            raise UsageError("a pool cannot hold this cache", where=state.name, wanted="the batch as its first axis")


def _limit(contract: Contract, max_context: int | None) -> int | None:
    limit = max_context if max_context is not None else contract.max_context
    if limit is None and any(grows(state) for state in contract.states):
        raise UsageError(
            "a pool of this model needs to know how long a stream can get",
            why="its caches hold every frame, and the model has no limit of its own",
            do="give it to model.pool, in frames, with max_context",
        )
    return limit


def full(contract: Contract, capacity: int, limit: int | None) -> PoolFull:
    """What to raise where every slot is taken."""
    one = stream_bytes(contract, limit, {})
    more = "" if one is None else f": it takes {in_words(one)} a stream, {in_words(one * capacity)} for {capacity:,}"
    return PoolFull(
        "the pool is full",
        got=f"{capacity:,} open streams",
        wanted=f"fewer than its capacity of {capacity:,}",
        do=f"close streams that have ended, let idle_timeout do it, or make a larger pool{more}",
    )
