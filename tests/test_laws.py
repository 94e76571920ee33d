"""The laws as properties of random networks: in torch for many, on the finished ONNX file for some."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeseq.exporters import export
from edgeseq.testing import check_rule
from tests.networks import CHANGING, CHANNELS, KEEPING, SUMMARIES, Network, random_chain

SPEC = {"x": f"float32[batch,time,{CHANNELS}]"}
EXAMPLES = int(os.environ.get("EDGESEQ_EXAMPLES", "24"))
relaxed = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, print_blob=True
)


def network(generator: random.Random, depth: int) -> Network:
    torch.manual_seed(generator.randrange(2**31))
    chain = random_chain(generator, depth, keep=False)
    return Network(chain, generator.sample(SUMMARIES, generator.randint(0, 2)))


@relaxed
@given(generator=st.randoms(use_true_random=False), depth=st.integers(1, 4))
def test_streams_of_random_networks_concatenate_to_the_whole(generator: random.Random, depth: int) -> None:
    check_rule(network(generator, depth), SPEC, seed=generator.randrange(2**31))


@pytest.mark.parametrize("seed", range(6))
def test_files_of_random_networks_obey_the_laws(seed: int, tmp_path: Path) -> None:
    exported = export(network(random.Random(seed), 4), SPEC, tmp_path / "network.onnx")
    assert exported.verification.passed
    assert {check.name for check in exported.verification.checks} == {
        "concatenation",
        "prefix",
        "neighbours",
        "futures",
        "reset",
        "long run",
    }


@pytest.mark.parametrize("kind", [*KEEPING, *CHANGING])
def test_every_block_streams_alone_and_behind_look_ahead(kind: str) -> None:
    generator = random.Random(kind)
    block = next(block for _ in range(10_000) for block in random_chain(generator, 1, keep=False) if block[0] == kind)
    check_rule(Network([block], SUMMARIES), SPEC)
    check_rule(Network([("centred", 3, 2), block, ("centred", 3, 1)], ["last", "state"]), SPEC)


@pytest.mark.parametrize("summary", SUMMARIES)
@pytest.mark.parametrize("block", [("pad_back", 3), ("drop_back", 3), ("strided", 3, 2, 1)], ids=lambda b: str(b[0]))
def test_summaries_are_final_at_the_end_of_every_length(summary: str, block: tuple[object, ...]) -> None:
    check_rule(Network([block], [summary]), SPEC)


# Shrunken failures of the property above, each once a bug.
FOUND = {
    "a mean over frames that padding adds behind": ([("conv_pad_wide", 3, 2)], ["state", "share"]),
    "a floor within a floor": ([("group", 2), ("valid", 4, 1), ("group", 2), ("lstm", 1)], []),
    "a head that starts inside a chunk, then a delay": (
        [("early", 1), ("residual", [("late", 3)]), ("strided", 3, 3, 0)],
        [],
    ),
    "a lead that starts inside a chunk": (
        [("residual", [("residual", [("centred", 3, 1), ("late", 3)])]), ("group", 2)],
        [],
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_networks_that_once_failed(name: str) -> None:
    chain, summaries = FOUND[name]
    check_rule(Network(chain, summaries), SPEC)  # type: ignore[arg-type]
