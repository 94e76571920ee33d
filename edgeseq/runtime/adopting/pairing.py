"""Whether what was declared a state is one: read by the graph, and renewed by every call."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeseq.errors import VerificationError
from edgeseq.runtime.adopting.comparing import Arrays, Check, same
from edgeseq.runtime.adopting.draft import Draft
from edgeseq.runtime.adopting.pairs import contradicted
from edgeseq.runtime.adopting.probe import Probe, Refused, draw
from edgeseq.runtime.adopting.signature import Signature

_SEED = 808


def check_pairs(probe: Probe, base_frames: int, where: str) -> Iterator[Check]:
    """The check that every state is read and moves; VerificationError names the first that is not or does not."""
    states = probe.draft.states
    plain = probe(base_frames, 1)
    for state in states:
        other = draw(np.random.default_rng(_SEED), plain[state.output].shape, state.dtype)
        other = ~other if other.dtype.kind == "b" else (other + 1).astype(state.dtype)
        if same(plain, _tried(probe, base_frames, {state.input: other}), plain):
            raise _wrong(state.input, "nothing reads it: no output and no state depends on it", where)
    moved = _moved(probe, base_frames)
    for state in states:
        if state.input not in moved:
            raise _wrong(state.input, f"{state.output} always holds its initial value", where)
    if states:
        yield Check("pairs", f"{len(states)} state{'s' * (len(states) > 1)}, each read and renewed")


def doubts_of(draft: Draft, graph: Signature) -> list[str]:
    """What was declared otherwise than the names say, in words: calls of one size cannot show whether it is right."""
    pairs = {state.input: state.output for state in draft.states}
    named = contradicted(pairs, graph)
    return [
        f"{name}={pairs[name]} was declared, though names suggest {name}={output}" for name, output in named.items()
    ]


def _tried(probe: Probe, base_frames: int, states: Arrays) -> Arrays:
    """A call from other states; a graph that refuses these values has read them."""
    try:
        return probe(base_frames, 1, states)
    except Refused:
        return {}


def _moved(probe: Probe, base_frames: int) -> set[str]:
    """States that have left their initial values after one of a few calls."""
    moved: set[str] = set()
    values = initial = probe.initial(1)
    for seed in range(3):
        found = probe(base_frames, 1, values, seed)
        values = {state.input: found[state.output] for state in probe.draft.states}
        moved |= {name for name in values if not same(values, initial, [name])}
    return moved


def _wrong(name: str, why: str, where: str) -> VerificationError:
    return VerificationError(
        f"{name} is no state of this file",
        where=where,
        why=why,
        do="check the pairs in states; an input that stays as it is belongs in constants",
    )
