"""Text from an exported language model: tokens one by one, how they are chosen, text without broken characters.

Needs numpy, and the runtime that steps the model.
"""

from __future__ import annotations

from edgeseq.io.text.generation import Generation, generate
from edgeseq.io.text.pieces import Pieces, text_stream
from edgeseq.io.text.ports import LanguageModel, language_model
from edgeseq.io.text.sampling import (
    Sampling,
    draw,
    greedy,
    log_probabilities,
    probabilities,
    with_temperature,
    with_top_k,
    with_top_p,
)
from edgeseq.io.text.tokenizers import Bytes, Tokenizer

__all__ = [
    "Bytes",
    "Generation",
    "LanguageModel",
    "Pieces",
    "Sampling",
    "Tokenizer",
    "draw",
    "generate",
    "greedy",
    "language_model",
    "log_probabilities",
    "probabilities",
    "text_stream",
    "with_temperature",
    "with_top_k",
    "with_top_p",
]
