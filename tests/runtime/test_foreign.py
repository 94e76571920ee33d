"""Arrays of other packages: torch's tensors and whatever has ``__dlpack__`` or ``__array__``, read where they lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from edgeseq import runtime
from edgeseq.errors import NonFiniteInput, ShapeError
from edgeseq.runtime.foreign import as_array
from tests import handmade
from tests.runtime.test_lean import loaded_by
from tests.runtime.test_snapshots import MADE, Load, arrays, inputs, opened


class Wrapped:
    """What has ``__array__`` and nothing else, as a data frame."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.array


class Elsewhere:
    """A tensor on a GPU, as DLPack shows it."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 1)

    def __dlpack__(self, **given: object) -> object:
        raise AssertionError("nobody may ask")


@pytest.mark.parametrize("name", list(MADE))
@pytest.mark.parametrize("kind", [torch.from_numpy, Wrapped])
def test_the_answers_are_those_of_numpy_arrays(load: Load, name: str, kind: Any) -> None:
    model, x = load(MADE[name]), inputs(MADE[name], 12)
    one, other = opened(model), opened(model)
    for begin, end in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 9), (9, 10), (10, 12)]:
        frames = {port: array[:, begin:end] for port, array in x.items()}
        got = one.step({port: kind(array) for port, array in frames.items()})
        for a, b in zip(arrays(got), arrays(other.step(frames)), strict=True):
            assert type(a) is np.ndarray
            np.testing.assert_array_equal(a, b)


def test_a_tensor_is_not_copied_on_its_way() -> None:
    tensor = torch.zeros(3)
    array = as_array("x", tensor)
    tensor[1] = 5
    assert array[1] == 5


def test_a_step_with_tensors_repeats_the_latest_call(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, frame = load(handmade.gru()).stream(), torch.zeros(1, 1, 4)
    stream.step(frame)
    monkeypatch.setattr(type(stream), "_general", lambda *given: pytest.fail("the general step"))
    stream.step(frame)
    stream.step(x=frame)
    stream.step({"x": frame})


def test_conditioning_and_whole_sequences_too(load: Load) -> None:
    model, x = load(handmade.scaled_sum()), inputs(handmade.scaled_sum(), 5)
    scale = np.full((1, 2), 0.5, np.float32)
    tensors = {name: torch.from_numpy(array) for name, array in x.items()}
    got, wanted = model.run(tensors, {"scale": torch.from_numpy(scale)}), model.run(x, {"scale": scale})
    for a, b in zip(arrays(got), arrays(wanted), strict=True):
        np.testing.assert_array_equal(a, b)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a gradient": (
        lambda: torch.zeros(1, 1, 4, requires_grad=True),
        "x cannot be read as an array: Can't export tensors that require gradient, use tensor.detach() (got Tensor). "
        "Give a numpy array, of a torch tensor x.detach().cpu().numpy().",
    ),
    "another device": (
        Elsewhere,
        "x lies on another device (got Elsewhere on DLPack device 2:1, wanted an array in the memory of the processor)"
        ". Copy it first: x.cpu().",
    ),
    "no memory at all": (lambda: torch.zeros(1, 1, 4, device="meta"), "x cannot be read as an array: "),
    "a dtype that numpy lacks": (lambda: torch.zeros(1, 1, 4, dtype=torch.bfloat16), "x cannot be read as an array: "),
    "another dtype": (lambda: torch.zeros(1, 1, 4, dtype=torch.float64), "x has the wrong dtype (got float64, wanted"),
    "another shape": (lambda: torch.zeros(1, 4), "x has the wrong number of axes"),
    "objects": (lambda: Wrapped(np.array([None])), "x has the wrong dtype (got object"),
    "a list": (lambda: [[[0.0] * 4]], "x is not a numpy array (got list"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("after", [0, 2])
def test_what_cannot_be_read_is_refused(load: Load, name: str, after: int) -> None:
    stream, (make, message) = load(handmade.gru()).stream(), REFUSED[name]
    for _ in range(after):
        stream.step(np.zeros((1, 1, 4), np.float32))
    with pytest.raises(ShapeError) as caught:
        stream.step(make())
    assert str(caught.value).startswith(message)
    assert stream.position == after


def test_nan_is_seen_in_them(load: Load) -> None:
    stream = load(handmade.gru()).stream()
    for _ in range(3):
        with pytest.raises(NonFiniteInput):
            stream.step(torch.full((1, 1, 4), float("nan")))
        stream.step(torch.zeros(1, 1, 4))


def test_no_package_is_imported_for_it(tmp_path: Any) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    code = f"""
import numpy as np
from edgeseq import runtime
class Wrapped:
    def __array__(self, dtype=None, copy=None): return np.zeros((1, 1, 4), np.float32)
runtime.load({path!r}).stream().step(Wrapped())
"""
    assert loaded_by(code) == []
    assert runtime is not None
