"""Products over frames: queries with keys make scores, weights with values sum over keys.

Every product is read as an einsum: which label is time says what it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from edgeseq.exporters.facts import Grid, Pairs, Timed
from edgeseq.exporters.known import Known, moved
from edgeseq.exporters.rules.equations import spelled
from edgeseq.exporters.rules.grids import at_pairs
from edgeseq.exporters.rules.pairs import (
    Operand,
    brought,
    elementwise,
    is_free,
    known_of_operand,
    operands_of,
    paired,
    queried,
    roles,
    summed,
)
from edgeseq.exporters.rules.schema import result_shape
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Shape, Size, mentions

aten = torch.ops.aten
Op = Any


def product_labels(a: int, b: int) -> tuple[str, str, str]:
    """The einsum labels of ``x @ y`` for operands of so many axes, at least two."""
    batch = "abcdefgh"[: max(a, b) - 2]
    first, second = batch[len(batch) - (a - 2) :], batch[len(batch) - (b - 2) :]
    return f"{first}xy", f"{second}yz", f"{batch}xz"


def product(
    step: Step,
    labels: tuple[str, str, str],
    operands: Sequence[Operand],
    shape: Shape,
    op: Op,
    past: str | None = None,
) -> tuple[Any, Any]:
    """``op(a, b)``, an einsum with ``labels`` of its operands and its result, where frames meet frames.

    ``past``: the label of the keys, where it need not be found out.
    """
    a, b, made = labels
    times = [_times(step, item, terms) for item, terms in zip(operands, (a, b), strict=True)]
    kept = [label for label in dict.fromkeys(times[0] + times[1]) if label in made]
    gone = [label for label in dict.fromkeys(times[0] + times[1]) if label not in made]
    if len(gone) == 1 and len(kept) == 1:
        return _summed_over_keys(step, labels, operands, gone[0], kept[0], shape, op)
    if gone or len(kept) != 2:
        raise step.refuse(
            "it sums over all time, so every result needs frames that have not come yet: not causal",
            "use attention with is_causal=True, a convolution or a recurrent layer",
        )
    axes = sorted(made.index(label) for label in kept)
    if past is not None:
        axis, keyed = next(axis for axis in axes if made[axis] != past), made.index(past)
    else:
        axis, keyed = roles(step, axes)
    return _scores(step, labels, operands, (axis, keyed), shape, op)


def _times(step: Step, item: Operand, terms: str) -> list[str]:
    shape = getattr(item.fact, "shape", ())
    return [term for term, size in zip(terms, shape, strict=True) if mentions(size, step.captured.time)]


def _scores(
    step: Step,
    labels: tuple[str, str, str],
    operands: Sequence[Operand],
    axes: tuple[int, int],
    shape: Shape,
    op: Op,
) -> tuple[Any, Pairs]:
    """Both frame axes stay: scores, or an op on the features of every pair."""
    (axis, past), made = axes, labels[2]
    pairs = next((item.fact for item in operands if isinstance(item.fact, Pairs)), None)
    if pairs is not None:
        fact = pairs.with_(shape=shape, axis=axis, past=past, known=())
    else:
        by_label = {
            made.index(_times(step, item, terms)[0]): item for item, terms in zip(operands, labels, strict=False)
        }
        query, key = by_label[axis], by_label[past]
        fact = paired(step, *_both_timed(query, key), shape, axis, past)
    values = [_laid_out(step, item, terms, made, fact) for item, terms in zip(operands, labels, strict=False)]
    return op(*values), fact


def _both_timed(query: Operand, key: Operand) -> tuple[Operand, Operand]:
    """Where one side is made of positions alone, the other says how late both come."""
    timed = query if isinstance(query.fact, Timed) else key
    return (query if isinstance(query.fact, Timed) else timed), (key if isinstance(key.fact, Timed) else timed)


def _laid_out(step: Step, item: Operand, terms: str, made: str, fact: Pairs) -> Any:
    """An operand in this call: with this call's queries, with all columns, or with both."""
    own = item.fact
    if not isinstance(own, (Timed, Grid, Pairs)):
        return item.value
    places = {axis: terms.index(made[axis]) for axis in (fact.axis, fact.past) if made[axis] in terms}
    like = fact.with_(shape=own.shape, axis=places.get(fact.axis, -1), past=places.get(fact.past, -1))
    if isinstance(own, Pairs):
        if own.keys != fact.keys:
            raise step.refuse("values over pairs of other frames meet", "make both of the same keys")
        return item.value
    return brought(step, item, like)


def _summed_over_keys(
    step: Step,
    labels: tuple[str, str, str],
    operands: Sequence[Operand],
    gone: str,
    kept: str,
    shape: Shape,
    op: Op,
) -> tuple[Any, Timed]:
    """Weights with values: what is left has a frame per query."""
    weights = next(i for i, terms in enumerate(labels[:2]) if kept in terms and gone in terms)
    item, other = operands[weights], operands[1 - weights]
    axis, past = labels[weights].index(kept), labels[weights].index(gone)
    fact = _weights(step, item, other, axis, past)
    own = other.fact
    if not isinstance(own, (Timed, Grid)) or own.shape[labels[1 - weights].index(gone)] != fact.shape[past]:
        raise step.refuse("weights over keys meet a value of other frames", "sum over the keys' own values")
    value = at_pairs(step, item.node, fact) if item.node is not None and is_free(step, item) else item.value
    made: list[Any] = [None, None]
    made[weights] = summed(step, value, fact)
    place = labels[1 - weights].index(gone)
    made[1 - weights] = brought(step, other, fact.with_(shape=own.shape, axis=-1, past=place), "values")
    return op(*made), queried(fact, shape, labels[2].index(kept))


def _weights(step: Step, item: Operand, values: Operand, axis: int, past: int) -> Pairs:
    if isinstance(item.fact, Pairs):
        if (item.fact.axis, item.fact.past) != (axis, past):
            raise step.refuse("it sums over all queries, those that have not come yet among them", "sum over keys")
        return item.fact
    assert isinstance(item.fact, Grid)
    known: Known | float | None = known_of_operand(step, item)
    fact = paired(step, values, values, item.fact.shape, axis, past)
    return fact.with_(known=known or ())


def matmul(step: Step, facts: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """matmul, bmm and mm."""
    assert step.node is not None
    return _multiplied(step, facts[:2], (a, b), step.node.args[:2])


def _multiplied(step: Step, facts: Any, args: Any, nodes: Any) -> tuple[Any, Any]:
    operands = operands_of(step, facts, args, nodes)
    ranks = [len(getattr(item.fact, "shape", ())) for item in operands]
    if min(ranks) < 2:
        raise step.refuse("frames meet a vector", "write it with an einsum")
    return product(step, product_labels(*ranks), operands, result_shape(step), torch.matmul)


def added(step: Step, facts: Any, bias: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> tuple[Any, Any]:
    """addmm and baddbmm: a product plus a mask or a bias."""
    assert step.node is not None
    value, fact = _multiplied(step, facts[1:3], (a, b), step.node.args[1:3])
    if beta == 0 and isinstance(fact, Pairs):  # torch does not read the term then
        return _times_number(value, alpha), fact
    if not isinstance(fact, Pairs):
        raise step.refuse("the added term of a matrix product changes with time", "add it in a line of its own")
    nodes = [step.node.args[0], None]
    add = lambda term, scores: _times_number(term, beta) + _times_number(scores, alpha)  # noqa: E731
    return elementwise(step, add, [facts[0], fact], (bias, value), nodes, result_shape(step))


def _times_number(value: torch.Tensor, number: float) -> torch.Tensor:
    return value if number == 1 else value * number


def einsum(step: Step, facts: Any, equation: str, operands: list[Any], **_kwargs: Any) -> tuple[Any, Any]:
    """An einsum: of more than two operands, two at a time from the left."""
    assert step.node is not None
    first, *others = operands_of(step, facts[1], operands, step.node.args[1])
    spelt = spelled(equation, [len(getattr(item.fact, "shape", ())) for item in (first, *others)])
    sizes: dict[str, Size] = {}
    for item, terms in zip((first, *others), spelt.terms, strict=True):
        for label, size in zip(terms, getattr(item.fact, "shape", ()), strict=True):
            sizes[label] = size if sizes.get(label, 1) == 1 else sizes[label]
    terms = spelt.terms[0]
    for place, other in enumerate(others, 1):
        later = "".join(spelt.terms[place + 1 :])
        both = dict.fromkeys(terms + spelt.terms[place])
        made = "".join(label for label in both if label in later + spelt.output) if later else spelt.output
        shape = tuple(sizes[label] for label in made)
        first = Operand(*_two_multiplied(step, (terms, spelt.terms[place], made), (first, other), shape), None)
        terms = made
    return first.value, first.fact


def _two_multiplied(
    step: Step, labels: tuple[str, str, str], operands: tuple[Operand, Operand], shape: Shape
) -> tuple[Any, Any]:
    a, b, made = labels
    if all(isinstance(item.fact, Pairs) for item in operands) and {*a} | {*b} == {*made}:
        ordered = [_in_order(item, terms, made) for item, terms in zip(operands, labels, strict=False)]
        facts, values = [item.fact for item in ordered], [item.value for item in ordered]
        return elementwise(step, torch.mul, facts, values, [None, None], shape)
    if len({label for item, terms in zip(operands, labels, strict=False) for label in _times(step, item, terms)}) < 2:
        raise step.refuse("two of its operands have the same frames", "multiply those in a line of their own")
    return product(step, labels, operands, shape, lambda x, y: torch.einsum(f"{a},{b}->{made}", [x, y]))


def _in_order(item: Operand, terms: str, made: str) -> Operand:
    """A value over pairs of frames with its axes where the labels of the result have them, others of size one."""
    fact: Any = item.fact
    order, missing = (
        [terms.index(label) for label in made if label in terms],
        [made.index(m) for m in made if m not in terms],
    )

    def move(value: torch.Tensor) -> torch.Tensor:
        value = value.permute(order)
        for axis in missing:
            value = value.unsqueeze(axis)
        return value

    shape = tuple(fact.shape[terms.index(label)] if label in terms else 1 for label in made)
    places = {"axis": made.index(terms[fact.axis]), "past": made.index(terms[fact.past])}
    return Operand(move(item.value), fact.with_(shape=shape, known=moved(fact.known, move), **places), None)


PAIRS = {
    **dict.fromkeys([aten.matmul.default, aten.bmm.default, aten.mm.default], matmul),
    **dict.fromkeys([aten.addmm.default, aten.baddbmm.default], added),
    aten.einsum.default: einsum,
}
RULES: dict[Any, Any] = {}
