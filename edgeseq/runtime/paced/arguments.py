"""What a caller asks of a paced runner, checked and turned into settings."""

from __future__ import annotations

import os
import select
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from math import isfinite
from typing import Any

from edgeseq.contract import Contract
from edgeseq.errors import ProviderError, UsageError
from edgeseq.runtime.conditioning import bind_conditioning
from edgeseq.runtime.devices import Array
from edgeseq.runtime.finite import refuses_nonfinite
from edgeseq.runtime.loading import describe, load
from edgeseq.runtime.model import Model
from edgeseq.runtime.paced.layout import check_chunk
from edgeseq.runtime.paced.pace import POLICIES, Policy
from edgeseq.runtime.paced.scheduling import Scheduling, check_scheduling
from edgeseq.runtime.paced.settings import Settings
from edgeseq.runtime.paced.warming import KeepWarm, check_keep_warm, to_plain
from edgeseq.runtime.threads import session_settings

#: Slots that a queue may have: each is laid out one by one.
_SLOTS = 1 << 16


@dataclass(frozen=True)
class Asked:
    """As ``PacedRunner`` takes it; times in seconds."""

    period: float
    on_late: Policy
    chunk: int | None
    margin: float | None
    deadline: float | None
    queue: int
    answers: int
    batch: int
    max_context: int | None
    on_nonfinite: str
    keep_warm: KeepWarm
    scheduling: Scheduling | None
    where: str


@dataclass(frozen=True)
class Prepared:
    """What both sides are made of. ``model``: what the caller had loaded, if so."""

    contract: Contract
    settings: Settings
    conditioning: Mapping[str, Array]
    model: Model | None


def prepare(
    model: Model | str | os.PathLike[str],
    asked: Asked,
    conditioning: Mapping[str, Any] | None,
    opened: Mapping[str, Any],
) -> Prepared:
    """Check everything that can be without a session. UsageError, ShapeError, and what ``describe`` raises."""
    if isinstance(model, Model):
        if opened:
            raise UsageError(
                "a loaded model is already opened", got=", ".join(opened), do="give these to load, or give a path"
            )
        contract, path, opened = model.contract, model.path, reopening(model)
    else:
        _check_opened(opened)
        described = describe(model)
        contract, path = described.contract, str(described.file.path)
    _check(asked, contract)
    arrays, sizes = bind_conditioning(contract, conditioning, asked.batch)
    settings = Settings(
        path=os.path.abspath(path),
        opened=dict(opened),
        digest=model.digest if isinstance(model, Model) else None,
        batch=asked.batch,
        sizes=sizes,
        given=tuple(conditioning or ()),
        max_context=asked.max_context,
        on_nonfinite=asked.on_nonfinite,
        on_late=asked.on_late,
        chunk=asked.chunk or contract.chunk.multiple,
        queue=asked.queue,
        answers=asked.answers,
        period_ns=_ns(asked.period),
        margin_ns=_ns(asked.period / 2 if asked.margin is None else asked.margin),
        deadline_ns=_ns(asked.period if asked.deadline is None else asked.deadline),
        warming=to_plain(check_keep_warm(asked.keep_warm)),
        scheduling=(asked.scheduling or Scheduling()).to_dict(),
        alone=asked.where == "process",
    )
    given = {name: arrays[name] for name in settings.given}
    return Prepared(contract, settings, given, model if isinstance(model, Model) else None)


def reopening(model: Model) -> dict[str, Any]:
    """Arguments of ``load`` that open the model's file again as it was opened; its digest is compared afterwards."""
    device = model.device
    threads = model.session.get_session_options().intra_op_num_threads
    tuned, _ = session_settings(model.contract, str(device))
    return {
        "device": device.kind if device.kind == "cpu" else f"{device.kind}:{device.index}",
        "provider": device.provider,
        "provider_options": dict(device.options) or None,
        "allow_cpu_nodes": device.cpu_nodes,
        "cuda_graph": False if device.kind == "cuda" and device.graphs is None else None,
        "threads": None if threads == tuned else threads,
        "allow_unverified": True,
    }


def _check_opened(opened: Mapping[str, Any]) -> None:
    """UsageError for what ``load`` does not take."""
    known = list(signature(load).parameters)[1:]
    if unknown := [name for name in opened if name not in known]:
        raise UsageError("unknown arguments", got=", ".join(unknown), wanted=f"those of load: {', '.join(known)}")


def _check(asked: Asked, contract: Contract) -> None:
    if not hasattr(select, "poll"):
        raise ProviderError("a paced runner needs a POSIX system", why="it sleeps at a pipe until a time or a byte")
    for name, least in (("period", 1e-5), ("margin", 0.0), ("deadline", 0.0)):
        _check_seconds(name, getattr(asked, name), least, optional=name != "period")
    if asked.on_late not in POLICIES:
        raise UsageError("unknown on_late", got=repr(asked.on_late), wanted=" or ".join(map(repr, POLICIES)))
    for name, most in (("queue", _SLOTS), ("answers", _SLOTS), ("batch", None)):
        value = getattr(asked, name)
        if type(value) is not int or value < 1 or (most is not None and value > most):
            upto = "" if most is None else f" to {most:,}"
            raise UsageError(f"{name} must be a whole number from 1{upto}", got=repr(value))
    if asked.where not in ("process", "thread"):
        raise UsageError("unknown where", got=repr(asked.where), wanted="'process' or 'thread'")
    check_scheduling(asked.scheduling or Scheduling(), thread=asked.where == "thread")
    refuses_nonfinite(asked.on_nonfinite)
    if asked.chunk is not None:
        check_chunk(contract.with_role("frame"), asked.chunk)


def _check_seconds(name: str, value: object, least: float, optional: bool) -> None:
    if optional and value is None:
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and isfinite(value) and least <= value <= 1e6):  # type: ignore[operator,arg-type]
        raise UsageError(f"{name} must be a number of seconds", got=repr(value), wanted=f"from {least:g}")


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
