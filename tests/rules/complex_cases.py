"""Models on complex values: every op of ``complex_ops``, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tests.rules.row import Row, headed

aten = torch.ops.aten
opened = torch.view_as_real


def weight(*shape: int) -> Callable[[], nn.Parameter]:
    """Makes a complex weight of this shape."""
    return lambda: nn.Parameter(torch.randn(shape, dtype=torch.complex64))


def late(x: torch.Tensor) -> torch.Tensor:
    """A real part with known frames in front and look-ahead, an imaginary part that comes at once."""
    return torch.complex(headed(x)[..., :2].contiguous(), x[..., 2:].contiguous())


def turned(angles: torch.Tensor) -> torch.Tensor:
    return torch.polar(torch.ones_like(angles), angles)


def rewritten(z: torch.Tensor, value: torch.Tensor, place: int | None = None) -> torch.Tensor:
    """A copy with some features, or one, written over."""
    made = z.clone()
    made[..., slice(0, 1) if place is None else place] = value
    return made


def recurrence(m: Any, z: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """A linear recurrent unit as a loop: complex weights, state and results, and real frames beside them."""
    kept = []
    for t in range(z.shape[1]):
        state = m.w * state + z[:, t] * (1 + z[:, t].real.cos())
        kept.append(state)
    return opened(torch.stack(kept, 1))


def from_zeros(m: Any, z: torch.Tensor) -> torch.Tensor:
    return recurrence(m, z, torch.zeros(z.shape[0], 2, dtype=z.dtype))


def on(op: str, function: Callable[..., Any], case: str = "frame by frame", **parts: Callable[[], Any]) -> Row:
    """A row for a function of the model and of complex frames that come a frame late."""
    return Row(op, case, lambda m, x: function(m, late(x)), parts=parts, delay=1)


ROWS = (
    Row(
        "aten.view_as_complex.default",
        "rotary positions",
        lambda m, x: opened(torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2)) * m.turns[: x.shape[1]]).flatten(2),
        parts={"turns": lambda: nn.Buffer(turned(torch.outer(torch.arange(300.0), torch.rand(2))))},
        max_context=300,
    ),
    on("aten.complex.default", lambda _, z: opened(z)),
    on("aten.view_as_real.default", lambda _, z: opened(z)[..., 0]),
    on("aten.add.Tensor", lambda _, z: opened(z + 2 * z.conj() + 1.5)),
    on("aten.add.Tensor", lambda _, z: opened(torch.add(z.real, z, alpha=2) + 3j), "a real operand"),
    Row("aten.add.Tensor", "a weight to frames", lambda m, x: opened(x + m.w), parts={"w": weight(4)}),
    on("edgeseq.loop.default", from_zeros, "a loop that carries a complex state", w=weight(2)),
    on("aten.zeros.default", from_zeros, "what a loop begins with", w=weight(2)),
    on("aten.new_zeros.default", lambda m, z: recurrence(m, z, z.new_zeros(z.shape[0], 2)), w=weight(2)),
    on("aten.sub.Tensor", lambda _, z: opened(z - 2j - z.imag)),
    on("aten.rsub.Scalar", lambda _, z: opened(aten.rsub.Scalar(z, 1))),
    on("aten.mul.Tensor", lambda m, z: opened(1j * z * m.w * z.conj()), w=weight(2)),
    on("aten.div.Tensor", lambda _, z: opened(z / (z + 2j) / (z.abs() + 1) + 1 / z)),
    on("aten.reciprocal.default", lambda _, z: opened(torch.reciprocal(z))),
    on("aten.pow.Tensor_Scalar", lambda _, z: opened(z**2 + z**0.5)),
    on("aten.matmul.default", lambda m, z: opened(z @ m.w @ m.w.mH), w=weight(2, 3)),
    on("aten.bmm.default", lambda m, z: opened(torch.bmm(z, m.w.expand(z.shape[0], -1, -1))), w=weight(1, 2, 3)),
    Row(
        "aten.mm.default",
        "no batch",
        lambda m, x: torch.mm(torch.exp(1j * x), m.w).imag,
        {"x": "float32[time,4]"},
        {"w": weight(4, 2)},
    ),
    on("aten.einsum.default", lambda m, z: torch.einsum("btf,fg->gbt", z, m.w).abs(), w=weight(2, 3)),
    on("aten.unfold.default", lambda _, z: opened(z.unfold(2, 2, 1).sum(-1))),
    on("aten.unfold.default", lambda _, z: opened(functional.pad(z, (0, 0, 2, 0)).unfold(1, 3, 1)), "along time"),
    on("aten.slice_scatter.default", lambda m, z: opened(rewritten(z, m.w)), w=weight(1)),
    on("aten.select_scatter.default", lambda _, z: opened(rewritten(z, z.real[..., 0], 1))),
    on("aten.copy.default", lambda m, z: opened(rewritten(z, m.w) + z), w=weight(1)),
    on("aten.zeros_like.default", lambda _, z: opened(rewritten(torch.zeros_like(z), z[..., 1:]))),
    on("aten.linear.default", lambda m, z: opened(functional.linear(z, m.w, m.b)), w=weight(3, 2), b=weight(3)),
    Row(
        "aten.conv1d.default",
        "causal",
        lambda m, x: opened(functional.conv1d(functional.pad(late(x).mT, (2, 0)), m.w, m.b)),
        parts={"w": weight(3, 2, 3), "b": weight(3)},
        delay=1,
    ),
    on(
        "aten.conv2d.default",
        lambda m, z: opened(functional.conv2d(z[:, None], m.w)),
        w=weight(3, 1, 1, 2),
    ),
    on("aten.abs.default", lambda _, z: z.abs().square()),
    on("aten.angle.default", lambda _, z: z.angle()),
    on("aten.polar.default", lambda _, z: opened(torch.polar(z.abs() ** 0.3, z.angle()))),
    on("aten.exp.default", lambda _, z: opened(torch.exp(z) + torch.exp(1j * z.real))),
    on("aten.log.default", lambda _, z: opened(torch.log(z))),
    on("aten.sgn.default", lambda _, z: opened(torch.sgn(z))),
    on("aten._conj.default", lambda _, z: z.conj().imag),
    on("aten._conj_physical.default", lambda _, z: opened(torch.conj_physical(z))),
    on("aten._to_copy.default", lambda _, z: (z.real.to(torch.complex64) * z).real),
    on("aten.where.self", lambda _, z: opened(torch.where(z.real > 0, z, 1j * z))),
    on("aten.masked_fill.Scalar", lambda _, z: opened(z.masked_fill(z.real > 0, 0.5))),
    on("aten.pad.default", lambda _, z: opened(functional.pad(z, (1, 0)))),
    on("aten.linalg_norm.default", lambda _, z: torch.linalg.norm(z, dim=-1)),
    on("aten.linalg_vector_norm.default", lambda _, z: torch.linalg.vector_norm(z, dim=-1)),
    on("aten.view.default", lambda _, z: opened(z.contiguous().view(*z.shape[:2], 1, 2))),
    on("aten.permute.default", lambda _, z: opened(z.permute(2, 0, 1))),
    on("aten.transpose.int", lambda _, z: z.mH.real),
    on("aten.unsqueeze.default", lambda _, z: opened(z[:, None].squeeze(1) + z[:, None].squeeze((1,)))),
    on("aten.squeeze.dim", lambda _, z: z[:, None].squeeze(1).abs()),
    on("aten.squeeze.dims", lambda _, z: z[:, None].squeeze((1,)).abs()),
    on("aten.expand.default", lambda _, z: opened(z[:, None].expand(-1, 3, -1, -1))),
    on("aten.repeat.default", lambda _, z: opened(z.repeat(1, 1, 2))),
    Row("aten.slice.Tensor", "look-ahead", lambda _, x: opened(late(x)[:, 1:, :1]), delay=2),
    on("aten.select.int", lambda _, z: opened(z[..., 1])),
    on("aten.cat.default", lambda _, z: opened(torch.cat([z, z.real], -1))),
    on("aten.stack.default", lambda _, z: opened(torch.stack([z, 1j * z]))),
    on("aten.split.Tensor", lambda _, z: opened(z.chunk(2, -1)[1])),
    on("aten.split_with_sizes.default", lambda _, z: opened(z.split([1, 1], -1)[1])),
    on("aten.unbind.int", lambda _, z: opened(z.unbind(-1)[0])),
    on("aten.clone.default", lambda _, z: opened(z.clone())),
    on("aten.flip.default", lambda _, z: opened(z.flip(-1))),
    on("aten.roll.default", lambda _, z: opened(z.roll(1, -1))),
    on("aten.neg.default", lambda _, z: opened(-z)),
    on("aten.sum.dim_IntList", lambda _, z: opened(z.sum(-1))),
    on("aten.mean.dim", lambda _, z: opened(z.mean(-1))),
    on("aten.cumsum.default", lambda _, z: opened(z.cumsum(-1))),
    on("aten.fft_rfft.default", lambda _, z: opened(torch.fft.rfft(z.real, n=5, norm="ortho"))),
    on("aten.fft_irfft.default", lambda _, z: torch.fft.irfft(z.mT, n=3, dim=1, norm="forward")),
    on("aten.fft_fft.default", lambda _, z: opened(torch.fft.fft(z, n=4) + torch.fft.fft(z.real, n=4))),
    on("aten.fft_ifft.default", lambda _, z: opened(torch.fft.ifft(z, norm="ortho"))),
    on("aten.fft_rfft2.default", lambda _, z: torch.fft.rfft2(z.real.unflatten(-1, (1, 2))).abs()),
    on("aten.fft_irfft2.default", lambda _, z: torch.fft.irfft2(z.unflatten(-1, (1, 2)))),
    on("aten.fft_fft2.default", lambda _, z: opened(torch.fft.fft2(z.unflatten(-1, (1, 2))))),
    on("aten.fft_ifft2.default", lambda _, z: opened(torch.fft.ifft2(z.unflatten(-1, (1, 2))))),
    on("aten.fft_fftn.default", lambda _, z: opened(torch.fft.fftn(z, dim=(-1,)))),
    on("aten.fft_ifftn.default", lambda _, z: opened(torch.fft.ifftn(z, dim=(-1,)))),
    on("aten.fft_rfftn.default", lambda _, z: opened(torch.fft.rfftn(z.real, dim=(-1,)))),
    on("aten.fft_irfftn.default", lambda _, z: torch.fft.irfftn(z, s=(3,), dim=(-1,))),
    Row(
        "aten.fft_rfft.default",
        "a convolution as long as the sequence",
        lambda _, x: torch.fft.irfft(torch.fft.rfft(x, 2 * x.shape[1], 1), 2 * x.shape[1], 1)[:, : x.shape[1]],
        refused="a Fourier transform along time needs the whole sequence before its first frame",
    ),
    Row("aten.fft_fft2.default", "over time", lambda _, x: torch.fft.fft2(x).real, refused="transform along time"),
    Row("aten.tanh.default", "no form", lambda _, x: late(x).tanh().real, refused="it has no form in real numbers"),
    Row("aten.complex.default", "returned", lambda _, x: late(x), refused="the model returns complex numbers"),
)
