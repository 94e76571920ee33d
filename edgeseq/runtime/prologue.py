"""The prologue: a second graph beside the step's, run once when a stream opens, on what the caller gave."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseq.contract import Contract, axis_parts
from edgeseq.errors import ContractError, ModelFileError, ProviderError
from edgeseq.modelfile import ModelFile, read_model_file
from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import engine_errors, first_line
from edgeseq.runtime.inputs import known_shape, show


def find_prologue(path: Path, contract: Contract) -> ModelFile | None:
    """The file of the prologue that a contract names; None where it names none.

    Raises ModelFileError where it is missing, lies outside the folder of the model at ``path`` or is damaged.
    """
    if contract.prologue is None:
        return None
    file = path.parent / contract.prologue.file
    if not file.is_file():
        raise ModelFileError(
            "the model's prologue is missing",
            where=str(path),
            why="what depends on the conditioning alone is computed by a second file",
            wanted=repr(contract.prologue.file),
            do="copy it into the same folder under this name; to rename both, export the model again",
        )
    if os.path.dirname(os.path.realpath(file)) != os.path.realpath(path.parent):
        raise ModelFileError(
            "the model names a prologue outside its folder",
            where=str(path),
            got=repr(contract.prologue.file),
            wanted="a file beside it",
            do="do not trust this file",
        )
    return read_model_file(file)


@dataclass(frozen=True)
class Prologue:
    """A session over the prologue's file, and what the contract says of it."""

    session: Any
    contract: Contract

    def run(self, conditioning: Mapping[str, Array], sizes: dict[str, int]) -> dict[str, Array]:
        """The constants that the stream needs, by name; axes that only they have join ``sizes``.

        Raises ProviderError where onnxruntime fails, ContractError where the graph gives what the contract does not
        promise.
        """
        named = self.contract.prologue
        assert named is not None
        try:
            values = self.session.run(list(named.outputs), {name: conditioning[name] for name in named.inputs})
        except engine_errors() as error:
            raise ProviderError(
                "onnxruntime failed in the prologue",
                why=first_line(error),
                do=f"check {', '.join(named.inputs)}: the model may not take arrays of this size",
            ) from error
        return {
            name: self._checked(name, np.asarray(value), sizes)
            for name, value in zip(named.outputs, values, strict=True)
        }

    def _checked(self, name: str, value: Array, sizes: dict[str, int]) -> Array:
        port = self.contract.port(name)
        fits = value.dtype == np.dtype(port.dtype) and value.ndim == len(port.shape) and value.size > 0
        for axis, size in zip(port.shape, value.shape, strict=False):
            times, word = (axis, "") if isinstance(axis, int) else axis_parts(axis)
            fits = fits and size == times * (sizes.setdefault(word, size // times) if word else 1)
        if not fits:
            raise ContractError(
                f"the prologue gives another {name} than the contract says",
                got=f"{value.dtype} {show(value.shape)}",
                wanted=f"{port.dtype} {show(known_shape(port.shape, sizes))}",
                do="export the model again",
            )
        return value
