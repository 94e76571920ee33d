"""A loop over time as one op, ``edgeseq::loop``, whose body is a small graph.

Its fake kernel knows the results' shapes for any number of frames, so that a model holding it is captured with a
symbolic time axis.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Body:
    """One turn of a loop.

    ``graph`` takes a frame of every sequence, the carried values, then constants and sizes; it returns what is stored,
    then the carried values of the next turn. ``frame_axes`` is where time is in each sequence, ``store_axes`` where it
    is put in each result; ``names`` are the user's for the carried values, or ours.
    """

    graph: torch.fx.GraphModule
    frame_axes: tuple[int, ...]
    store_axes: tuple[int, ...]
    names: tuple[str, ...]

    def turn(
        self, frames: list[torch.Tensor], carried: list[torch.Tensor], constants: list[torch.Tensor], sizes: list[Any]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """What one turn stores, and what it carries on."""
        return self.parted(torch.fx.Interpreter(self.graph).run(*frames, *carried, *constants, *sizes))

    def parted(self, results: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """What the graph returned: what is stored, and what is carried on."""
        stored = len(self.store_axes)
        return list(results[:stored]), list(results[stored:])


#: Bodies by a hash of what they compute: equal loops share one.
_BODIES: dict[str, Body] = {}


def keep_body(body: Body) -> str:
    """The key under which ``edgeseq::loop`` finds the body."""
    graphs = [module.graph for module in body.graph.modules() if isinstance(module, torch.fx.GraphModule)]
    text = "\n".join(f"{n.op} {n.target} {n.args} {n.kwargs}" for graph in graphs for n in graph.nodes)
    held = [f"{name} {tensor.dtype} {tensor.tolist()}" for name, tensor in body.graph.named_buffers()]
    layout = f"{body.frame_axes} {body.store_axes} {body.names} {held}"
    key = hashlib.sha256(f"{text}\n{layout}".encode()).hexdigest()[:32]
    _BODIES.setdefault(key, body)
    return key


def body_of(key: str) -> Body:
    """The body that :func:`keep_body` kept."""
    return _BODIES[key]


@torch.library.custom_op("edgeseq::loop", mutates_args=())
def loop(
    frames: list[torch.Tensor],
    initials: list[torch.Tensor],
    constants: list[torch.Tensor],
    sizes: list[int],
    key: str,
) -> list[torch.Tensor]:
    """Run the body on every frame in turn: what each place of it stored, then the last carried values."""
    body, carried = body_of(key), list(initials)
    stored: list[list[torch.Tensor]] = [[] for _ in body.store_axes]
    count = frames[0].shape[body.frame_axes[0]]
    if count == 0:
        return [value.clone() for value in _shaped(body, frames, carried, constants, sizes)]
    for t in range(count):
        now = [value.select(axis, t) for value, axis in zip(frames, body.frame_axes, strict=True)]
        results, carried = body.turn(now, carried, constants, sizes)
        for parts, value in zip(stored, results, strict=True):
            parts.append(value)
    joined = [torch.stack(parts, axis) for parts, axis in zip(stored, body.store_axes, strict=True)]
    return joined + [value.clone() for value in carried]


@loop.register_fake
def _(
    frames: list[torch.Tensor],
    initials: list[torch.Tensor],
    constants: list[torch.Tensor],
    sizes: list[int],
    key: str,
) -> list[torch.Tensor]:
    return _shaped(body_of(key), frames, list(initials), constants, sizes)


def _shaped(
    body: Body,
    frames: list[torch.Tensor],
    carried: list[torch.Tensor],
    constants: list[torch.Tensor],
    sizes: list[Any],
) -> list[torch.Tensor]:
    """Tensors of the results' shapes, found by one turn on a frame of nothing."""
    count = frames[0].shape[body.frame_axes[0]]
    now = [
        value.new_zeros([*value.shape[:axis], *value.shape[axis + 1 :]])
        for value, axis in zip(frames, body.frame_axes, strict=True)
    ]
    results, carried_on = body.turn(now, carried, constants, sizes)
    shapes = [list(value.shape) for value in results]
    for shape, axis in zip(shapes, body.store_axes, strict=True):
        shape.insert(axis, count)
    joined = [value.new_empty(shape) for value, shape in zip(results, shapes, strict=True)]
    return joined + [value.new_empty(value.shape) for value in carried_on]
