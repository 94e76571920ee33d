"""Files that many people have, and what has to be said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from edgeseq.errors import UsageError
from edgeseq.runtime.adopting.axes import parse_axes
from edgeseq.runtime.adopting.declared import Declared
from edgeseq.runtime.adopting.signature import Signature


def _silero_vad(name: str, rate: int, samples: int, before: int) -> Declared:
    """Silero VAD 5 and 6: so many new samples for one probability, those before them in front, silence at first.

    So does ``OnnxWrapper`` of the package silero-vad.
    """
    return Declared(
        states={"state": "stateN"},
        constants={"sr": rate},
        overlap={"input": before},
        axes={
            "input": parse_axes("input", "batch,time"),
            "state": parse_axes("state", "2,batch,128"),
            "output": parse_axes("output", f"batch,time/{samples}"),
        },
        chunk=(samples, samples),
        frame_period=1 / rate,
        recipe=name,
    )


#: By name; a constant of a recipe that a file does without is left out.
RECIPES: Mapping[str, Declared] = MappingProxyType(
    {
        "silero-vad": _silero_vad("silero-vad", 16_000, 512, 64),
        "silero-vad-8k": _silero_vad("silero-vad-8k", 8_000, 256, 32),
    }
)


def recipe_for(name: str | None, graph: Signature, where: str) -> Declared:
    """The recipe of this name for a graph, an empty one for None; UsageError where it is unknown or does not fit."""
    if name is None:
        return Declared()
    recipe = RECIPES.get(name) if isinstance(name, str) else None
    if recipe is None:
        raise UsageError("unknown recipe", got=repr(name), wanted=", ".join(RECIPES))
    inputs, outputs = ({value.name for value in side} for side in (graph.inputs, graph.outputs))
    wanted = set(recipe.axes) | set(recipe.states or {}) | set((recipe.states or {}).values())
    missing = sorted(wanted - inputs - outputs)
    if missing:
        raise UsageError(
            f"the recipe {name} is for another file",
            where=where,
            got=", ".join(sorted(inputs | outputs)),
            wanted=", ".join(missing),
        )
    return replace(recipe, constants={key: value for key, value in recipe.constants.items() if key in inputs})
