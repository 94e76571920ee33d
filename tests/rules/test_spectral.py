"""torch.stft and torch.istft stream exactly, both ends and every length modulo the hop included."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgeseq.exporters import export
from edgeseq.exporters.spectral_calls import istft, stft
from edgeseq.testing import check_rule
from tests.rules.row import Called

SAMPLES = {"x": "float32[batch,time]"}
WINDOW = {"w": lambda: nn.Buffer(torch.hann_window(16))}


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(
    "options", list(itertools.product((16, 15), (4, 5), (None, 12), (False, True), (None, False))), ids=str
)
def test_the_captured_forms_are_torchs(options: tuple[Any, ...], center: bool) -> None:
    n_fft, hop, size, normalized, onesided = options
    window = torch.hamming_window(size or n_fft, dtype=torch.float64)
    x = torch.randn(2, 43, dtype=torch.float64)
    for mode in ("reflect", "constant", "replicate", "circular"):
        given = (n_fft, hop, size, window, center, mode, normalized, onesided, True)
        torch.testing.assert_close(stft(x, *given), torch.stft(x, *given))
        torch.testing.assert_close(stft(x[0], *given), torch.stft(x[0], *given))
    spectrum = torch.stft(x, *given)
    if size is not None and not center:
        return  # torch refuses: the first samples lie under no window
    for length in (None, 30):
        back = (n_fft, hop, size, window, center, normalized, onesided, length)
        torch.testing.assert_close(istft(spectrum, *back), torch.istft(spectrum, *back))
        torch.testing.assert_close(istft(spectrum[0], *back), torch.istft(spectrum[0], *back))


def test_a_length_beyond_the_last_frame_is_filled_with_zeros() -> None:
    x = torch.randn(2, 43, dtype=torch.float64)
    flat = torch.ones(16, dtype=torch.float64)
    spectrum = torch.stft(x, 16, 12, window=flat, center=False, return_complex=True)
    with pytest.warns(UserWarning, match="shorter than the length"):
        wanted = torch.istft(spectrum, 16, 12, window=flat, center=False, length=43)
    torch.testing.assert_close(istft(spectrum, 16, 12, window=flat, center=False, length=43), wanted)


def spectrum(m: Any, x: torch.Tensor, hop: int = 4, **options: Any) -> torch.Tensor:
    return torch.stft(x, 16, hop, window=m.w, return_complex=True, **options)


def back(m: Any, z: torch.Tensor, hop: int = 4, **options: Any) -> torch.Tensor:
    return torch.istft(z, 16, hop, window=m.w, **options)


def masked(m: Any, x: torch.Tensor) -> torch.Tensor:
    """A denoiser in the small: a mask from a GRU over the magnitudes."""
    z = spectrum(m, x, 8)
    return back(m, z * torch.sigmoid(m.gru(z.abs().mT)[0]).mT, 8, length=x.shape[-1])


CASES: dict[str, tuple[Callable[..., torch.Tensor], int]] = {
    "no centring": (lambda m, x: spectrum(m, x, center=False).abs(), 12),
    "a hop that divides nothing": (
        lambda m, x: torch.view_as_real(spectrum(m, x, 6, center=False, normalized=True)),
        12,
    ),
    "reflected": (lambda m, x: spectrum(m, x).abs(), 4),
    "replicated": (lambda m, x: spectrum(m, x, pad_mode="replicate").abs(), 4),
    "reflected there and back": (lambda m, x: back(m, spectrum(m, x)), 12),
    "reflected to the length": (lambda m, x: back(m, spectrum(m, x, 5), 5, length=x.shape[-1]), 13),
    "centred": (lambda m, x: spectrum(m, x, pad_mode="constant").abs() ** 2, 4),
    "there and back": (lambda m, x: back(m, spectrum(m, x, pad_mode="constant")), 12),
    "to the length": (lambda m, x: back(m, spectrum(m, x, 5, pad_mode="constant"), 5, length=x.shape[-1]), 13),
    "back from frames": (lambda m, x: back(m, spectrum(m, x, center=False)), 20),
    "a mask between": (masked, 8),
    "log mel": (lambda m, x: (m.mel @ spectrum(m, x, center=False).abs().square()).clamp(min=1e-8).log(), 12),
}
PARTS: dict[str, Callable[[], Any]] = {
    **WINDOW,
    "gru": lambda: nn.GRU(9, 9, batch_first=True),
    "mel": lambda: nn.Buffer(torch.rand(5, 9)),
}


@pytest.mark.parametrize("case", CASES)
def test_streams(case: str) -> None:
    torch.manual_seed(0)
    function, delay = CASES[case]
    contract = check_rule(Called(function, {name: make() for name, make in PARTS.items()}), SAMPLES, frames=41)
    assert contract.delay == delay


def test_a_window_without_a_zero_waits_for_the_farthest_reflected_sample() -> None:
    """Frame 0 then reads sample 8, the ninth; a window that begins with zero never looks at it."""
    boxed = Called(lambda _, x: torch.stft(x, 16, 8, window=torch.ones(16).to(x), return_complex=True).abs(), {})
    hann = Called(lambda m, x: spectrum(m, x, 8).abs(), {"w": WINDOW["w"]()})
    assert check_rule(boxed, SAMPLES).delay == 8
    assert check_rule(hann, SAMPLES).delay == 0


@pytest.mark.parametrize("mode", ["reflect", "constant", "replicate"])
def test_zeros_at_the_ends_of_a_kernel_are_cut_off(mode: str) -> None:
    def padded(m: Any, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv1d(nn.functional.pad(x[:, None], (5, 3), mode=mode), m.w * m.mask, dilation=2)

    mask = torch.tensor([0.0, 0, 1, 0, 1, 0])
    model = Called(padded, {"w": nn.Parameter(torch.randn(2, 1, 6)), "mask": nn.Buffer(mask)})
    contract = check_rule(model, SAMPLES)
    assert (contract.receptive_field, contract.delay) == (5, 3)


def test_a_file_with_both_passes_its_laws(tmp_path: Path) -> None:
    torch.manual_seed(0)
    exported = export(Called(masked, {name: make() for name, make in PARTS.items()}), SAMPLES, tmp_path / "m.onnx")
    assert exported.verification.passed
    assert (exported.contract.chunk.multiple, exported.contract.delay) == (8, 8)
