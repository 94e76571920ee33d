"""Exported models, with a cache or a source sentence: greedy tokens are those of the module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import edgeseq
from edgeseq import runtime
from edgeseq.io.text import Generation, generate
from tests.models.decoders import GPT
from tests.models.seq2seq import TutorialSeq2Seq

pytestmark = pytest.mark.thorough


def exported(model: nn.Module, inputs: dict[str, str], folder: Path) -> runtime.Model:
    edgeseq.export(model, inputs, folder / "m.onnx")
    return runtime.load(str(folder / "m.onnx"))


def greedy(model: Callable[[Tensor], Tensor], prompt: list[int], count: int) -> list[int]:
    tokens = list(prompt)
    with torch.inference_mode():
        for _ in range(count):
            tokens.append(int(model(torch.tensor([tokens]))[0, -1].argmax()))
    return tokens[len(prompt) :]


def test_a_gpt_up_to_its_last_position(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = GPT(block_size=40).eval()
    loaded = exported(model, {"idx": "int64[batch,time]"}, tmp_path)
    generation: Generation = generate(loaded, [5, 2, 9], max_tokens=100)
    assert list(generation) == greedy(model, [5, 2, 9], 38)
    assert generation.stopped_by == "context"


def test_a_translation_from_its_source(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = TutorialSeq2Seq().eval()
    inputs = {"src": "int64[batch,source]", "tgt": "int64[batch,time]"}
    loaded = exported(model, inputs, tmp_path)
    for source in ([3, 1, 4, 1, 5], [9, 2, 6]):
        src = np.array([source])
        wanted = greedy(lambda tgt, src=src: model(torch.from_numpy(src), tgt), [1], 12)  # type: ignore[misc]
        assert list(generate(loaded, [1], max_tokens=12, conditioning={"src": src})) == wanted
