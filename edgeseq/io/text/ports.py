"""Which input of a file takes tokens and which output gives logits, read off its contract."""

from __future__ import annotations

from dataclasses import dataclass

from edgeseq.contract import Contract, Length, Port
from edgeseq.errors import UsageError

_WANTED = "one input of tokens, integers [batch, time], and logits [batch, time, vocabulary]"


@dataclass(frozen=True)
class LanguageModel:
    """The two ports of a language model, and how many tokens it chooses from.

    ``rows``: tokens that may be given, numbered from 0; None where the file does not say.
    """

    tokens: Port
    logits: Port
    vocabulary: int
    rows: int | None


def language_model(contract: Contract, logits: str | None = None) -> LanguageModel:
    """The ports of the language model in a file; ``logits`` names the output where it is not found by itself.

    An output is taken for logits where it has a number for every row of the table that the tokens index: for every
    frame, or for the frames so far. UsageError where there is no such output, where there are several, or where the
    file is no language model.
    """
    tokens = _tokens(contract)
    rows = None if tokens.range is None else int(tokens.range[1]) + 1
    outputs = contract.with_role("output")
    port = _chosen(outputs, rows) if logits is None else _named(outputs, logits, rows)
    return LanguageModel(tokens, port, _size(port), rows)


def _tokens(contract: Contract) -> Port:
    ports = contract.with_role("frame")
    if len(ports) != 1:
        raise _no_language_model("it has several inputs in time", ports)
    (port,) = ports
    others = [axis for index, axis in enumerate(port.shape) if index != port.time_axis]
    if not port.dtype.lstrip("u").startswith("int") or any(axis not in ("batch", 1) for axis in others):
        raise _no_language_model("its input is not one token a frame", ports)
    if contract.chunk.multiple != 1 or port.ratio != 1:
        raise _no_language_model(f"it takes {contract.chunk.multiple * port.ratio} tokens at a time", ports)
    return port


def _chosen(outputs: tuple[Port, ...], rows: int | None) -> Port:
    fitting = [port for port in outputs if _is_logits(port)]
    found = [port for port in fitting if (port.time_axis is not None if rows is None else _size(port) == rows)]
    if not found:
        raise UsageError(
            "this file is no language model",
            why="no output has a number for every token" if fitting else "no output is made of logits",
            got=_described(outputs),
            wanted=_WANTED if rows is None else f"logits [batch, time, {rows}]",
            do="name the output with logits= where it gives those of fewer tokens" if fitting else None,
        )
    if len(found) > 1:
        raise UsageError("several outputs may be the logits", got=_described(found), do="name one with logits=")
    return found[0]


def _named(outputs: tuple[Port, ...], name: str, rows: int | None) -> Port:
    found = [port for port in outputs if port.name == name]
    if not found:
        raise UsageError("no such output", got=repr(name), wanted=", ".join(port.name for port in outputs))
    if not _is_logits(found[0]):
        raise UsageError(f"the output {name!r} holds no logits", got=_described(found), wanted=_WANTED)
    if rows is not None and _size(found[0]) > rows:
        raise UsageError(
            f"the output {name!r} chooses among more tokens than the model takes",
            got=_described(found),
            wanted=f"at most {rows}",
        )
    return found[0]


def _is_logits(port: Port) -> bool:
    """Whether an output has a number for each of some classes, at once: for every frame, or for those so far."""
    if not port.dtype.startswith("float") or not port.shape or type(port.shape[-1]) is not int:
        return False
    if any(axis not in ("batch", 1) for axis in _outer(port)):
        return False
    return port.time_axis is None or (port.length == Length() and port.delay == 0 and port.time_axis < _last(port))


def _outer(port: Port) -> list[int | str]:
    return [axis for index, axis in enumerate(port.shape) if index not in (port.time_axis, _last(port))]


def _last(port: Port) -> int:
    return len(port.shape) - 1


def _size(port: Port) -> int:
    return int(port.shape[-1])


def _no_language_model(why: str, ports: tuple[Port, ...]) -> UsageError:
    return UsageError("this file is no language model", why=why, got=_described(ports), wanted=_WANTED)


def _described(ports: tuple[Port, ...] | list[Port]) -> str:
    texts = [f"{port.name} {port.dtype}[{', '.join(map(str, port.shape))}]" for port in ports]
    return "; ".join(texts) or "none"
