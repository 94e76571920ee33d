"""What is calibrated on: stretches of the user's examples, in which what belongs together stays together."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from edgeseq.contract import Contract, Length, Port
from edgeseq.errors import UsageError
from edgeseq.verification.drawing import Draws
from edgeseq.verification.task import samples_of

CONTRACT = Contract(
    ports=(
        Port("x", "frame", "float32", ("batch", "time", 2), time_axis=1),
        Port("fast", "frame", "float32", ("batch", "time"), time_axis=1, ratio=Fraction(2)),
        Port("speaker", "conditioning", "float32", ("batch", 1)),
        Port("y", "output", "float32", ("batch", "time"), time_axis=1, length=Length()),
    ),
    states=(),
)


def examples(count: int, frames: int) -> dict[str, np.ndarray]:
    """Every value is 1,000 times the number of its example, and of the base frame that it belongs to."""
    whole = 1000 * np.arange(count)[:, None] + np.arange(frames)
    x = np.stack([whole, whole], axis=-1).astype(np.float32)
    return {"x": x, "fast": np.repeat(whole, 2, axis=1).astype(np.float32), "speaker": x[:, 0, :1]}


@pytest.mark.parametrize("split", [False, True], ids=["one sample", "a sample for each example"])
def test_a_row_is_one_stretch_of_one_example(split: bool) -> None:
    data = examples(7, 40)
    if split:
        data["lengths"] = np.array([40, 30, 20, 40, 25, 40, 10])
    drawn = Draws(CONTRACT, samples_of(CONTRACT, data))(10, 16, seed=3)
    x, fast, speaker = drawn["x"][..., 0], drawn["fast"], drawn["speaker"]
    np.testing.assert_array_equal(fast[:, ::2], x)
    np.testing.assert_array_equal(fast[:, 1::2], x)
    np.testing.assert_array_equal(x[:, 0] // 1000, speaker[:, 0] // 1000)
    np.testing.assert_array_equal(np.diff(x, axis=1), 1)
    assert len(np.unique(speaker)) > 3
    assert len(np.unique(x[:, 0] % 1000)) > 5


def test_what_stands_behind_an_end_is_not_drawn() -> None:
    data = examples(3, 40)
    data["lengths"] = np.array([4, 9, 6])
    draws = Draws(CONTRACT, samples_of(CONTRACT, data))
    assert draws.longest == 9
    drawn = draws(30, 8, seed=0)["x"][..., 0]
    assert (drawn % 1000 < data["lengths"][(drawn // 1000).astype(int)]).all()


def test_data_need_every_input() -> None:
    data = examples(3, 40)
    del data["speaker"]
    with pytest.raises(UsageError, match="the data have no speaker"):
        samples_of(CONTRACT, data)
