"""The captured forms of torch.nn.functional.unfold and fold are torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from edgeseq.exporters.unfold_calls import fold, unfold


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 3},
        {"kernel_size": (1, 3), "padding": (0, 1)},
        {"kernel_size": (7, 2), "stride": (1, 2)},
        {"kernel_size": [2, 6], "padding": [1, 1], "stride": 2},
        {"kernel_size": 2, "dilation": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(2, 3, 7, 6), (3, 7, 6)], ids=str)
def test_the_captured_form_is_torchs(arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    assert torch.equal(unfold(x, **arguments), functional.unfold(x, **arguments))


@pytest.mark.parametrize(
    ("output_size", "kernel_size", "arguments"),
    [
        ((1, 14), (1, 4), {"stride": (1, 2)}),
        ((14, 1), (4, 1), {"stride": 2}),
        ((3, 9), (3, 4), {}),
        ((1, 10), (1, 4), {"stride": 2, "padding": (0, 2)}),
        ((1, 5), (3, 4), {"stride": (1, 1), "padding": (1, 1)}),
        ((1, 15), (1, 4), {"stride": (1, 2)}),
        ((4, 3), 2, {}),
        ((1, 12), (1, 4), {"dilation": (1, 2)}),
    ],
    ids=str,
)
def test_the_captured_form_of_fold_is_torchs(output_size: Any, kernel_size: Any, arguments: dict[str, Any]) -> None:
    x = torch.randn(2, 24, 6)
    x = x[..., : torch.nn.functional.unfold(torch.zeros(1, 1, *output_size), kernel_size, **arguments).shape[-1]]
    for windows in (x, x[0]):
        wanted = functional.fold(windows, output_size, kernel_size, **arguments)
        torch.testing.assert_close(fold(windows, output_size, kernel_size, **arguments), wanted)
