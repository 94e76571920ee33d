"""Which token comes next: greedy, temperature, top-k, top-p, each a pure function of logits.

Logits are ``[vocabulary]``, the logarithm of a distribution up to a constant; minus infinity is a token that is out.
Each function takes logits and returns logits in float64, so that they compose; :func:`probabilities` ends the chain.
``Sampling`` applies them in this order: temperature, top-k, top-p. NaN, plus infinity and logits that are all minus
infinity are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.errors import UsageError

Array = npt.NDArray[Any]


def with_temperature(logits: Array, temperature: float) -> Array:
    """``logits / temperature``, for a temperature above 0, shifted so that the largest is 0.

    Below 1 likely tokens become likelier, above 1 all become more alike.
    """
    values = np.asarray(logits, np.float64)
    with np.errstate(over="ignore"):  # what is far below the largest has probability 0
        return (values - _largest(values)) / _positive("temperature", temperature)


def with_top_k(logits: Array, k: int) -> Array:
    """The ``k`` largest logits, all of them where there are fewer; of equal ones those of the lowest token numbers.

    Fan et al., "Hierarchical Neural Story Generation" (2018).
    """
    if type(k) is not int or k < 1:
        raise UsageError("top_k must be a whole number from 1", got=repr(k))
    values = np.asarray(logits, np.float64)
    _largest(values)
    if k >= values.size:
        return values.copy()
    least = np.partition(values, values.size - k)[values.size - k]
    kept = values > least
    kept[np.flatnonzero(values == least)[: k - np.count_nonzero(kept)]] = True
    return np.where(kept, values, -np.inf)


def with_top_p(logits: Array, p: float) -> Array:
    """The nucleus: the fewest of the likeliest tokens whose probabilities sum to ``p`` or more, 0 < p <= 1.

    Tokens are taken from the likeliest on, of equal ones the lowest token number first, until the sum, float64 in that
    order, reaches ``p``; one at least is taken, and ``p = 1`` takes all. Holtzman et al., "The Curious Case of Neural
    Text Degeneration" (2020).
    """
    if not isinstance(p, (int, float)) or isinstance(p, bool) or not 0 < p <= 1:
        raise UsageError("top_p must be above 0 and at most 1", got=repr(p))
    values = np.asarray(logits, np.float64)
    shares = probabilities(values)
    if p == 1:
        return values.copy()
    possible = np.flatnonzero(shares)
    order = possible[np.argsort(-values[possible], kind="stable")]
    count = int(np.searchsorted(np.cumsum(shares[order]), p)) + 1
    kept = np.full_like(values, -np.inf)
    kept[order[:count]] = values[order[:count]]
    return kept


def probabilities(logits: Array) -> Array:
    """The softmax of ``logits`` in float64; a probability below the smallest float64 is 0."""
    values = np.asarray(logits, np.float64)
    weights = np.exp(values - _largest(values))
    return np.asarray(weights / weights.sum())


def log_probabilities(logits: Array) -> Array:
    """The logarithm of the softmax, in float64: what sums along a sequence; minus infinity for a token that is out."""
    values = np.asarray(logits, np.float64)
    values = values - _largest(values)
    return np.asarray(values - np.log(np.exp(values).sum()))


def greedy(logits: Array) -> int:
    """The token of the largest logit, of equal ones the lowest number."""
    token = int(np.argmax(logits))  # the first NaN where there is one
    _check(float(logits[token]))
    return token


def draw(shares: Array, uniform: float) -> int:
    """The first token at which the running sum of probabilities exceeds ``uniform``, from [0, 1), of their sum.

    With a uniform number every token is drawn with its probability; one whose probability is 0 never is.
    """
    sums = np.cumsum(shares)
    return int(np.searchsorted(sums, uniform * sums[-1], side="right"))


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen. ``temperature`` 0 is greedy; ``top_k`` and ``top_p`` None leave all tokens in.

    UsageError for values that mean nothing, and for ``top_k`` or ``top_p`` without a temperature.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if self.temperature == 0 and (self.top_k, self.top_p) != (None, None):
            raise UsageError(
                "top_k and top_p say which tokens are drawn from, and temperature 0 draws none",
                why="it takes the likeliest",
                do="give a temperature, 1.0 for the model's own distribution",
            )
        if self.temperature != 0:
            self.logits(np.zeros(1))  # refuses what means nothing

    def logits(self, logits: Array) -> Array:
        """The logits that are drawn from: temperature, then top-k, then top-p; for a temperature above 0."""
        values = with_temperature(logits, self.temperature)
        if self.top_k is not None:
            values = with_top_k(values, self.top_k)
        if self.top_p is not None:
            values = with_top_p(values, self.top_p)
        return values

    def choose(self, logits: Array, generator: np.random.Generator) -> int:
        """A token; every one that is drawn takes one number of ``generator``, a greedy one none."""
        if self.temperature == 0:
            return greedy(logits)
        return draw(probabilities(self.logits(logits)), generator.random())


def _positive(name: str, value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value) and value > 0:
        return float(value)
    raise UsageError(f"{name} must be a finite number, 0 for greedy or above", got=repr(value))


def _largest(logits: Array) -> float:
    largest = float(np.max(logits))
    _check(largest)
    return largest


def _check(largest: float) -> None:
    """UsageError where the largest logit says that there is no distribution."""
    if not isfinite(largest):
        raise UsageError(
            "logits that are no distribution",
            got=f"a largest logit of {largest}",
            wanted="finite numbers, or minus infinity for tokens that are out",
        )
