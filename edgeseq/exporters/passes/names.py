"""A weight is called what the module calls it, also where its transposition was folded. Changes names alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import torch


def name_weights(model: ir.Model, tensors: Mapping[str, torch.Tensor]) -> None:
    """Call every matrix that is one of ``tensors``, transposed, by that one's name.

    The exporter folds the transposition of a linear layer's weight and calls the result ``val_21``; whoever looks into
    the file, or quantizes it, wants to know whose it is.
    """
    taken = set(model.graph.initializers)
    matrices = [(name, tensor) for name, tensor in tensors.items() if tensor.ndim == 2 and name not in taken]
    for value in list(model.graph.initializers.values()):
        if str(value.name).startswith("val_") and (name := _name(value, matrices)) is not None and name not in taken:
            taken.add(name)
            value.name = name


def _name(value: ir.Value, matrices: list[tuple[str, torch.Tensor]]) -> str | None:
    tensor = value.const_value
    if tensor is None or len(tensor.shape) != 2:
        return None
    found = tensor.numpy()
    for name, matrix in matrices:
        if tuple(matrix.shape) == found.shape[::-1] and np.array_equal(matrix[:, 0].numpy(), found[0]):
            whole = matrix.detach().cpu().numpy()
            if np.array_equal(whole.T, found):
                return name
    return None
