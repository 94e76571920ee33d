"""Rows of ``rules/scatters.py``: writes in place, and what they write to."""

from __future__ import annotations

import torch

from tests.rules.row import Row, alike, headed

aten = torch.ops.aten
SLICES, SELECT = "aten.slice_scatter.default", "aten.select_scatter.default"


def shifted(x: torch.Tensor) -> torch.Tensor:
    y = torch.zeros_like(x)
    y[:, 1:] = x[:, :-1]
    return y


def temporal_shift(x: torch.Tensor) -> torch.Tensor:
    """Some features of the next frame, some of the last, the others stay (Lin et al. 2019)."""
    y = torch.zeros_like(x)
    y[:, :-1, :1] = x[:, 1:, :1]
    y[:, 1:, 1:2] = x[:, :-1, 1:2]
    y[:, :, 2:] = x[:, :, 2:]
    return y


def emphasized(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[:, 2:] -= 0.97 * x[:, :-2]
    return y


def sinusoids(x: torch.Tensor) -> torch.Tensor:
    """Positions made in forward, as tutorials do."""
    table = torch.zeros(x.shape[1], 4, dtype=x.dtype)
    places = torch.arange(x.shape[1], dtype=x.dtype)[:, None]
    table[:, 0::2] = torch.sin(places * x.new_tensor([1.0, 0.1]))
    table[:, 1::2] = torch.cos(places * x.new_tensor([1.0, 0.1]))
    return x + table


def rotated(x: torch.Tensor) -> torch.Tensor:
    y = torch.empty_like(x)
    y[..., :2], y[..., 2:] = -x[..., 2:], x[..., :2]
    return y


def with_first_set(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[:, 0] = 0.5
    return y


def rolled(x: torch.Tensor) -> torch.Tensor:
    """The frame before and the one before that, by rolls whose wrapped frame is written over (makemore's MLP)."""
    found = []
    for _ in range(3):
        found.append(torch.tanh(x))
        x = torch.roll(x, 1, 1)
        x[:, 0] = 0.5
    return torch.cat(found, -1)


def rolled_by_two(x: torch.Tensor) -> torch.Tensor:
    y = x.roll(2, 1)
    y[:, :2] = 0
    return y[:, 1:] + x.roll(1, 1)[:, 1:]


def rolled_and_read(x: torch.Tensor) -> torch.Tensor:
    y = x.roll(1, 1)
    y[:, 0] *= 0.5
    return y


def with_one_feature_set(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[..., 1] = x[..., 0]
    return y


def with_one_constant(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[..., 1] = 0.5
    return y


def with_some_set(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[:, 1:4] = 0.5
    return y


def with_others_set(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[:, ::2] = 0.5 * x[:, ::2]
    return y


ROWS = (
    Row(SELECT, "rolls whose first frame is written over", lambda _, x: rolled(headed(x)), delay=1),
    Row(SLICES, "a roll by two frames, both written over", lambda _, x: rolled_by_two(headed(x)), delay=1),
    Row("aten.roll.default", "its first frame is read", lambda _, x: rolled_and_read(x), refused="end of time"),
    Row("aten.copy.default", "shifted", lambda _, x: shifted(headed(x))),
    Row(SLICES, "shifted", lambda _, x: shifted(headed(x))),
    Row(SLICES, "temporal shift", lambda _, x: temporal_shift(x), delay=1),
    Row(SLICES, "emphasized", lambda _, x: emphasized(headed(x)), delay=1),
    Row(SLICES, "sinusoids", lambda _, x: sinusoids(x)),
    alike(SLICES, rotated),
    Row(SLICES, "some frames", lambda _, x: with_some_set(headed(x)), delay=1),
    Row(SLICES, "every other frame", lambda _, x: with_others_set(x), refused="it writes frames counted from the end"),
    Row(SELECT, "the first frame", lambda _, x: with_first_set(headed(x)), delay=1),
    alike(SELECT, with_one_feature_set),
    alike("aten.fill.Tensor", with_one_constant),
    alike("aten.empty_like.default", rotated),
)
