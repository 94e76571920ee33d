"""The floor of a step: its arithmetic, where bytes and operations come from, and one measured end to end."""

import dataclasses
import json
from pathlib import Path

import pytest

from edgeseq.demo.shipped import FOLDER
from edgeseq.errors import EdgeseqError, ProviderError, UsageError
from edgeseq.lab.floor import Floor, kernels, measure_floor, measure_floors
from edgeseq.lab.floor.floor import floor
from edgeseq.lab.floor.speeds import Speeds, in_this_process, rounded
from edgeseq.lab.floor.work import Step, Work, work_of
from edgeseq.runtime.loading import describe
from edgeseq.runtime.measuring import processes
from edgeseq.structure import Cost, Part

SPEEDS = Speeds({rounded(4000): 2e9, rounded(10**6): 1e9}, {"float32": 1e9, "int8": 4e9}, 500.0)
GRU, GPT = FOLDER / "gru.onnx", FOLDER / "gpt.onnx"


@pytest.mark.parametrize(
    ("work", "floor_ns", "bound"),
    [
        (Work(3000, 1000, 100, False, "here"), 2000 + 500, "memory"),
        (Work(10**6, 0, 2 * 10**6, False, "here"), 2 * 10**6 + 500, "arithmetic"),
        (Work(10**6, 0, 2 * 10**6, True, "here"), 10**6 + 500, "memory"),
        (Work(100, 20, 30, False, "here"), 60 + 500, "call"),
    ],
)
def test_the_floor_is_the_longer_of_reading_and_multiplying_and_a_call(work: Work, floor_ns: float, bound: str) -> None:
    found = floor(work, Step(), SPEEDS)
    assert found.floor_ns == pytest.approx(floor_ns)
    assert found.bound == bound
    assert found.distance(2 * floor_ns) == pytest.approx(2)
    assert Floor.from_dict({**json.loads(json.dumps(found.to_dict())), "new": 1}) == found


def test_working_sets_are_rounded_within_limits() -> None:
    assert rounded(1) == rounded(2**14) == 2**14
    assert rounded(2**40) == 2**28
    assert all(abs(rounded(size) / size - 1) < 0.1 for size in (20_000, 10**6, 3 * 10**7))


def test_a_file_without_modules_is_counted_by_its_weights() -> None:
    one, many = (work_of(describe(GRU), Step(batch=batch, frames=frames)) for batch, frames in ((1, 1), (3, 4)))
    assert one.source == "the sizes of the file's weights"
    # The table of 64 letters is read by the row: its bytes are not those of a step.
    assert one.weight_bytes < GRU.stat().st_size - 8000
    assert (many.multiply_adds, many.state_bytes) == (12 * one.multiply_adds, 3 * one.state_bytes)
    assert one.weight_bytes < many.weight_bytes < 1.1 * one.weight_bytes


def test_a_window_computes_its_frames_again_at_each_hop() -> None:
    described = describe(GRU)
    mode = {"name": "window", "frames": 60, "lookahead": 4, "hop": 2}
    contract = dataclasses.replace(described.contract, mode=mode)
    again, once = (work_of(one, Step()) for one in (dataclasses.replace(described, contract=contract), described))
    assert again.multiply_adds == 32 * once.multiply_adds


def test_a_cache_is_read_as_far_as_it_is_filled() -> None:
    early, late = (work_of(describe(GPT), Step(position=position, batch=2)) for position in (0, 100))
    cached = 2 * 100 * 2 * 2 * 32  # streams, frames, layers, keys and values, width
    assert late.state_bytes - early.state_bytes == 4 * cached
    assert late.multiply_adds - early.multiply_adds == cached
    assert late.weight_bytes == early.weight_bytes


def test_the_contract_and_its_report_on_quantization_come_first() -> None:
    described = describe(GPT)
    cost = Cost(multiply_adds=1000, multiply_adds_per_context=10, weight_bytes=50_000, state_bytes=8)
    part = Part("", "GPT", 0, 1, "", None, None, (), cost)
    contract = dataclasses.replace(described.contract, modules=(part,), digest=described.file.digest)
    counted = work_of(dataclasses.replace(described, contract=contract), Step(position=5, batch=2, frames=3))
    assert (counted.weight_bytes, counted.multiply_adds, counted.source) == (50_000, 6 * 1050, "the contract")
    nodes = [
        {"kind": "linear", "bytes_before": 40_000, "bytes_after": 10_000},
        {"kind": "embedding", "bytes_before": 900_000, "bytes_after": 300_000},
    ]
    quantized = dataclasses.replace(contract, quantization={"nodes": nodes})
    assert work_of(dataclasses.replace(described, contract=quantized), Step()).weight_bytes == 20_000
    changed = dataclasses.replace(contract, digest="sha256:other")
    assert work_of(dataclasses.replace(described, contract=changed), Step()).source.startswith("the sizes")


def test_speeds_of_this_machine_are_above_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "SAMPLES", 1)
    monkeypatch.setattr(kernels, "PASSED_BYTES", 2**18)
    found = in_this_process({"sizes": [2**14, 2**18], "kinds": ["float32", "int8"], "threads": 1})
    assert found["call_ns"] > 0
    assert set(found["read"]) == {"16384", "262144"}
    assert min([*found["read"].values(), *found["multiply"].values()]) > 0


def test_floors_of_shipped_models_from_a_fresh_process() -> None:
    (gru, _), (gpt, far) = measure_floors([GRU, GPT], positions=[0, 1000], processes=1)
    assert gru.floor_ns >= gru.call_ns > 0
    assert far.state_bytes > gpt.state_bytes
    assert far.read_ns > gpt.read_ns


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"batch": 0}, "batch must be a whole number from 1"),
        ({"frames": True}, "frames must be a whole number from 1"),
        ({"position": -1}, "a position must be a whole number from 0"),
    ],
)
def test_counts_that_mean_nothing_are_refused(given: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        measure_floor(GRU, **given)


def test_a_file_that_is_not_there_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(EdgeseqError, match="there is no file"):
        measure_floor(tmp_path / "none.onnx")


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(ProviderError, match=r"a measuring process failed at json\.loads: TypeError"):
        processes.call_fresh("json", "loads", {"a": 1})
