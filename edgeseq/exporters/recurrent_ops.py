"""Recurrent calls kept whole during capture.

``nn.RNN``, ``nn.LSTM``, ``nn.GRU``, their subclasses and functional callers all reach one of four torch functions.
While :class:`KeepRecurrentCalls` is active, those four answer with one custom op, ``edgeseq::recurrent``, whose fake
kernel knows the output's shape for any length: nothing is unrolled and nothing depends on what was exported before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from edgeseq.errors import NotStreamable
from edgeseq.exporters.pooling_calls import POOLING
from edgeseq.exporters.size_branches import truth_of_sizes
from edgeseq.exporters.spectral_calls import SPECTRAL
from edgeseq.exporters.unfold_calls import fold, unfold

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
_TORCH_KERNELS: dict[str, Callable[..., tuple[torch.Tensor, ...]]] = {
    "lstm": torch.lstm,
    "gru": torch.gru,
    "rnn_tanh": torch.rnn_tanh,
    "rnn_relu": torch.rnn_relu,
}

_MODES: dict[Any, str] = {kernel: mode for mode, kernel in _TORCH_KERNELS.items()}
_MODES |= {getattr(torch._VF, mode): mode for mode in _TORCH_KERNELS}
# What a saved program calls.
_MODES |= {getattr(torch.ops.aten, mode).input: mode for mode in _TORCH_KERNELS}


@torch.library.custom_op("edgeseq::recurrent", mutates_args=())
def recurrent(
    x: torch.Tensor,
    hx: list[torch.Tensor],
    weights: list[torch.Tensor],
    mode: str,
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> list[torch.Tensor]:
    """Run a whole recurrent stack as torch does: ``[output, h_n]``, or ``[output, h_n, c_n]`` for an LSTM."""
    state = hx if mode == "lstm" else hx[0]
    results = _TORCH_KERNELS[mode](x, state, weights, has_biases, num_layers, 0.0, False, bidirectional, batch_first)
    return [result.clone() for result in results]


@recurrent.register_fake
def _(
    x: torch.Tensor,
    hx: list[torch.Tensor],
    weights: list[torch.Tensor],
    mode: str,
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> list[torch.Tensor]:
    directions = 2 if bidirectional else 1
    output = x.new_empty(x.shape[0], x.shape[1], hx[0].shape[-1] * directions)
    return [output, *(state.new_empty(state.shape) for state in hx)]


class KeepRecurrentCalls(TorchFunctionMode):
    """While active, torch's recurrent functions become calls of ``edgeseq::recurrent``."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Answer a recurrent call, a branch on sizes alone or what is captured as other calls; pass all else on."""
        if func in _PACKING:
            raise _packed()
        if func is torch.Tensor.__bool__ and (truth := truth_of_sizes(args[0])) is not None:
            return truth
        if getattr(func, "__self__", None) is torch.Tensor.data:  # the getter, under which the graph loses the tensor
            return args[0].detach()
        if (answer := _ANSWERS.get(func)) is not None:
            return answer(*args, **(kwargs or {}))
        mode = _MODES.get(func)
        if mode is None:
            return func(*args, **(kwargs or {}))
        return _keep(mode, *args, **(kwargs or {}))


#: Functions that are captured as others, which have rules.
_ANSWERS: dict[Any, Callable[..., Any]] = {
    **SPECTRAL,
    **POOLING,
    torch.nn.functional.unfold: unfold,
    torch.nn.functional.fold: fold,
}


def kernel_of(func: Callable[..., Any]) -> Callable[..., tuple[torch.Tensor, ...]] | None:
    """The torch function that runs the recurrent call ``func``; None for another function."""
    mode = _MODES.get(func)
    return None if mode is None else _TORCH_KERNELS[mode]


_PACKING = (
    torch._VF._pack_padded_sequence,
    torch._VF._pad_packed_sequence,
    torch.ops.aten._pack_padded_sequence.default,
    torch.ops.aten._pad_packed_sequence.default,
    *(getattr(torch.ops.aten, mode).data for mode in _TORCH_KERNELS),
)


def _packed() -> NotStreamable:
    return NotStreamable(
        "cannot stream a packed sequence",
        why="a packed batch orders frames by length, not by time",
        do="call the model on padded tensors and let the caller cut the outputs at each length",
    )


def _keep(mode: str, x: torch.Tensor, second: Any, third: Any, *rest: Any) -> tuple[torch.Tensor, ...]:
    if not isinstance(rest[0], (bool, int)) or isinstance(third, torch.Tensor):
        raise _packed()
    has_biases, num_layers, _dropout, _train, bidirectional, batch_first = rest
    hx = list(second) if mode == "lstm" else [second]
    return tuple(recurrent(x, hx, list(third), mode, has_biases, num_layers, bidirectional, batch_first))
