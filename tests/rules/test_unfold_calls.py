"""The captured form of torch.nn.functional.unfold is torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from edgeseq.exporters.unfold_calls import unfold


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
