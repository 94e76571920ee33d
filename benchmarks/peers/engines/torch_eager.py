"""PyTorch as one steps it by hand: the module under ``no_grad``, states kept between calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.cases import Case
from benchmarks.peers.stepping import Array, caches

if TYPE_CHECKING:
    import torch

    from benchmarks.peers.networks import CachedStep


def prepare(case: Case, folder: Path) -> None:
    """Write the weights."""
    import torch

    from benchmarks.peers.networks import network

    torch.save(network(case).state_dict(), folder / "weights.pt")


def import_packages() -> None:
    """PyTorch."""
    import torch  # noqa: F401


class Recurrent:
    """``call(frame, *states)`` gives the answer and the states after it."""

    def __init__(self, call: Callable[..., Any], initial: tuple[torch.Tensor, ...]) -> None:
        import torch

        self._call, self._initial, self._tensor = call, initial, torch.from_numpy
        self._states: Any = initial

    def step(self, frame: Array) -> Array:
        """One call."""
        answer, *self._states = self._call(self._tensor(frame), *self._states)
        out: Array = answer.numpy()
        return out

    def reset(self) -> None:
        """To zero states."""
        self._states = self._initial


class Cached:
    """``call(token, position)`` writes the caches of its module in place; what is behind the position is not seen."""

    def __init__(self, call: Callable[..., Any], start: int) -> None:
        import torch

        self._call, self._start, self._tensor = call, start, torch.from_numpy
        self._position = start

    def step(self, frame: Array) -> Array:
        """One call."""
        answer = self._call(self._tensor(frame), self._position)
        self._position += 1
        out: Array = answer.numpy()
        return out

    def reset(self) -> None:
        """To the first step: later tokens are written over."""
        self._position = self._start


def open_step(case: Case, folder: Path) -> Recurrent | Cached:
    """The module on one thread; gradients are off in the whole process."""
    one_thread()
    from benchmarks.peers.networks import GrowingStep

    if case.position is None:
        module = recurrent(case, folder)
        return Recurrent(module, module.initial())
    return Cached(transformer(case, folder, GrowingStep).at, case.start)


def one_thread() -> None:
    """PyTorch on one thread, without gradients."""
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)


def recurrent(case: Case, folder: Path) -> Any:
    """The step of a recurrent case with the stored weights."""
    from benchmarks.peers.networks import RecurrentStep, blank

    return RecurrentStep(blank(case, folder)).eval()


def transformer(case: Case, folder: Path, kind: type[CachedStep]) -> Any:
    """The step of a GPT with the stored weights, its caches filled."""
    from benchmarks.peers.networks import blank, fill

    return fill(kind(blank(case, folder), case.capacity), caches(folder)).eval()
