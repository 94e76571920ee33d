"""What rules read off the captured call: its arguments by name, its op, its result or its several results."""

from __future__ import annotations

from collections.abc import Callable
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


def has_several_results(step: Step) -> bool:
    """True where the current node's op returns a tuple or a list."""
    assert step.node is not None
    return isinstance(step.node.meta["val"], (tuple, list))


def result_is_used(step: Step, index: int) -> bool:
    """True where some node reads the current node's result ``index``."""
    assert step.node is not None
    return any(user.args[1] == index for user in step.node.users)


def each_result(step: Step, run: Callable[[int | None], tuple[Any, Any]]) -> tuple[Any, Any]:
    """``run(None)`` for an op with one result; for one with several, ``run(index)`` of each that is used, in lists."""
    if not has_several_results(step):
        return run(None)
    count = len(step.node.meta["val"])  # type: ignore[union-attr]
    pairs = [run(index) if result_is_used(step, index) else (None, None) for index in range(count)]
    return [value for value, _ in pairs], [fact for _, fact in pairs]


def picked(result: Any, index: int | None) -> Any:
    """Result ``index`` of an op with several; the one result for None."""
    return result if index is None else result[index]


def target(step: Step) -> Any:
    """The op that the current node calls."""
    assert step.node is not None
    return step.node.target
