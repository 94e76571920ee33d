"""``examples/make_language_model.py``: what it exports is a language model of bytes."""

from __future__ import annotations

from pathlib import Path

import torch

from edgeseq import runtime
from edgeseq.io.text import generate
from examples import make_language_model


def test_training_learns_a_text() -> None:
    torch.manual_seed(0)
    model, row = make_language_model.ByteModel(8, 16), torch.tensor([list(b"ab" * 8)])
    before = model(row)[0, -1].softmax(0)[ord("a")]
    make_language_model.train(model, b"ab" * 300, seconds=0.5)
    assert model(row)[0, -1].softmax(0)[ord("a")] > before


def test_an_untrained_one_is_exported(tmp_path: Path) -> None:
    text, path = tmp_path / "text.txt", tmp_path / "m.onnx"
    text.write_text("a text")
    make_language_model.main(str(text), str(path), 0)
    torch.manual_seed(0)
    model, tokens = make_language_model.ByteModel().eval(), list(b"a text")
    for token in generate(runtime.load(path), tokens, max_tokens=5):
        with torch.inference_mode():
            assert token == int(model(torch.tensor([tokens]))[0, -1].argmax())
        tokens.append(token)
