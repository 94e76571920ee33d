"""Every error that edgeseq raises on purpose.

One root, few subclasses, one template: what, where, why, got, wanted, do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

#: What a terminal obeys rather than shows, and what cannot be written as UTF-8: control characters, line separators,
#: changes of direction, halves of characters.
UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class EdgeseqError(Exception):
    """Something edgeseq refuses to do, said so that the reader can act on it.

    The message reads ``WHAT at WHERE: WHY (got G, wanted W). DO``; parts that are not given are left out. Names in it
    may come from a file that nobody trusts: what a terminal would obey is written as an escape, line ends apart.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        why: str | None = None,
        got: object = None,
        wanted: object = None,
        do: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.why = why
        self.got = got
        self.wanted = wanted
        self.do = do
        super().__init__(UNREADABLE.sub(_escaped, self._message()))

    def _message(self) -> str:
        message = self.what
        if self.where:
            message += f" at {self.where}"
        if self.why:
            message += f": {self.why}"
        compared = [
            f"{word} {value}" for word, value in (("got", self.got), ("wanted", self.wanted)) if value is not None
        ]
        if compared:
            message += f" ({', '.join(compared)})"
        message += "."
        if self.do:
            message += f" {self.do[0].upper()}{self.do[1:]}"
            if not message.endswith((".", "?", "!")):
                message += "."
        return message


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0] == "\n" else ascii(found[0])[1:-1]


class NotStreamable(EdgeseqError):
    """The model holds something that cannot be streamed exactly."""


class RuleError(EdgeseqError):
    """A streaming rule broke what every rule owes, or an op that it emits has no ONNX form."""


class CaptureError(EdgeseqError):
    """``torch.export`` could not capture the model, or the input spec does not fit it."""


class VerificationError(EdgeseqError):
    """The exported file does not compute what the model computes."""


class ContractError(EdgeseqError):
    """The file carries no contract, a broken one, or one that its graph contradicts."""


class ModelFileError(EdgeseqError, OSError):
    """The model file is missing, empty, truncated or not ONNX."""


class ShapeError(EdgeseqError, ValueError):
    """A frame, conditioning or output array of the wrong kind, rank, shape or dtype."""


class NonFiniteInput(EdgeseqError, ValueError):
    """A frame or conditioning array holds NaN or an infinity, and the stream was not opened to let them through."""


class ContextFull(EdgeseqError):
    """The step would go past the longest context the model or the stream has room for."""


class PoolFull(EdgeseqError):
    """A pool has no room for another stream, or this machine no memory for the pool."""


class QueueFull(EdgeseqError):
    """A paced runner was given frames faster than it takes them, and was not told to drop them or to wait."""


class StreamEnded(EdgeseqError):
    """The stream was flushed and takes no more frames until ``reset``, or it was closed for good."""


class ProviderError(EdgeseqError):
    """onnxruntime, or the device that was asked for, is missing, doubled or failed."""


class TickFailed(ProviderError):
    """onnxruntime failed in a step of a pool.

    ``answers`` are those of the slots that went through all the same, by slot. ``ended`` are slots that were half way
    through: their streams have ended. All other streams are as they were before.
    """

    def __init__(self, what: str, *, answers: Mapping[int, Any], ended: Sequence[int], **told: Any) -> None:
        super().__init__(what, **told)
        self.answers = dict(answers)
        self.ended = tuple(ended)


class NotInstalled(EdgeseqError, ImportError):
    """A package that this part of edgeseq needs is not installed."""


class UsageError(EdgeseqError, ValueError):
    """An argument that means nothing here: an unknown mode, a malformed input spec, a negative count."""


class NotDeclared(UsageError):
    """What a file made elsewhere needs to be stepped is neither in it nor said by the caller of ``adopt``.

    ``missing`` holds what has to be said, by keyword of ``adopt``: names and what is proposed for them, None where
    nothing is.
    """

    def __init__(
        self,
        what: str,
        *,
        missing: Mapping[str, Mapping[str, str | None]],
        where: str | None = None,
        why: str | None = None,
        do: str | None = None,
    ) -> None:
        self.missing = missing
        super().__init__(what, where=where, why=why, do=do)
