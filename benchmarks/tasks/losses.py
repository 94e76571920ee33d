"""What training makes small. Each takes the model in its mode, inputs, and targets as a reader gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.tasks.dataset import IGNORED
from benchmarks.tasks.models import Tagger

Loss = Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]

#: Words that a sampled loss draws, evenly, beside the batch's own.
DRAWN = 1_000


def cross_entropy(model: Tagger, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean over the examples or frames that have a class, in nats."""
    logits = model(inputs)
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.flatten(), ignore_index=IGNORED)


def squared_error(model: Tagger, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean over the targets that are not NaN."""
    asked = ~targets.isnan()
    return F.mse_loss(model(inputs)[asked], targets[asked])


def sampled_cross_entropy(model: Tagger, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the next word, its sum over all words estimated from the batch's own and some drawn evenly.

    A word counts with one over its chance to be in the sample (Horvitz and Thompson, 1952), the right one as it is. The
    batch stands for the text: a word's chance to be in it is that of one that is as frequent there. With 10,000 words
    the head's share of a step shrinks to a fifth.
    """
    head = model.head
    assert isinstance(head, nn.Linear)
    hidden = model.hidden(inputs).flatten(0, 1)
    words, places, chances = sample(targets.flatten(), head.out_features)
    logits = F.linear(hidden, head.weight[words], head.bias[words] - chances.log())
    logits.index_put_((torch.arange(len(places), device=places.device), places), chances.log()[places], accumulate=True)
    return F.cross_entropy(logits, places)


def sample(targets: torch.Tensor, words: int, drawn: int = DRAWN) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Words to compare with, ascending, the place of each target among them, and each word's chance to be there."""
    even = min(drawn, words)
    picked = torch.unique(torch.cat([targets, torch.randperm(words)[:even].to(targets.device)]))
    share = torch.bincount(targets, minlength=words)[picked] / len(targets)
    absent = (1 - share) ** len(targets) * (1 - even / words)
    return picked, torch.searchsorted(picked, targets), 1 - absent
