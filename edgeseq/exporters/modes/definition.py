"""What a file computes, in terms of its module alone: what verification holds an approximate file against.

Nothing here knows of rules, states or ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from edgeseq.contract import Contract
from edgeseq.exporters.modes.blockwise import BlockwiseBackward
from edgeseq.exporters.modes.windowed import windowed
from edgeseq.exporters.nesting import nested

#: ``definition(module, tensors)``: whole sequences in, by dotted name; what forward makes of them, in its order.
Definition = Callable[[nn.Module, Mapping[str, torch.Tensor]], Any]


def definition_of(contract: Contract) -> Definition:
    """What the file of this contract computes of its module: the module itself, unless its mode approximates."""
    name = contract.mode["name"]
    if name == "lookahead":
        return lambda model, given: _blockwise(contract.mode, model, given)
    if name == "window":
        return lambda model, given: windowed(contract, lambda window: tree_leaves(itself(model, window)), given)
    return itself


def itself(model: nn.Module, given: Mapping[str, torch.Tensor]) -> Any:
    """The module on whole sequences; what torch would compile, as ``scan``, runs as it is, whatever the length."""
    with torch.compiler.set_stance("force_eager"):
        return model(**nested(given))


def _blockwise(mode: Mapping[str, Any], model: nn.Module, given: Mapping[str, torch.Tensor]) -> Any:
    with BlockwiseBackward(mode["layers"]):
        return itself(model, given)
