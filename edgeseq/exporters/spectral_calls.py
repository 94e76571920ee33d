"""torch.stft and torch.istft, captured as convolutions with the windowed waves of the transform.

torch's own are traced into strided views that fix the length of time. A convolution by ``hop`` is the same sum, has a
streaming rule for both its ends, and for the sizes of speech (up to 1,024) is as fast as a transform in onnxruntime:
``docs/decisions/013-complex-pairs.md`` has the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from edgeseq.exporters.waves import inverse_waves, waves


def stft(
    x: torch.Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: torch.Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> torch.Tensor:
    """``torch.stft`` of ``[batch, samples]`` or ``[samples]``: ``[batch, bins, frames]``."""
    signal = (x if x.dim() > 1 else x.unsqueeze(0)).unsqueeze(1)
    if center:
        signal = functional.pad(signal, (n_fft // 2, n_fft // 2), mode=pad_mode)
    bins = n_fft if onesided is False else n_fft // 2 + 1
    cosine, sine = (part.t().to(x) for part in waves(n_fft, bins, n_fft))
    basis = torch.cat([cosine, -sine]) * _full_window(x, n_fft, win_length, window)
    if normalized:
        basis = basis * n_fft**-0.5
    parts = functional.conv1d(signal, basis.unsqueeze(1), stride=hop_length or n_fft // 4)
    made = torch.complex(parts[:, :bins], parts[:, bins:])
    made = made if x.dim() > 1 else made.squeeze(0)
    return made if return_complex is not False else torch.view_as_real(made)


def istft(
    z: torch.Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: torch.Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: Any = None,
    return_complex: bool = False,
) -> torch.Tensor:
    """``torch.istft`` of ``[batch, bins, frames]`` or ``[bins, frames]``: frames added where they overlap.

    What they add up to is divided by what the squared windows add up to, which differs at both ends of the sequence.
    """
    parts = [z.real, z.imag] if z.is_complex() else [z[..., 0], z[..., 1]]
    spectrum = torch.cat(parts, -2)
    spectrum = spectrum if spectrum.dim() > 2 else spectrum.unsqueeze(0)
    hop, rank = hop_length or n_fft // 4, parts[0].dim()
    shape = _full_window(spectrum, n_fft, win_length, window)
    basis = torch.cat(_inverse(spectrum, n_fft, parts[0].shape[-2])) * shape
    if normalized:
        basis = basis * n_fft**0.5
    signal = functional.conv_transpose1d(spectrum, basis.unsqueeze(1), stride=hop)
    ones = torch.ones_like(spectrum[:1, :1])
    envelope = functional.conv_transpose1d(ones, (shape * shape)[None, None], stride=hop)
    made = _cut(signal / envelope, n_fft, hop, length, center)
    return made.squeeze(1) if rank > 2 else made.squeeze(1).squeeze(0)


def _inverse(like: torch.Tensor, n_fft: int, bins: int) -> list[torch.Tensor]:
    if bins == n_fft // 2 + 1:
        return [part.to(like) for part in inverse_waves(bins, n_fft)]
    cosine, sine = waves(n_fft, n_fft, n_fft)
    return [(cosine / n_fft).to(like), (-sine / n_fft).to(like)]


def _cut(signal: torch.Tensor, n_fft: int, hop: int, length: Any, center: bool) -> torch.Tensor:
    """Drop what centring put in front, and all behind ``length`` samples, or what centring put behind.

    A ``length`` beyond the last frame is filled with zeros: less than a hop where the frames come from as many samples.
    """
    first = n_fft // 2 if center else 0
    signal = signal[..., first:]
    if length is None:
        return signal[..., :-first] if first else signal
    if first < hop:
        signal = functional.pad(signal, (0, hop))
    return signal[..., :length]


def _full_window(like: torch.Tensor, n_fft: int, win_length: int | None, window: torch.Tensor | None) -> torch.Tensor:
    """The window in the middle of ``n_fft`` samples; ones where none is given."""
    size = win_length or n_fft
    shape = window.to(like) if window is not None else like.new_ones(size)
    left = (n_fft - size) // 2
    return functional.pad(shape, (left, n_fft - size - left)) if size != n_fft else shape


#: What a captured model may call, and what answers.
SPECTRAL: dict[Any, Callable[..., torch.Tensor]] = {
    torch.stft: stft,
    torch.Tensor.stft: stft,
    torch.istft: istft,
    torch.Tensor.istft: istft,
}
