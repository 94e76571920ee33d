"""Contracts that ask for much, or for what cannot be: each was found by ``tests/fuzz``, or while it was written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from edgeseq import runtime
from edgeseq.cli import main
from edgeseq.contract import Chunk, Contract, Initial, Length, Port, State
from edgeseq.errors import ContractError, EdgeseqError, ProviderError
from edgeseq.runtime import feeder, missing, states
from edgeseq.runtime.allowance import LEAST_BYTES, opening_bytes
from tests import handmade
from tests.fuzz.bases import memory
from tests.golden.contracts import GOLDEN

Change = Callable[[Contract], Contract]


def port(name: str, **changes: Any) -> Change:
    def change(contract: Contract) -> Contract:
        ports = tuple(replace(item, **changes) if item.name == name else item for item in contract.ports)
        return replace(contract, ports=ports)

    return change


def state(index: int, **changes: Any) -> Change:
    def change(contract: Contract) -> Contract:
        items = list(contract.states)
        items[index] = replace(items[index], **changes)
        return replace(contract, states=tuple(items))

    return change


def chunk(**numbers: int) -> Change:
    return lambda contract: replace(contract, chunk=Chunk(**numbers))


def both(*changes: Change) -> Change:
    def change(contract: Contract) -> Contract:
        for one in changes:
            contract = one(contract)
        return contract

    return change


def ratio(name: str, frames: int) -> Change:
    return port(name, ratio=Fraction(frames), length=Length(1, frames, (0,)))


#: A handmade file, what its contract is changed to, what it asks for then.
TOO_MUCH: dict[str, tuple[Callable[[], handmade.Handmade], Change, str]] = {
    "a delay without end": (
        handmade.gru,
        port("y", delay=2**61),
        "2305843009213693952 base frames of filler at the end of a stream, wanted at most 262144",
    ),
    "a summary that is late": (
        handmade.scaled_sum,
        port("sum", delay=10**6),
        "1000000 base frames of filler at the end of a stream, wanted at most 262144",
    ),
    "a length beyond its input": (
        handmade.gru,
        port("y", length=Length(1, 1, (2**61,))),
        "2305843009213693952 base frames of filler at the end of a stream, wanted at most 262144",
    ),
    "a chunk that is never full": (
        handmade.gru,
        chunk(multiple=2**40),
        "1099511627775 base frames of filler at the end of a stream, wanted at most 262144",
    ),
    "filler frame by frame": (
        handmade.gru,
        both(port("y", delay=20_000), chunk(multiple=1, max=1)),
        "20000 calls of filler at the end of a stream, wanted at most 16384",
    ),
    "filler frame by frame in a batch": (
        handmade.gru,
        both(port("y", delay=20_000), chunk(multiple=1, max_batched=1)),
        "20000 calls of filler at the end of a stream, wanted at most 16384",
    ),
    "filler that fills a cache": (
        handmade.attention,
        port("y", delay=32_768),
        "32768 cache entries of filler at the end of a stream, wanted at most 4096",
    ),
    "a cache of many entries per frame": (
        handmade.attention,
        state(1, ratio=Fraction(999_999_999)),
        "bytes for a stream",
    ),
    "a state many times the batch": (
        memory,
        state(1, shape=("999999999*batch",)),
        "bytes for a stream",
    ),
    "a state of the model's own axes": (
        memory,
        state(0, shape=("n",) * 32, initial=Initial()),
        "bytes for a stream",
    ),
    "a frame of a gigabyte": (handmade.gru, port("x", shape=("batch", "time", 2**31 - 1)), "bytes for a stream"),
    "a billion frames for one": (handmade.gru, ratio("y", 999_999_999), "bytes for a stream"),
    "a default without end": (
        handmade.scaled_sum,
        port("start", shape=(2**31 - 1,)),
        "bytes for a stream",
    ),
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_asks_for_too_much_is_refused(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before onnxruntime is asked, and before anything is allocated."""

    def opened(*_: object) -> None:
        raise AssertionError("onnxruntime was asked")

    make, change, message = TOO_MUCH[case]
    made = make()
    path = made.save(tmp_path / "m.onnx", change(made.contract))
    monkeypatch.setattr("edgeseq.runtime.providers.open_session", opened)
    with pytest.raises(ContractError) as caught:
        runtime.load(path)
    text = str(caught.value)
    assert text.startswith(f"the contract asks for more than its file justifies at {path} (got ")
    assert text.endswith(". Do not trust this file, or export the model again.")
    assert message in text
    # Looking at such a file is what one should do.
    result = CliRunner().invoke(main, ["inspect", path, "--json", "-"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", GOLDEN)
def test_ordinary_contracts_ask_for_little(name: str) -> None:
    assert opening_bytes(GOLDEN[name]) < LEAST_BYTES / 8


def test_a_larger_file_may_ask_for_more(tmp_path: Path) -> None:
    """A kilobyte of state for every byte: the same contract with weights enough."""
    rows = 3 * 2**20
    shape = ("batch", rows, 16)
    graph = f"""wide (float[batch,time,1] x, float[batch,{rows},16] s)
        => (float[batch,time,1] y, float[batch,{rows},16] "s.next") {{
        y = Identity(x)
        "s.next" = Identity(s)
    }}"""
    frame = Port("x", "frame", "float32", ("batch", "time", 1), time_axis=1)
    contract = Contract(
        ports=(frame, replace(frame, name="y", role="output", length=Length())),
        states=(State("s", "s", "s.next", "conv", "float32", shape),),
    )
    small = handmade.Handmade(graph, {}, contract, lambda x: (x,))
    with pytest.raises(ContractError, match=r"\(got 40\d{7} bytes for a stream, wanted at most 2\d{8} for a file of "):
        runtime.load(small.save(tmp_path / "small.onnx"))
    large = replace(small, weights={"unused": np.zeros(50_000, np.float32)})
    runtime.load(large.save(tmp_path / "large.onnx"))


@pytest.mark.parametrize("shape", [("batch", "2*capacity", 2), ("batch", "capacity", "capacity")], ids=str)
def test_a_cache_has_one_entry_axis(shape: tuple[str | int, ...], tmp_path: Path) -> None:
    made = handmade.attention()
    open_sizes = replace(made, graph=made.graph.replace("[batch,capacity,2]", "[batch,a,b]"))
    path = open_sizes.save(tmp_path / "m.onnx", state(1, shape=shape)(made.contract))
    with pytest.raises(ContractError, match="state cache has more than one entry for a frame"):
        runtime.load(path)


def test_long_lists_are_cut_short(tmp_path: Path) -> None:
    made = handmade.gru()
    more = tuple(Port(f"p{index}", "output", "float32", ("batch",)) for index in range(3000))
    path = made.save(tmp_path / "m.onnx", replace(made.contract, ports=made.contract.ports + more))
    with pytest.raises(ContractError, match=r"graph lacks: p0, p1, p10, p100, p1000 and 2995 more\."):
        runtime.load(path)
    path = made.save(tmp_path / "m.onnx", replace(made.contract, ports=made.contract.ports + more + more))
    with pytest.raises(ContractError, match=r"names stand twice: p0, p1, p10, p100, p1000 and 2995 more\."):
        runtime.load(path)
    at = (None, *range(1000))
    odd = both(port("y", ratio=Fraction(1), length=Length(1001, 1001, at)), chunk(multiple=1001))
    stream = runtime.load(made.save(tmp_path / "m.onnx", odd(made.contract))).stream()
    stream.step(np.zeros((1, 1001, 4), np.float32))
    with pytest.raises(EdgeseqError, match=r"1 or 2 or 3 or 4 or 5 or 995 others modulo 1001"):
        stream.flush()


def test_an_onnxruntime_of_many_digits(tmp_path: Path) -> None:
    made = handmade.gru().with_contract(onnxruntime=">=" + "9" * 1000 + ".0")
    with pytest.raises(ContractError, match=r"contract\.onnxruntime"):
        runtime.load(made.save(tmp_path / "m.onnx"))


def test_inspect_tells_of_a_contract_that_says_nothing(tmp_path: Path) -> None:
    made = handmade.gru().with_contract(mode={}, opset={}, provenance={}, quantization={}, verification={})
    result = CliRunner().invoke(main, ["inspect", made.save(tmp_path / "m.onnx")])
    assert result.exit_code == 0, result.output
    assert "mode             nothing" in result.output


def test_filler_is_fed_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long look-ahead must not make one call of it: the memory of a call grows with its frames."""
    late = 3 * missing.PIECE + 7
    made = handmade.gru()
    path = made.save(tmp_path / "m.onnx", port("y", delay=late)(made.contract))
    sizes = []
    feed = feeder.Feeder.feed

    def watched(self: Any, frames: Any, base_frames: int, *more: Any, **named: Any) -> None:
        sizes.append(base_frames)
        feed(self, frames, base_frames, *more, **named)

    monkeypatch.setattr(feeder.Feeder, "feed", watched)
    stream = runtime.load(path).stream()
    assert np.asarray(stream.step(np.ones((1, 5, 4), np.float32))).shape == (1, 0, 8)
    assert np.asarray(stream.flush()).shape == (1, 5, 8)
    assert sizes == [5, missing.PIECE, missing.PIECE, missing.PIECE, 7]


def test_what_waits_goes_first_in_the_last_pieces(tmp_path: Path) -> None:
    """The same answers, whether one frame waits at the end or none."""
    made = handmade.strided_conv()
    stream = runtime.load(made.save(tmp_path / "m.onnx")).stream()
    x = np.arange(14, dtype=np.float32).reshape(1, 7, 2)
    answers = [np.asarray(stream.step(x)), np.asarray(stream.flush())]
    longer = np.concatenate([x, np.zeros((1, 1, 2), np.float32)], axis=1)
    stream.reset()
    np.testing.assert_array_equal(np.concatenate(answers, 1), np.asarray(stream.step(longer))[:, :3])


def test_memory_that_runs_out_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For an answer, for a call, at the end; and the stream goes on as if nothing had been."""
    stream = runtime.load(handmade.centred_conv().save(tmp_path / "m.onnx")).stream()
    x = np.arange(12, dtype=np.float32).reshape(1, 6, 2)

    def none(*_: object) -> None:
        raise MemoryError("not today")

    parts = []
    for where, message in (
        ("answers.zeros", "there is no memory for this step: not today. Step fewer frames at once."),
        ("calls.zeros", "there is no memory for this call at position 3: not today. The stream is unchanged."),
    ):
        parts.append(np.asarray(stream.step(x[:, :3])))
        with monkeypatch.context() as patch:
            patch.setattr(f"edgeseq.runtime.{where}", none)
            with pytest.raises(ProviderError) as caught:
                stream.step(x[:, :2])
        assert str(caught.value) == message.replace("position 3", f"position {stream.position}")
    with monkeypatch.context() as patch:
        patch.setattr("edgeseq.runtime.answers.zeros", none)
        with pytest.raises(ProviderError, match=r"^there is no memory for what is still owed: not today\.$"):
            stream.flush()
    parts.append(np.asarray(stream.flush()))
    stream.reset()
    whole = [np.asarray(stream.step(x[:, :3])), np.asarray(stream.step(x[:, :3])), np.asarray(stream.flush())]
    np.testing.assert_array_equal(np.concatenate(parts, 1), np.concatenate(whole, 1))


def test_zeros_of_any_size_are_refused_as_memory() -> None:
    for shape in ((2**62, 2**62), (2**40, 2**20), (-1,)):
        with pytest.raises(MemoryError):
            states.zeros(shape, np.dtype("float64"))
