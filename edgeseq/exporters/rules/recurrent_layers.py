"""The weights of a recurrent stack in ONNX order, and one of its layers run."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from edgeseq.exporters.step_ops import TORCH_TO_ONNX, recurrent_layer, reorder_gates


class Holder(Protocol):
    """What holds the weights: a step, or a graph that runs whole sequences."""

    planning: bool

    def constant(self, suffix: str, value: torch.Tensor | None) -> torch.Tensor:
        """A tensor known at export; ``value`` is only given while planning."""


class Layers:
    """The weights of a recurrent stack in ONNX order, one entry per layer."""

    def __init__(self, step: Holder, weights: list[torch.Tensor], mode: str, has_biases: bool, directions: int) -> None:
        projected = mode == "lstm" and len(weights) % (3 + 2 * has_biases) == 0 and _is_projected(weights, has_biases)
        self.mode, self.directions = mode, directions
        self.states = ("h", "c") if mode == "lstm" else ("h",)
        per_cell = 2 + 2 * has_biases + projected
        self.hidden = weights[0].shape[0] // len(TORCH_TO_ONNX[mode])
        cells = [weights[i : i + per_cell] for i in range(0, len(weights), per_cell)]
        self.layers = [
            self._layer(step, cells[i : i + directions], has_biases, projected)
            for i in range(0, len(cells), directions)
        ]

    def _layer(
        self, step: Holder, cells: list[Any], has_biases: bool, projected: bool
    ) -> dict[str, torch.Tensor | None]:
        if not step.planning:
            names = ["w", "r", "b", "projection", "lift"][: 5 if projected else 3]
            return {name: step.constant(name, None) for name in names}
        order = TORCH_TO_ONNX[self.mode]
        w, r, b, projections = [], [], [], []
        for cell in cells:
            recurrent = cell[1] @ cell[-1] if projected else cell[1]
            bias = cell[2:4] if has_biases else [cell[0].new_zeros(cell[0].shape[0])] * 2
            w.append(reorder_gates(cell[0], order))
            r.append(reorder_gates(recurrent, order))
            b.append(torch.cat([reorder_gates(part, order) for part in bias]))
            projections += [cell[-1].t()] if projected else []
        found = {"w": torch.stack(w), "r": torch.stack(r), "b": torch.stack(b)}
        if projected:
            found["projection"] = torch.stack(projections)
            found["lift"] = torch.linalg.pinv(found["projection"].double()).to(w[0].dtype)
        return {name: step.constant(name, tensor) for name, tensor in found.items()}


def _is_projected(weights: list[torch.Tensor], has_biases: bool) -> bool:
    hidden = weights[0].shape[0] // 4
    return weights[1].shape[1] != hidden or (
        len(weights) > 2 + 2 * has_biases and weights[2 + 2 * has_biases].shape[0] != weights[0].shape[0]
    )


def run_layer(
    x: torch.Tensor, states: list[torch.Tensor], layer: dict[str, Any], layers: Layers, lengths: torch.Tensor | None
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """One layer on ``[time, batch, features]``; states as torch has them (an LSTM's h projected, if it projects)."""
    projection = layer.get("projection")
    if projection is not None:
        states = [states[0] @ layer["lift"], states[1]]
    y, *new = recurrent_layer(x, layer["w"], layer["r"], layer["b"], states, lengths, layers.mode, layers.hidden)
    if projection is not None:
        y, new = y @ projection, [new[0] @ projection, new[1]]
    if layers.directions == 1:
        return y.squeeze(1), new
    return y.transpose(1, 2).flatten(2), new


def run_stack(x: torch.Tensor, states: list[torch.Tensor], layers: Layers, batch_first: bool) -> list[torch.Tensor]:
    """The whole stack on whole sequences, as torch returns it: ``[output, h_n]``, or ``[output, h_n, c_n]``."""
    x = x.transpose(0, 1) if batch_first else x
    finals: list[list[torch.Tensor]] = [[] for _ in states]
    for index, layer in enumerate(layers.layers):
        rows = slice(index * layers.directions, (index + 1) * layers.directions)
        x, new = run_layer(x, [state[rows] for state in states], layer, layers, None)
        for collected, state in zip(finals, new, strict=True):
            collected.append(state)
    y = x.transpose(0, 1) if batch_first else x
    return [y, *(torch.cat(parts) if len(parts) > 1 else parts[0] for parts in finals)]
