"""A plain training loop with a budget of steps, so that the same settings give the same model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F

from edgeseq.demo.data import Tokens
from edgeseq.demo.settings import Settings

#: Reports per training, the last step's included.
REPORTS = 10


def train(
    make: Callable[[], nn.Module],
    tokens: Tokens,
    settings: Settings,
    learning_rate: float,
    report: Callable[[int, float], None],
) -> nn.Module:
    """The model that ``make`` builds, trained to predict the next of ``tokens``.

    ``report`` is called now and then with the steps made and the loss in bits per character.
    """
    with threads(settings.threads), torch.random.fork_rng(devices=()):
        torch.manual_seed(settings.seed)
        model = make()
        optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_up_and_decay(step, settings.steps))
        for step, windows in enumerate(batches(tokens, settings), start=1):
            loss = next_character_loss(model, windows)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if step % max(1, settings.steps // REPORTS) == 0 or step == settings.steps:
                report(step, loss.item() / math.log(2))
    return model.eval()


def batches(tokens: Tokens, settings: Settings) -> Iterator[torch.Tensor]:
    """``[batch, context + 1]`` windows from random places, one per step."""
    text = torch.from_numpy(tokens)
    random = torch.Generator().manual_seed(settings.seed)
    window = torch.arange(settings.context + 1)
    for _ in range(settings.steps):
        starts = torch.randint(len(text) - settings.context, (settings.batch, 1), generator=random)
        yield text[starts + window]


def next_character_loss(model: nn.Module, windows: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of every character but the first, in nats."""
    logits = model(windows[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())


def warm_up_and_decay(step: int, steps: int) -> float:
    """The share of the learning rate: up along a line for a tenth of the steps, then down along half a cosine."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / max(1, steps - warm))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run torch on ``count`` threads.

    One is best here: the result does not depend on the machine's cores, and on a busy machine threads that wait for
    each other made a step of such a small model five times slower.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
