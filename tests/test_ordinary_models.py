"""Ordinary models, exported as they are: their streams give what they compute, from the first frame to the last."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

import edgeseq
from edgeseq import runtime
from edgeseq.contract import Contract
from edgeseq.specs import InputSpec, parse_spec
from tests.models import BY_ID, MODELS, Model

Array = npt.NDArray[Any]
BATCH = 2

# float32 sums of a few dozen terms, carried through at most some hundred steps: 2e-5 of the largest answer is some
# forty times what is seen, and a frame out of place is off by thousands of times as much.
TOLERANCE = 2e-5


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Torch on one thread: these sequences are short, and threads that wait for each other take ten times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def specs(row: Model) -> dict[str, InputSpec]:
    """The inputs by dotted name, as the contract names them."""
    found = {}
    for name, spec in row.inputs.items():
        for index, text in enumerate([spec] if isinstance(spec, str) else spec):
            found[name if isinstance(spec, str) else f"{name}.{index}"] = parse_spec(text)
    return found


def draw(row: Model, frames: int) -> dict[str, Array]:
    """Random inputs by dotted name."""
    generator = np.random.default_rng(zlib.crc32(row.id.encode()))
    sizes = {"batch": BATCH, "time": frames, "words": 7, "source": 9}
    arrays: dict[str, Array] = {}
    for name, spec in specs(row).items():
        shape = spec.sizes(sizes)
        arrays[name] = (
            generator.integers(0, row.below, shape)
            if spec.dtype == "int64"
            else generator.standard_normal(shape).astype(spec.dtype)
        )
    return arrays


def between(row: Model, arrays: Mapping[str, Array], first: int, last: int) -> dict[str, Array]:
    """The base frames from ``first`` to ``last`` of every input that has time."""
    return {
        name: np.take(arrays[name], range(first * spec.ratio, last * spec.ratio), axis=spec.time_axis)
        for name, spec in specs(row).items()
        if spec.time_axis is not None
    }


def whole(row: Model, module: nn.Module, arrays: Mapping[str, Array], frames: int) -> list[Array]:
    """What the module gives for the first ``frames`` frames, in forward's order."""
    given = {name: torch.from_numpy(array) for name, array in {**arrays, **between(row, arrays, 0, frames)}.items()}
    arguments = {
        name: given[name] if isinstance(spec, str) else tuple(given[f"{name}.{i}"] for i in range(len(spec)))
        for name, spec in row.inputs.items()
    }
    with torch.no_grad():
        return [value.numpy() for value in pytree.tree_leaves(module(**arguments))]


def chunks(frames: int, seed: int) -> list[int]:
    """Sizes from 1 to 11 that add up to ``frames``."""
    generator = np.random.default_rng(seed)
    sizes: list[int] = []
    while sum(sizes) < frames:
        sizes.append(min(int(generator.integers(1, 12)), frames - sum(sizes)))
    return sizes


def answers(
    row: Model, model: runtime.Model, arrays: Mapping[str, Array], sizes: list[int]
) -> Iterator[tuple[int, dict[str, Array]]]:
    """After each chunk: the frames so far and the answer by output name. The last is the flush's."""
    conditioning = {name: arrays[name] for name, spec in specs(row).items() if spec.time_axis is None}
    batched = any(spec.batch_axis is not None for spec in specs(row).values())
    stream = model.stream(batch=BATCH if batched else 1, conditioning=conditioning or None)
    taken = 0
    for size in sizes:
        answer = stream.step(between(row, arrays, taken, taken + size))
        taken += size
        yield taken, named(model.contract, answer)
    yield taken, named(model.contract, stream.flush())


def named(contract: Contract, answer: Any) -> dict[str, Array]:
    """An answer as a dict, also where there is one output."""
    return answer if isinstance(answer, dict) else {contract.with_role("output")[0].name: answer}


def streamed(row: Model, model: runtime.Model, arrays: Mapping[str, Array], sizes: list[int]) -> list[Array]:
    """Every output over the whole stream: frames concatenated, the final value of a summary."""
    pieces = [answer for _, answer in answers(row, model, arrays, sizes)]
    return [
        pieces[-1][port.name]
        if port.time_axis is None
        else np.concatenate([piece[port.name] for piece in pieces], port.time_axis)
        for port in model.contract.with_role("output")
    ]


def assert_same(found: list[Array], wanted: list[Array], *, folded: bool = False) -> None:
    """Equal in number, type, shape and, up to rounding, value; ``folded``: the stream unfolds the model's axes."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        assert one.size == other.size
        assert folded or one.shape == other.shape
        scale = max(1.0, float(np.abs(other).max(initial=0.0)))
        np.testing.assert_allclose(one.reshape(other.shape), other, rtol=0, atol=TOLERANCE * scale)


def rows(*ids: str) -> list[Any]:
    """Rows of the table as parameters with readable ids."""
    marks = {name: [pytest.mark.thorough] for name in LONG if not ids}
    return [pytest.param(BY_ID[name], id=name, marks=marks.get(name, [])) for name in ids or BY_ID]


#: Their exports take the longest, and others of their families are exported in every run.
LONG = {
    *(
        "added-inputs",
        "causal-denoiser",
        "conv-tasnet-block",
        "dict-outputs",
        "dpcrn",
        "film-tcn",
        "gtcrn",
        "heinsen-gru",
    ),
    *("hybrid-decoder", "lip-reader", "lstm-projected", "masked-memory", "min-lstm", "multi-speaker", "multi-task"),
    *("sentence-vae", "show-attend-tell", "speech-translation", "three-to-two", "trajectory-decoder"),
    *("transformer-seq2seq", "vocoder", "wavenet-without-padding"),
}


# torch says this once per process of every LSTM with a projection on an x86 machine, exported or not.
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")
@pytest.mark.parametrize("row", rows())
def test_stream_gives_what_the_model_computes(row: Model, tmp_path: Path) -> None:
    module = row.build()
    exported = edgeseq.export(module, inputs=row.inputs, path=tmp_path / "model.onnx")
    assert exported.verification.passed
    model = runtime.load(exported.path)
    contract = model.contract
    assert (contract.delay, contract.chunk.multiple) == (row.delay, row.multiple)

    arrays = draw(row, row.frames)
    wanted = whole(row, module, arrays, row.frames)
    for sizes in (chunks(row.frames, seed=row.frames), [row.frames]):
        assert_same(streamed(row, model, arrays, sizes), wanted, folded=row.folded)

    prompt = [
        (place, port.name)
        for place, port in enumerate(contract.with_role("output"))
        if port.time_axis is None and port.delay == 0 and contract.chunk.multiple == 1
    ]
    for taken, answer in answers(row, model, arrays, chunks(row.frames, seed=1)) if prompt else ():
        if taken >= contract.min_frames:
            past = whole(row, module, arrays, taken)
            assert_same([answer[name] for _, name in prompt], [past[place] for place, _ in prompt])


@pytest.mark.parametrize("row", rows("relu-regressor", "residual-front-end", "trajectory-decoder"))
def test_portable_files_hold_standard_ops_only(row: Model, tmp_path: Path) -> None:
    module = row.build()
    exported = edgeseq.export(module, inputs=row.inputs, path=tmp_path / "model.onnx", ops="portable")
    file = onnx.load(exported.path)
    assert {entry.domain or "ai.onnx" for entry in file.opset_import} == {"ai.onnx"}
    assert {node.domain or "ai.onnx" for node in file.graph.node} == {"ai.onnx"}
    assert set(exported.contract.opset) == {"ai.onnx"}

    arrays = draw(row, row.frames)
    found = streamed(row, runtime.load(exported.path), arrays, chunks(row.frames, seed=3))
    assert_same(found, whole(row, module, arrays, row.frames))


def test_order_of_exports_changes_nothing(tmp_path: Path) -> None:
    ids = ["relu-regressor", "learned-start", "derivatives"]
    files: dict[str, list[bytes]] = {name: [] for name in ids}
    for turn, order in enumerate((ids, [ids[i] for i in (2, 0, 1)])):
        for name in order:
            path = tmp_path / f"{name}-{turn}.onnx"
            edgeseq.export(BY_ID[name].build(), inputs=BY_ID[name].inputs, path=path)
            files[name].append(path.read_bytes())
    assert {name for name, (first, second) in files.items() if first != second} == set()


@pytest.mark.parametrize("row", rows("time-distributed"))
def test_the_model_is_put_back_as_it_was(row: Model, tmp_path: Path) -> None:
    module = row.build().train()
    module.mlp[1].eval()  # type: ignore[index, union-attr]
    modes = [part.training for part in module.modules()]
    tensors = {name: value.clone() for name, value in module.state_dict().items()}
    random = torch.get_rng_state()
    exported = edgeseq.export(module, inputs=row.inputs, path=tmp_path / "model.onnx")
    assert [part.training for part in module.modules()] == modes
    assert all(torch.equal(value, tensors[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in module.parameters())

    arrays = draw(row, row.frames)
    wanted = whole(row, module.eval(), arrays, row.frames)
    assert_same(streamed(row, runtime.load(exported.path), arrays, chunks(row.frames, seed=4)), wanted)


def test_every_model_says_why_it_is_here() -> None:
    assert len(BY_ID) == len(MODELS) >= 24
    assert all(row.why for row in MODELS)


@pytest.mark.parametrize("wrong", ["one value", "a frame late", "type", "shape", "an output too few"])
def test_the_comparison_can_fail(wrong: str) -> None:
    right = np.random.default_rng(0).standard_normal((2, 9, 3)).astype(np.float32)
    found = right.copy()
    found[1, 8, 2] += np.float32(1e-4)
    mistakes: dict[str, list[Array]] = {
        "one value": [found],
        "a frame late": [np.roll(right, 1, axis=1)],
        "type": [right.astype(np.float64)],
        "shape": [right.reshape(2, 3, 9)],
        "an output too few": [],
    }
    assert_same([right.copy()], [right])
    with pytest.raises(AssertionError):
        assert_same(mistakes[wrong], [right])
