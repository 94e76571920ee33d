"""Which inputs could be states, and which outputs their next values: a proposal from names, shapes and dtypes.

A pair of names is one name with a mark on one or both of its sides: ``h`` and ``hn``, ``state`` and ``stateN``,
``past_x`` and ``present_x``, ``x`` and ``x.next``, ``x_in`` and ``x_out``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from edgeseq.runtime.adopting.axes import told
from edgeseq.runtime.adopting.signature import Signature, Value

_BEFORE = frozenset({"in", "input", "prev", "previous", "past", "old", "init", "initial", "last", "0"})
_AFTER = frozenset({"out", "output", "next", "new", "present", "cur", "current", "updated", "final", "n", "t", "1"})
#: ``stateN`` is ``state`` and ``N``; ``conv1`` stays one word, ``hn`` and ``h0`` are taken apart by :func:`_stems`.
_WORDS = re.compile(r"[A-Za-z][a-z]*[0-9]*|[A-Z]+(?![a-z])[0-9]*|[0-9]+")


def propose(graph: Signature, taken: Iterable[str] = ()) -> dict[str, str]:
    """Pairs of an input and an output that are likely a state, without inputs and outputs that are ``taken``.

    Where no names go together, what dtype and shape leave no choice about; the first input is then left for frames.
    """
    taken = set(taken)
    inputs = [value for value in graph.inputs if value.name not in taken and _may_be_state(value)]
    outputs = [value for value in graph.outputs if value.name not in taken]
    free = [value for value in graph.inputs if value.name not in taken]
    return _alone(inputs, outputs, _named_alike) or _alone(
        [value for value in inputs if value not in free[:1]], outputs, _fits
    )


def _alone(inputs: list[Value], outputs: list[Value], alike: Callable[[Value, Value], bool]) -> dict[str, str]:
    """Pairs of which either side has no other match."""
    matches = [(one.name, other.name) for one in inputs for other in outputs if alike(one, other)]
    firsts, seconds = [one for one, _ in matches], [other for _, other in matches]
    return {one: other for one, other in matches if firsts.count(one) == 1 == seconds.count(other)}


def _may_be_state(value: Value) -> bool:
    """Whether it has axes, none of them time."""
    return bool(value.dims) and "time" not in told(value)


def _fits(one: Value, other: Value) -> bool:
    """Whether dtype, rank and every size that both tell agree."""
    if one.dtype != other.dtype or len(one.dims) != len(other.dims) or "time" in told(other):
        return False
    pairs = zip(one.dims, other.dims, strict=True)
    return all(a == b for a, b in pairs if isinstance(a, int) and isinstance(b, int))


def _named_alike(one: Value, other: Value) -> bool:
    return _fits(one, other) and bool(_stems(one.name, _BEFORE) & _stems(other.name, _AFTER))


def _stems(name: str, marks: frozenset[str]) -> frozenset[tuple[str, ...]]:
    """What a name may be without its mark: ``("h",)`` for ``hn``; the whole name among them."""
    words = tuple(word.lower() for word in _WORDS.findall(name))
    found = {words}
    for place, word in enumerate(words):
        rest = [mark for mark in marks if word.endswith(mark) and (place == len(words) - 1 or word == mark)]
        for mark in rest:
            short = word.removesuffix(mark)
            found.add((*words[:place], *((short,) if short else ()), *words[place + 1 :]))
    return frozenset(stem for stem in found if stem)


def contradicted(pairs: Mapping[str, str], graph: Signature) -> dict[str, str]:
    """Pairs that the names say otherwise: for each such input the output that its name asks for."""
    named = _alone([*graph.inputs], [*graph.outputs], _named_alike)
    return {name: named[name] for name, output in pairs.items() if named.get(name, output) != output}
