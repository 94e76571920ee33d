"""``--example file.py:function``: real inputs from the user's own code, and the specs that can be read off them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeseq.cli.model_source import attribute
from edgeseq.cli.users_code import running
from edgeseq.errors import UsageError
from edgeseq.specs import DTYPES, InputSpec

if TYPE_CHECKING:
    from torch import nn

Array = npt.NDArray[Any]
Sample = dict[str, Array]

_RETURNS = "a dict from input names to tensors or arrays, a tuple in forward's order, or a list of those"


def read_examples(source: str, model: nn.Module) -> list[Sample]:
    """What the function named by ``source`` returns: one dict of arrays, by dotted input name, for every sample.

    Floats come as float32, in which the model is computed. Raises UsageError for anything else than it may return.
    """
    function = attribute(source, "an example", "data.py:example")
    if not callable(function):
        raise UsageError(f"{source} is no function", got=type(function).__name__, wanted=f"one that returns {_RETURNS}")
    with running(f"calling {source}"):
        returned = function()
    samples = returned if isinstance(returned, list) else [returned]
    if not samples:
        raise UsageError(f"{source} returned no sample", got="an empty list", wanted=_RETURNS)
    names = list(inspect.signature(model.forward).parameters)
    return [dict(_flat(source, _by_name(source, sample, names))) for sample in samples]


def derived(samples: list[Sample], given: Mapping[str, InputSpec]) -> dict[str, InputSpec]:
    """Specs for the inputs that no ``--input`` gives: the first axis is the batch, the second one time.

    ``given`` are those specs by dotted name. UsageError where an input has a single axis, which may be either.
    """
    found: dict[str, InputSpec] = {}
    for name, array in ((name, array) for sample in samples for name, array in sample.items()):
        if name in given or name in found:
            continue
        if array.ndim == 1:
            raise UsageError(
                f"cannot tell what the only axis of {name} is",
                got=f"{array.dtype}[{len(array)}]",
                do=f"say it with --input '{name}={array.dtype}[batch]', [time] or [{len(array)}]",
            )
        words: tuple[int | str, ...] = ("batch", "time")[: array.ndim]
        found[name] = InputSpec(str(array.dtype), (*words, *array.shape[2:]))
    return found


def check_samples(samples: list[Sample], specs: Mapping[str, InputSpec]) -> None:
    """UsageError where a sample does not fit the specs: dtype, rank, fixed sizes, one size for each word.

    Every input of a sample has a spec.
    """
    for index, sample in enumerate(samples):
        where = f"sample {index}" if len(samples) > 1 else "the example"
        sizes: dict[str, tuple[str, int]] = {}
        for name, array in sample.items():
            _check_fit(where, name, array, specs[name])
            for axis, size in zip(specs[name].shape, array.shape, strict=True):
                if isinstance(axis, str):
                    _check_word(where, name, specs[name], axis, size, sizes)


def fitted(samples: list[Sample], specs: Mapping[str, InputSpec]) -> list[Sample]:
    """The samples with floats in the width of their specs."""
    return [
        {
            name: array.astype(specs[name].dtype) if array.dtype.kind == "f" and name in specs else array
            for name, array in sample.items()
        }
        for sample in samples
    ]


def _check_fit(where: str, name: str, array: Array, spec: InputSpec) -> None:
    fits = array.ndim == len(spec.shape) and all(
        isinstance(axis, str) or axis == size for axis, size in zip(spec.shape, array.shape, strict=True)
    )
    if not fits or str(array.dtype) != spec.dtype or 0 in array.shape:
        raise UsageError(
            f"{name} of {where} does not fit its input spec",
            got=f"{array.dtype}[{','.join(map(str, array.shape))}]",
            wanted=str(spec),
            do=f"change the example, or say what {name} is with --input",
        )


def _check_word(
    where: str, name: str, spec: InputSpec, axis: str, size: int, sizes: dict[str, tuple[str, int]]
) -> None:
    """Hold an axis against the size that its word has in the inputs before it."""
    word = "time" if spec.shape.index(axis) == spec.time_axis else axis
    times = spec.ratio if word == "time" else 1
    first, known = sizes.setdefault(word, (name, size // times))
    if known * times == size:
        return
    more = size // known if word == "time" and times == 1 and size % known == 0 else 0
    shape = ",".join(f"{more}*time" if item == axis else str(item) for item in spec.shape)
    raise UsageError(
        f"{word} has two sizes in {where}",
        got=f"{known} in {first}, {size}{f'/{times}' if times > 1 else ''} in {name}",
        do=f"if they are the same stretch of time, say --input '{name}={spec.dtype}[{shape}]'"
        if more > 1
        else f"say what the axes of {name} are with --input",
    )


def _by_name(source: str, sample: Any, names: list[str]) -> dict[str, Any]:
    if isinstance(sample, Mapping):
        found = dict(sample)
    elif isinstance(sample, tuple):
        found = dict(zip(names, sample, strict=False))
        if len(sample) > len(names):
            raise UsageError(
                f"{source} returned more than forward takes", got=f"{len(sample)} values", wanted=", ".join(names)
            )
    else:
        raise UsageError(f"{source} returned something else", got=type(sample).__name__, wanted=_RETURNS)
    unknown = [str(name) for name in found if name not in names]
    if unknown:
        raise UsageError(f"{source} names an input that forward does not take", got=unknown[0], wanted=", ".join(names))
    return found


def _flat(source: str, tree: Any, prefix: str = "") -> Iterator[tuple[str, Array]]:
    """Every tensor or array with its dotted name, as an array: floats in float32."""
    if isinstance(tree, (Mapping, tuple, list)):
        items = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
        for key, item in items:
            yield from _flat(source, item, f"{prefix}.{key}" if prefix else str(key))
        return
    array = _array(tree)
    if array is None or str(array.dtype) not in DTYPES:
        got = type(tree).__name__ if array is None else str(array.dtype)
        raise UsageError(f"{source} returned no tensor for {prefix}", got=got, wanted="a tensor or a numpy array")
    yield prefix, array


def _array(value: Any) -> Array | None:
    import torch

    if isinstance(value, torch.Tensor):
        tensor = value.detach().cpu()
        value = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    if not isinstance(value, np.ndarray):
        return None
    array: Array = value.astype(np.float32) if value.dtype.kind == "f" else value
    return array
