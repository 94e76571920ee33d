"""The meaning of ``Lookahead``, with torch's own kernels: bidirectional layers whose backward halves start anew."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from edgeseq.exporters.recurrent_ops import kernel_of


class BlockwiseBackward(TorchFunctionMode):
    """While active, some recurrent calls of a module run their backward halves over a bounded look-ahead.

    ``layers`` are entries of a contract's ``mode.layers``: ``call`` counts the module's recurrent calls from 0,
    ``chunk`` and ``frames`` are in frames of the layer's input.
    """

    def __init__(self, layers: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.layers = {layer["call"]: layer for layer in layers}
        self.calls = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Answer the recurrent calls that are approximated; pass everything else on."""
        kernel = kernel_of(func)
        if kernel is None:
            return func(*args, **(kwargs or {}))
        layer = self.layers.get(self.calls)
        self.calls += 1
        return kernel(*args) if layer is None else _stack(kernel, layer["chunk"], layer["frames"], *args)


def _stack(
    kernel: Callable[..., Any],
    chunk: int,
    right: int,
    x: torch.Tensor,
    hx: Any,
    weights: Sequence[torch.Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Any, ...]:
    """A bidirectional stack as torch returns it; its final states mean nothing."""
    states = list(hx) if isinstance(hx, (tuple, list)) else [hx]
    size = len(weights) // (2 * num_layers)
    frames = x.transpose(0, 1) if batch_first else x

    def run(cell: int, frames: torch.Tensor) -> torch.Tensor:
        own = [state[cell : cell + 1].repeat(1, frames.shape[1] // state.shape[1], 1) for state in states]
        given = tuple(own) if isinstance(hx, (tuple, list)) else own[0]
        part = list(weights[cell * size : (cell + 1) * size])
        y: torch.Tensor = kernel(frames.contiguous(), given, part, has_biases, 1, 0.0, False, False, False)[0]
        return y

    for layer in range(num_layers):
        backward = _backward(frames, functools.partial(run, 2 * layer + 1), chunk, right)
        frames = torch.cat([run(2 * layer, frames), backward], -1)
    return (frames.transpose(0, 1) if batch_first else frames, *states)


def _backward(
    frames: torch.Tensor, run: Callable[[torch.Tensor], torch.Tensor], chunk: int, right: int
) -> torch.Tensor:
    """Frame j comes from the run that starts at the first multiple of ``chunk`` beyond ``j + right``, or at the end."""

    def back(part: torch.Tensor) -> torch.Tensor:
        return run(part.flip(0)).flip(0)

    total, parts, given = frames.shape[0], [], 0
    for known in range(chunk, total, chunk):
        if given == known - chunk - right:
            break  # from here on all runs are of one length
        if known > right:
            parts.append(back(frames[given:known])[: known - right - given])
            given = known - right
    runs = (total - 1 - given - right) // chunk
    if runs > 0:
        windows = frames[given : given + runs * chunk + right].unfold(0, chunk + right, chunk)
        made = back(windows.permute(3, 0, 1, 2).flatten(1, 2))[:chunk]
        parts.append(made.reshape(chunk, runs, *frames.shape[1:2], -1).transpose(0, 1).flatten(0, 1))
        given += runs * chunk
    return torch.cat([*parts, back(frames[given:])])
