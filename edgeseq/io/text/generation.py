"""Tokens from an exported language model, one by one as they are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from edgeseq.contract import Contract
from edgeseq.errors import ContextFull, UsageError
from edgeseq.io.text.ports import LanguageModel, language_model
from edgeseq.io.text.sampling import Array, Sampling
from edgeseq.io.text.stops import Stops
from edgeseq.runtime import Model, Stream

Ending = Literal["stop", "max_tokens", "context"]
Stop = int | Sequence[int]


def generate(
    model: Model | Stream,
    prompt: Sequence[int] | Array,
    *,
    max_tokens: int,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: Sequence[Stop] = (),
    seed: int | np.random.Generator | None = None,
    conditioning: Mapping[str, Any] | None = None,
    logits: str | None = None,
) -> Generation:
    """The tokens that follow ``prompt``, at most ``max_tokens`` of them; an iterator that computes one at a time.

    A model is given a stream of its own, a stream goes on from where it is. The prompt, of at least one token, is
    taken in one step when the first token is asked for. ``temperature``, ``top_k`` and ``top_p`` are those of
    ``Sampling``; the same ``seed`` gives the same tokens, a numpy Generator goes on with its numbers, None draws
    anew. ``stop``: tokens, or sequences of tokens, that end it and are not given out. ``conditioning`` is that of
    ``Model.stream``; ``logits`` names the output where the file has several that may be it.

    Raises UsageError where the file is no language model or an argument means nothing, at once; ContextFull from the
    first token where the prompt is too long.
    """
    ports = language_model(_contract(model), logits)
    tokens = _prompt(prompt, ports)
    if type(max_tokens) is not int or max_tokens < 1:
        raise UsageError("max_tokens must be a whole number from 1", got=repr(max_tokens))
    sampling, stops = Sampling(temperature, top_k, top_p), Stops([_stop(one) for one in _listed(stop)])
    return Generation(_stream(model, conditioning), ports, tokens, sampling, max_tokens, stops, _generator(seed))


class Generation(Iterator[int]):
    """The tokens that are generated, an iterator; made by :func:`generate`.

    ``chosen`` are all tokens that the model chose so far, those held back for, or that were, a stop sequence among
    them. ``unseen`` are the tokens that ``stream`` was not given: the prompt before the first token, then the last one
    that was chosen. They come first in a prompt that goes on from here: ``generate(stream, [*unseen, *more], ...)``.
    ``stopped_by`` says why it ended, None before: ``stop``, ``max_tokens``, or ``context`` where the stream is full.
    """

    def __init__(
        self,
        stream: Stream,
        ports: LanguageModel,
        prompt: list[int],
        sampling: Sampling,
        max_tokens: int,
        stops: Stops[int],
        generator: np.random.Generator,
    ) -> None:
        self.stream = stream
        self.chosen: list[int] = []
        self.unseen = prompt
        self.stopped_by: Ending | None = None
        self._ports = ports
        self._sampling, self._max_tokens, self._stops, self._generator = sampling, max_tokens, stops, generator
        self._ready: deque[int] = deque()
        self._token = np.empty([1] * len(ports.tokens.shape), ports.tokens.dtype)
        self._out: Array | None = None
        self._logits = np.empty(0)

    def __next__(self) -> int:
        while not self._ready:
            if self.stopped_by is not None:
                raise StopIteration
            self._choose()
        return self._ready.popleft()

    def end(self, why: Ending) -> None:
        """Give out no more tokens than are computed already: the caller found a reason to stop."""
        self.stopped_by = why
        self._ready.clear()

    def _choose(self) -> None:
        """One more token, or the end."""
        try:
            self._take()
        except ContextFull:
            if not self.chosen:
                raise
            self._end("context")
            return
        token = self._sampling.choose(self._logits, self._generator)
        self.chosen.append(token)
        self.unseen = [token]
        self._ready.extend(self._stops.push(token))
        if self._stops.matched:
            self._end("stop")
        elif len(self.chosen) == self._max_tokens:
            self._end("max_tokens")

    def _end(self, why: Ending) -> None:
        self.stopped_by = why
        self._ready.extend(self._stops.rest())

    def _take(self) -> None:
        """Give the stream what it has not seen: a step that raises has changed nothing, and may be tried again."""
        if self.unseen:
            self._logits = self._step(self.unseen).reshape(-1, self._ports.vocabulary)[-1]
            self.unseen = []

    def _step(self, tokens: list[int]) -> Array:
        """The logits of one step; where they are the only output, those of one token lie in one array all along."""
        if len(tokens) > 1:
            return self._picked(self.stream.step(self._shaped(tokens)))
        self._token[...] = tokens[0]
        answer = self.stream.step(self._token, out=self._out)
        if not isinstance(answer, dict):
            self._out = answer
        return self._picked(answer)

    def _shaped(self, tokens: list[int]) -> Array:
        port = self._ports.tokens
        shape = [-1 if axis == port.time_axis else 1 for axis in range(len(port.shape))]
        return np.array(tokens, port.dtype).reshape(shape)

    def _picked(self, answer: Any) -> Array:
        found: Array = answer[self._ports.logits.name] if isinstance(answer, dict) else answer
        return found


def _contract(model: Any) -> Contract:
    if not isinstance(model, (Model, Stream)):
        raise UsageError("no model", got=type(model).__name__, wanted="edgeseq.runtime.load(path), or a stream of it")
    return model.contract


def _stream(model: Model | Stream, conditioning: Mapping[str, Any] | None) -> Stream:
    if isinstance(model, Model):
        return model.stream(conditioning=conditioning)
    if conditioning is not None:
        raise UsageError("a stream has its conditioning already", do="give it to model.stream(conditioning=...)")
    if model.batch != 1:
        raise UsageError(
            "generate goes on with one sequence", got=f"a stream of {model.batch}", do="open a stream for each"
        )
    return model


def _generator(seed: Any) -> np.random.Generator:
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        wanted = "a whole number from 0, or a numpy Generator"
        raise UsageError("seed means nothing", got=repr(seed), wanted=wanted) from None


def _prompt(prompt: Any, ports: LanguageModel) -> list[int]:
    """The tokens of a prompt, checked against those that the model takes."""
    if isinstance(prompt, str):
        raise UsageError("the prompt is text", wanted="tokens", do="encode it with the model's tokenizer")
    tokens = _tokens(prompt, "the prompt")
    if not tokens:
        raise UsageError("the prompt is empty", wanted="one token at least", do="begin with the model's start token")
    if ports.rows is not None and max(tokens) >= ports.rows:
        index, token = next((index, token) for index, token in enumerate(tokens) if token >= ports.rows)
        raise UsageError(
            "a token that the model does not know", where=f"prompt[{index}]", got=token, wanted=f"0 to {ports.rows - 1}"
        )
    return tokens


def _stop(stop: Stop) -> tuple[int, ...]:
    tokens = _tokens(np.atleast_1d(stop), "a stop sequence")
    if not tokens:
        raise UsageError("a stop sequence is empty", wanted="one token at least")
    return tuple(tokens)


def _listed(stop: Any) -> list[Any]:
    if isinstance(stop, str) or not isinstance(stop, (Sequence, np.ndarray)):
        raise UsageError("stop must be a list of tokens or of sequences of tokens", got=repr(stop))
    return list(stop)


def _tokens(given: Any, what: str) -> list[int]:
    """Token numbers as Python's; UsageError for what is no list of them."""
    array = np.asarray(given)
    if array.ndim == 1 and not array.size:
        return []
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.min() < 0:
        got = f"{array.dtype} {list(array.shape)}" if array.ndim != 1 or array.dtype.kind not in "iu" else array.min()
        raise UsageError(f"{what} is no list of tokens", got=got, wanted="whole numbers from 0, in one row")
    return [int(token) for token in array]
