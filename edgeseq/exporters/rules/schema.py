"""Reading the arguments of an ATen call by name."""

from __future__ import annotations

from typing import Any

from edgeseq.exporters.step import Step


def bound(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The current node's arguments by their names in the op's schema, defaults included."""
    assert step.node is not None
    schema = step.node.target._schema  # type: ignore[union-attr]
    named = {argument.name: argument.default_value for argument in schema.arguments if argument.has_default_value()}
    named.update({argument.name: value for argument, value in zip(schema.arguments, args, strict=False)})
    return {**named, **kwargs}


def axes_of(dims: Any, rank: int) -> list[int]:
    """Axis numbers made non-negative; all axes for None or an empty list."""
    if dims is None or dims == []:
        return list(range(rank))
    return [dim % rank for dim in (dims if isinstance(dims, (list, tuple)) else [dims])]


def result_shape(step: Step, index: int | None = None) -> Any:
    """The captured shape of the current node's result, or of one of several."""
    assert step.node is not None
    value = step.node.meta["val"]
    return step.captured.shape(value if index is None else value[index])


def target(step: Step) -> Any:
    """The op that the current node calls."""
    assert step.node is not None
    return step.node.target
