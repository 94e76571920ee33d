"""Rows of ``rules/overlaps.py``: windows that are added up, by places or by ``F.fold``, which is captured so."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tests.rules.refused import first_two
from tests.rules.row import CHANNELS, Row, alike, headed, parameter

ADD = "aten.index_add.default"
SAMPLES = {"x": "float32[batch,time]"}
IMAGES = {"x": "float32[batch,6,time,5]"}


def folded(x: torch.Tensor, kernel: int, stride: int, more: int = 0, padding: int = 0) -> torch.Tensor:
    """Windows ``[batch, frames, channels * kernel]`` added up: ``[batch, frames of the result, channels]``."""
    size = (x.shape[1] - 1) * stride + kernel + more - 2 * padding
    return functional.fold(x.mT, (1, size), (1, kernel), stride=(1, stride), padding=(0, padding))[:, :, 0].mT


def cut_and_folded(x: torch.Tensor, kernel: int, stride: int, length: int | None = None) -> torch.Tensor:
    """A signal cut into overlapping frames, changed frame by frame, and put together again."""
    frames = torch.tanh(x.unfold(-1, kernel, stride)) * torch.arange(1.0, kernel + 1)
    size = (x.shape[-1] - kernel) // stride * stride + kernel if length is None else x.shape[-1]
    return functional.fold(frames.mT, (1, size), (1, kernel), stride=(1, stride))[:, 0, 0]


def overlapped(signal: torch.Tensor, step: int, subframe: int) -> torch.Tensor:
    """TasNet's overlap_and_add: ``[batch, frames, length]`` to ``[batch, samples]``."""
    frames, length = signal.shape[1:]
    size, hop = (step * (frames - 1) + length) // subframe, step // subframe
    places = torch.arange(size).unfold(0, length // subframe, hop).contiguous().view(-1)
    result = signal.new_zeros(signal.shape[0], size, subframe)
    result.index_add_(1, places, signal.reshape(signal.shape[0], -1, subframe))
    return result.view(signal.shape[0], -1)


def at_other_places(x: torch.Tensor) -> torch.Tensor:
    return x.index_add(1, (torch.arange(x.shape[1]) - 2).abs(), x)


def hopped(x: torch.Tensor) -> torch.Tensor:
    frames = x.shape[1] // 4
    places = (torch.arange(frames) * 2).unsqueeze(1) + torch.arange(4)
    return x.new_zeros(x.shape[0], frames * 2 + 2, 4).index_add(1, places.flatten(), x[:, : frames * 4])


def in_calls_too_short(x: torch.Tensor) -> torch.Tensor:
    """Nothing that this makes has a frame for every four of its input: a call may hold half a window."""
    numbers = torch.arange(x.shape[1] // 4 * 4)
    result = x.new_zeros(x.shape[0], x.shape[1] // 4 * 2 + 2, 4)
    return result.index_add(1, numbers // 4 * 2 + numbers % 4, x[:, : x.shape[1] // 4 * 4])


ROWS = (
    alike(ADD, lambda x: x.index_add(-1, first_two(x), x[..., :2])),
    Row(ADD, "subframes", lambda _, x: overlapped(x, 2, 2)),
    Row(ADD, "subframes of a signal", lambda _, x: overlapped(x.unfold(1, 9, 3) + 0.5, 3, 3), SAMPLES, delay=6),
    Row(ADD, "folded", lambda _, x: folded(x + 0.5, 4, 2)),
    Row(ADD, "folded, no whole number of strides", lambda _, x: folded(torch.cat([x, x[..., :3]], -1) + 0.5, 7, 3)),
    Row(ADD, "folded without overlap", lambda _, x: folded(x, 2, 2)),
    Row(ADD, "folded with gaps", lambda _, x: folded(x, 2, 5, more=3)),
    Row(ADD, "folded by one frame", lambda _, x: folded(x, 4, 1)),
    Row(ADD, "folded and trimmed by padding", lambda _, x: folded(x + 0.5, 4, 1, padding=2), delay=2),
    Row(ADD, "folded behind known frames and look-ahead", lambda _, x: folded(headed(x), 4, 2), delay=1),
    Row(ADD, "folded behind padded windows", lambda _, x: cut_and_folded(functional.pad(x, (6, 0)), 8, 2), SAMPLES),
    Row(ADD, "cut, changed and folded", lambda _, x: cut_and_folded(x, 12, 4), SAMPLES, delay=8),
    Row(ADD, "cut, changed and folded to the length", lambda _, x: cut_and_folded(x, 8, 3, 1), SAMPLES, delay=6),
    Row(
        ADD,
        "folded beside frequency",
        lambda _, x: functional.fold(x.transpose(2, 3).flatten(1, 2), (5, x.shape[2] + 2), (5, 3)),
        IMAGES,
    ),
    Row(
        ADD,
        "with a weight per place of the window, onto what is there",
        lambda m, x: m.base.expand(x.shape[0], x.shape[1] + 3, 4).index_add(
            1,
            (torch.arange(x.shape[1])[:, None] + torch.arange(4)).flatten(),
            (x.unsqueeze(2) * m.w).flatten(1, 2),
            alpha=0.5,
        ),
        parts={"w": parameter(4, 1), "base": parameter(1, 1, 4)},
    ),
    Row(
        ADD,
        "a decoder between convolutions",
        lambda m, x: m.after(folded(torch.relu(m.before(x)).mT, 8, 4).mT),
        {"x": CHANNELS},
        {"before": lambda: nn.Conv1d(4, 16, 8, 4), "after": lambda: nn.Conv1d(2, 3, 3, padding=1)},
        delay=5,
    ),
    Row(ADD, "frames that were never cut as windows", lambda _, x: hopped(x)),
    Row(ADD, "windows longer than a call", lambda _, x: in_calls_too_short(x), refused="longer than a call"),
    Row(ADD, "each frame where it is", lambda _, x: x.index_add(1, torch.arange(x.shape[1]), x)),
    Row(ADD, "at other places", lambda _, x: at_other_places(x), refused="it adds frames at places of all time"),
    Row(
        ADD,
        "at places from data",
        lambda _, x: x.index_add(1, (x[0, :, 0] > 0).long(), x),
        refused="it adds frames at places of all time",
    ),
)
