"""Running quantities as their papers have them: cumulative norm, recurrences in parallel form, linear attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CumulativeLayerNorm(nn.Module):
    """The norm of a causal Conv-TasNet: over channels and all frames so far."""

    def __init__(self, dimension: int, eps: float = 1e-8) -> None:
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(1, dimension, 1))
        self.bias = nn.Parameter(torch.zeros(1, dimension, 1))

    def forward(self, x: Tensor) -> Tensor:
        channel, time_step = x.size(1), x.size(2)
        cum_sum = torch.cumsum(x.sum(1), dim=1)
        cum_pow_sum = torch.cumsum(x.pow(2).sum(1), dim=1)
        entry_cnt = torch.arange(channel, channel * (time_step + 1), channel, device=x.device).type_as(x)
        entry_cnt = entry_cnt.view(1, -1).expand_as(cum_sum)
        cum_mean = cum_sum / entry_cnt
        cum_var = (cum_pow_sum - 2 * cum_mean * cum_sum) / entry_cnt + cum_mean.pow(2)
        cum_std = (cum_var + self.eps).sqrt()
        x = (x - cum_mean.unsqueeze(1).expand_as(x)) / cum_std.unsqueeze(1).expand_as(x)
        return x * self.gain.expand_as(x) + self.bias.expand_as(x)


class Separator(nn.Module):
    """One block of a causal Conv-TasNet, between two such norms."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = CumulativeLayerNorm(6)
        self.conv = nn.Conv1d(6, 12, 1)
        self.prelu = nn.PReLU()
        self.norm2 = CumulativeLayerNorm(12)
        self.depthwise = nn.Conv1d(12, 12, 3, padding=4, dilation=2, groups=12)
        self.out = nn.Conv1d(12, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.prelu(self.conv(self.norm(x))))
        out: Tensor = self.out(self.depthwise(y)[:, :, :-4])
        return x + out


def log_g(x: Tensor) -> Tensor:
    return torch.where(x >= 0, (F.relu(x) + 0.5).log(), -F.softplus(-x))


def parallel_scan_log(log_coeffs: Tensor, log_values: Tensor) -> Tensor:
    a_star = F.pad(torch.cumsum(log_coeffs, dim=1), (0, 0, 1, 0))
    log_h0_plus_b_star = torch.logcumsumexp(log_values - a_star, dim=1)
    return torch.exp(a_star + log_h0_plus_b_star)[:, 1:]


class MinGRU(nn.Module):
    """The parallel form of "Were RNNs all we needed?", its state in front of the frames."""

    def __init__(self, inputs: int = 5, hidden: int = 8) -> None:
        super().__init__()
        self.linear_z, self.linear_h = nn.Linear(inputs, hidden), nn.Linear(inputs, hidden)
        self.hidden = hidden

    def forward(self, x: Tensor) -> Tensor:
        h_0 = torch.zeros(x.shape[0], 1, self.hidden, device=x.device)
        k = self.linear_z(x)
        log_z, log_coeffs = -F.softplus(-k), -F.softplus(k)
        log_values = torch.cat([log_g(h_0), log_z + log_g(self.linear_h(x))], dim=1)
        return parallel_scan_log(log_coeffs, log_values)


class MinLSTM(nn.Module):
    """The same with two gates and a learned start."""

    def __init__(self, inputs: int = 5, hidden: int = 8) -> None:
        super().__init__()
        self.gates = nn.Linear(inputs, 2 * hidden)
        self.candidate = nn.Linear(inputs, hidden)
        self.start = nn.Parameter(torch.randn(1, 1, hidden))

    def forward(self, x: Tensor) -> Tensor:
        f, i = self.gates(x).chunk(2, dim=-1)
        diff = F.softplus(-f) - F.softplus(-i)
        log_f, log_i = -F.softplus(diff), -F.softplus(-diff)
        start = log_g(self.start.expand(x.size(0), -1, -1))
        return parallel_scan_log(log_f, torch.cat([start, log_i + log_g(self.candidate(x))], dim=1))


def heinsen_associative_scan_log(log_coeffs: Tensor, log_values: Tensor) -> Tensor:
    a_star = log_coeffs.cumsum(dim=1)
    log_h0_plus_b_star = (log_values - a_star).logcumsumexp(dim=1)
    return (a_star + log_h0_plus_b_star).exp()


class HeinsenGRU(nn.Module):
    """minGRU with expansion, as the best known implementation has it."""

    def __init__(self, dim: int = 6) -> None:
        super().__init__()
        self.to_hidden_and_gate = nn.Linear(dim, 4 * dim, bias=False)
        self.to_out = nn.Linear(2 * dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden, gate = self.to_hidden_and_gate(x).chunk(2, dim=-1)
        log_coeffs, log_z = -F.softplus(gate), -F.softplus(-gate)
        out: Tensor = self.to_out(heinsen_associative_scan_log(log_coeffs, log_z + log_g(hidden)))
        return out


class LinearAttention(nn.Module):
    """Transformers are RNNs: causal linear attention by running sums of keys and of keys times values."""

    def __init__(self, dim: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.to_qkv, self.to_out, self.heads = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim), heads

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in self.to_qkv(x).chunk(3, dim=-1))
        q, k = F.elu(q) + 1, F.elu(k) + 1
        context = torch.einsum("bhtd,bhte->bhtde", k, v).cumsum(dim=2)
        z = 1 / (torch.einsum("bhtd,bhtd->bht", q, k.cumsum(dim=2)) + 1e-6)
        out = torch.einsum("bhtd,bhtde,bht->bhte", q, context, z)
        y: Tensor = self.to_out(out.transpose(1, 2).reshape(b, t, c))
        return y
