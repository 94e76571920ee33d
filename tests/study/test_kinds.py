"""The kinds of the study: equally large, causal unless they say otherwise, and each streams what it computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.study.attention import REACH
from benchmarks.study.catalogue import QUESTIONS, Question
from benchmarks.study.exporting import exported
from benchmarks.study.kinds import KINDS, LEAST_WIDTH, TRANSLATORS
from benchmarks.study.recurrent import MinimalGRU
from benchmarks.tasks import evaluating
from benchmarks.tasks.models import parameters
from edgeseq import runtime

FRAMES = 96


def body(name: str) -> nn.Module:
    torch.manual_seed(0)
    return KINDS[name].body(LEAST_WIDTH, KINDS[name].depths[0], 0.0).eval()


@pytest.mark.parametrize("name", KINDS)
@torch.no_grad()
def test_a_kind_looks_ahead_only_where_it_says_so(name: str) -> None:
    model = body(name)
    x = torch.randn(1, FRAMES, LEAST_WIDTH)
    later = x.clone()
    later[:, FRAMES // 2 :] = 0
    gap = (model(x) - model(later))[:, : FRAMES // 2].abs().max()
    assert (gap > 1e-4) == KINDS[name].ahead, gap


@pytest.mark.parametrize(("name", "forgets"), [("sliding", True), ("transformer", False)])
@torch.no_grad()
def test_only_a_sliding_window_forgets(name: str, forgets: bool) -> None:
    model = KINDS[name].body(LEAST_WIDTH, 1, 0.0).eval()
    x = torch.randn(1, 2 * REACH, LEAST_WIDTH)
    other = x.clone()
    other[:, 0] = 9
    gap = (model(x) - model(other)).abs().amax(dim=(0, 2))
    assert gap[REACH - 1] > 1e-4
    assert (gap[REACH:].max() < 1e-6) == forgets


def test_a_minimal_gru_is_trained_as_it_runs() -> None:
    torch.manual_seed(0)
    model, x = MinimalGRU(16), torch.randn(2, 40, 16)
    torch.testing.assert_close(model.train()(x), model.eval()(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("task", ["ecg", "imdb", "vowels"])
def test_the_kinds_of_a_task_are_about_equally_large(task: str) -> None:
    question = QUESTIONS[task]
    sizes = {name: parameters(question.make(name)) - question.tables() for name in question.kinds}
    assert max(sizes.values()) < 1.15 * min(sizes.values()), sizes
    assert max(sizes.values()) < 1.1 * question.parameters


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_sizes_are_what_is_asked_for(name: str) -> None:
    question = QUESTIONS["ecg"]
    half, double = (parameters(question.make(name, size)) for size in (0.5, 2.0))
    assert half / question.parameters == pytest.approx(0.5, abs=0.05)
    assert double / question.parameters == pytest.approx(2.0, abs=0.2)


def test_no_forecast_sees_what_it_forecasts() -> None:
    for task in ("ett", "stocks", "ptb", "wikitext"):
        assert not any(KINDS[name].ahead for name in QUESTIONS[task].kinds)


def small(name: str) -> Question:
    if name in TRANSLATORS:
        return replace(QUESTIONS["vowels"], parameters=1)
    return replace(QUESTIONS["ecg"], crop=FRAMES, parameters=1, window=32)


def examples(question: Question) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    if question.sequence_to_sequence:
        return {"src": random.integers(1, 64, (3, 40)), "tgt": random.integers(1, 64, (3, FRAMES))}
    return {"frames": random.standard_normal((3, FRAMES, question.features)).astype(np.float32)}


@pytest.mark.parametrize(
    "name",
    [name if name == "lstm" else pytest.param(name, marks=pytest.mark.thorough) for name in [*KINDS, *TRANSLATORS]],
)
@torch.no_grad()
def test_a_file_streams_what_its_module_computes(name: str, tmp_path: Path) -> None:
    question = small(name)
    torch.manual_seed(0)
    model = question.make(name).eval()
    found = exported(question, name, model, tmp_path / "m.onnx", golden=False)
    data = examples(question)
    (streamed,) = evaluating.streamed(runtime.load(found), data, batch=3, chunk=16).values()
    whole = model(*(torch.from_numpy(array) for array in data.values())).numpy()
    assert streamed.shape == whole.shape
    if not (name in KINDS and KINDS[name].ahead):
        np.testing.assert_allclose(streamed, whole, atol=1e-4)
