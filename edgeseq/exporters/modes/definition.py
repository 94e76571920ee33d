"""What a file computes, in terms of its module alone: what verification holds an approximate file against.

Nothing here knows of rules, states or ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from edgeseq.contract import Contract
from edgeseq.exporters.modes.blockwise import BlockwiseBackward

#: ``definition(module, arguments of forward)``: whole sequences in, whole sequences out.
Definition = Callable[[nn.Module, Mapping[str, Any]], Any]


def definition_of(contract: Contract) -> Definition:
    """What the file of this contract computes of its module: the module itself, unless its mode approximates."""
    mode = contract.mode
    if mode["name"] == "lookahead":
        return lambda model, given: _blockwise(mode, model, given)
    return itself


def itself(model: nn.Module, given: Mapping[str, Any]) -> Any:
    """The module on whole sequences."""
    return model(**given)


def _blockwise(mode: Mapping[str, Any], model: nn.Module, given: Mapping[str, Any]) -> Any:
    with BlockwiseBackward(mode["layers"]):
        return model(**given)
