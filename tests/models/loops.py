"""Models with a Python loop over time, as published code writes them."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.scan import scan
from torch.nn import functional


class GRUCellLoop(nn.Module):
    """The tutorials' loop: zeros for h0, a list of outputs, a stack, a head."""

    def __init__(self, features: int = 6, hidden: int = 8) -> None:
        super().__init__()
        self.hidden_size = hidden
        self.cell = nn.GRUCell(features, hidden)
        self.fc = nn.Linear(hidden, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.zeros(x.size(0), self.hidden_size, device=x.device)
        outputs = []
        for t in range(x.size(1)):
            h = self.cell(x[:, t, :], h)
            outputs.append(h)
        return self.fc(torch.stack(outputs, dim=1)), h


class LSTMCellTagger(nn.Module):
    """Embedding, an LSTMCell over ``unbind``, concatenated outputs; the state is None at first."""

    def __init__(self, words: int = 20, hidden: int = 7) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, 5)
        self.lstm = nn.LSTMCell(5, hidden)
        self.out = nn.Linear(hidden, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        state = None
        logits = []
        for x_t in self.embed(tokens).unbind(1):
            state = self.lstm(x_t, state)
            logits.append(self.out(state[0]).unsqueeze(1))
        return torch.cat(logits, dim=1)


class StackedCells(nn.Module):
    """Two LSTMCells one above the other, written into a buffer, time first."""

    def __init__(self, features: int = 5, hidden: int = 6) -> None:
        super().__init__()
        self.cells = nn.ModuleList([nn.LSTMCell(features, hidden), nn.LSTMCell(hidden, hidden)])
        self.hidden = hidden

    def forward(self, x: Tensor) -> Tensor:
        T, B, _ = x.shape
        h = [torch.zeros(B, self.hidden) for _ in self.cells]
        c = [torch.zeros(B, self.hidden) for _ in self.cells]
        out = torch.zeros(T, B, self.hidden)
        for t in range(T):
            inp = x[t]
            for i, cell in enumerate(self.cells):
                h[i], c[i] = cell(inp, (h[i], c[i]))
                inp = h[i]
            out[t] = inp
        return out


class LayerByLayer(nn.Module):
    """A stack of own cells, one loop over time after the other, frames handed on in lists."""

    def __init__(self, features: int = 4, hidden: int = 5, layers: int = 2) -> None:
        super().__init__()
        sizes = [features] + [hidden] * layers
        self.cells = nn.ModuleList(nn.RNNCell(a, b) for a, b in itertools.pairwise(sizes))
        self.hidden = hidden

    def forward(self, x: Tensor) -> Tensor:
        frames = [x[:, i] for i in range(x.shape[1])]
        for cell in self.cells:
            h = x.new_zeros(x.shape[0], self.hidden)
            passed = []
            for frame in frames:
                h = cell(frame, h)
                passed.append(h)
            frames = passed
        return torch.stack(frames, 1)


class SelectiveScan(nn.Module):
    """Mamba's block in the minimal form: projections, a causal conv, and the scan written out."""

    def __init__(self, d_model: int = 6, d_state: int = 4, d_conv: int = 4, dt_rank: int = 2) -> None:
        super().__init__()
        self.d_inner, self.d_state, self.dt_rank = 2 * d_model, d_state, dt_rank
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=False)
        self.conv1d = nn.Conv1d(self.d_inner, self.d_inner, d_conv, groups=self.d_inner, padding=d_conv - 1)
        self.x_proj = nn.Linear(self.d_inner, dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(dt_rank, self.d_inner)
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, d_state + 1).repeat(self.d_inner, 1)))
        self.D = nn.Parameter(torch.ones(self.d_inner))
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        _, l, _ = x.shape  # noqa: E741
        x_and_res = self.in_proj(x)
        (x, res) = x_and_res.split(split_size=[self.d_inner, self.d_inner], dim=-1)
        x = self.conv1d(x.transpose(1, 2))[:, :, :l].transpose(1, 2)
        x = functional.silu(x)
        y = self.ssm(x) * functional.silu(res)
        return self.out_proj(y)  # type: ignore[no-any-return]

    def ssm(self, x: Tensor) -> Tensor:
        A = -torch.exp(self.A_log.float())
        D = self.D.float()
        (delta, B, C) = self.x_proj(x).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        delta = functional.softplus(self.dt_proj(delta))
        return self.selective_scan(x, delta, A, B, C, D)

    def selective_scan(self, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
        (b, l, d_in) = u.shape  # noqa: E741
        n = A.shape[1]
        deltaA = torch.exp(torch.einsum("bld,dn->bldn", delta, A))
        deltaB_u = torch.einsum("bld,bln,bld->bldn", delta, B, u)
        x = torch.zeros((b, d_in, n), device=deltaA.device)
        ys = []
        for i in range(l):
            x = deltaA[:, i] * x + deltaB_u[:, i]
            y = torch.einsum("bdn,bn->bd", x, C[:, i, :])
            ys.append(y)
        y = torch.stack(ys, dim=1)
        return y + u * D


class ConvLSTM(nn.Module):
    """A ConvLSTM over frames of an image sequence."""

    def __init__(self, channels: int = 2, hidden: int = 3) -> None:
        super().__init__()
        self.hidden = hidden
        self.conv = nn.Conv2d(channels + hidden, 4 * hidden, 3, padding=1)

    def forward(self, video: Tensor) -> Tensor:
        b, seq_len, _, height, width = video.size()
        h = torch.zeros(b, self.hidden, height, width, device=video.device)
        c = torch.zeros(b, self.hidden, height, width, device=video.device)
        output_inner = []
        for t in range(seq_len):
            combined = torch.cat([video[:, t, :, :, :], h], dim=1)
            cc_i, cc_f, cc_o, cc_g = torch.split(self.conv(combined), self.hidden, dim=1)
            i, f, o, g = torch.sigmoid(cc_i), torch.sigmoid(cc_f), torch.sigmoid(cc_o), torch.tanh(cc_g)
            c = f * c + i * g
            h = o * torch.tanh(c)
            output_inner.append(h)
        return torch.stack(output_inner, dim=1)


class LeakyNeurons(nn.Module):
    """Two layers of leaky integrate-and-fire neurons with a reset by subtraction; spikes and membranes."""

    def __init__(self, inputs: int = 6, hidden: int = 9, outputs: int = 3, beta: float = 0.9) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)
        self.beta, self.threshold = beta, 0.3

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mem1 = torch.zeros(x.shape[1], self.fc1.out_features)
        mem2 = torch.zeros(x.shape[1], self.fc2.out_features)
        spikes, membranes = [], []
        for step in range(x.size(0)):
            mem1 = self.beta * mem1 + self.fc1(x[step])
            spk1 = (mem1 > self.threshold).float()
            mem1 = mem1 - spk1 * self.threshold
            mem2 = self.beta * mem2 + self.fc2(spk1)
            spk2 = (mem2 > self.threshold).float()
            mem2 = mem2 * (1 - spk2)
            spikes.append(spk2)
            membranes.append(mem2)
        return torch.stack(spikes, dim=0), torch.stack(membranes, dim=0)


class WKV(nn.Module):
    """RWKV-4's time mixing in its sequential form: token shift, a running maximum for the exponentials."""

    def __init__(self, dim: int = 6) -> None:
        super().__init__()
        self.time_decay, self.time_first = nn.Parameter(torch.rand(dim)), nn.Parameter(torch.rand(dim))
        self.time_mix_k, self.time_mix_v = nn.Parameter(torch.rand(1, 1, dim)), nn.Parameter(torch.rand(1, 1, dim))
        self.time_shift = nn.ZeroPad2d((0, 0, 1, -1))
        self.key, self.value = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.receptance, self.output = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        xx = self.time_shift(x)
        k = self.key(x * self.time_mix_k + xx * (1 - self.time_mix_k))
        v = self.value(x * self.time_mix_v + xx * (1 - self.time_mix_v))
        r = torch.sigmoid(self.receptance(x))
        w, u = -torch.exp(self.time_decay), self.time_first
        B, T, C = k.shape
        aa = torch.zeros(B, C)
        bb = torch.zeros(B, C)
        pp = torch.full((B, C), -1e38)
        y = torch.empty_like(v)
        for t in range(T):
            kt, vt = k[:, t], v[:, t]
            ww = u + kt
            p = torch.maximum(pp, ww)
            e1, e2 = torch.exp(pp - p), torch.exp(ww - p)
            y[:, t] = (e1 * aa + e2 * vt) / (e1 * bb + e2)
            ww = pp + w
            p = torch.maximum(ww, kt)
            e1, e2 = torch.exp(ww - p), torch.exp(kt - p)
            aa = e1 * aa + e2 * vt
            bb = e1 * bb + e2
            pp = p
        return self.output(r * y)  # type: ignore[no-any-return]


class LeakyIntegrator(nn.Module):
    """A reservoir: the state begins as a plain zero."""

    w_in: Tensor
    w: Tensor

    def __init__(self, inputs: int = 4, units: int = 12) -> None:
        super().__init__()
        self.register_buffer("w_in", torch.randn(inputs, units))
        self.register_buffer("w", torch.randn(units, units) / units**0.5 * 0.5)
        self.readout = nn.Linear(units, 2)
        self.leak = 0.3

    def forward(self, x: Tensor) -> Tensor:
        state = torch.zeros(x.size(0), self.w.size(0)).to(x)
        states = torch.zeros(x.size(0), x.size(1), self.w.size(0)).to(x)
        for t in range(x.size(1)):
            update = torch.tanh(x[:, t] @ self.w_in + state @ self.w)
            state = (1 - self.leak) * state + self.leak * update
            states[:, t] = state
        return self.readout(states)  # type: ignore[no-any-return]


class AttentionDecoder(nn.Module):
    """A decoder loop over target frames that attends to a memory given once per stream."""

    def __init__(self, features: int = 5, memory: int = 6, hidden: int = 8) -> None:
        super().__init__()
        self.cell = nn.GRUCell(features + memory, hidden)
        self.query, self.out = nn.Linear(hidden, memory), nn.Linear(hidden, 3)
        self.h0 = nn.Parameter(torch.randn(1, hidden))

    def forward(self, tgt: Tensor, memory: Tensor) -> Tensor:
        h = self.h0.expand(tgt.size(0), -1)
        outputs = []
        for t in range(tgt.size(1)):
            scores = torch.bmm(memory, self.query(h).unsqueeze(2)).squeeze(2) / math.sqrt(memory.size(2))
            context = torch.bmm(torch.softmax(scores, dim=1).unsqueeze(1), memory).squeeze(1)
            h = self.cell(torch.cat([tgt[:, t], context], dim=1), h)
            outputs.append(self.out(h))
        return torch.stack(outputs, dim=1)


class LastOnly(nn.Module):
    """A classifier that keeps the last hidden state alone."""

    def __init__(self, features: int = 4, hidden: int = 6) -> None:
        super().__init__()
        self.i2h, self.h2h, self.fc = nn.Linear(features, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 2)
        self.hidden = hidden

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.zeros(x.size(0), self.hidden)
        for i in range(x.size(1)):
            hidden = torch.tanh(self.i2h(x[:, i]) + self.h2h(hidden))
        return self.fc(hidden)  # type: ignore[no-any-return]


class SecondOrder(nn.Module):
    """A filter with two poles and two zeros per channel, coefficients learned."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.b, self.a = nn.Parameter(torch.rand(3, channels)), nn.Parameter(torch.rand(2, channels) * 0.4)

    def forward(self, x: Tensor) -> Tensor:
        x1 = x2 = y1 = y2 = torch.zeros(x.shape[0], x.shape[2])
        out = []
        for t in range(x.shape[1]):
            y = self.b[0] * x[:, t] + self.b[1] * x1 + self.b[2] * x2 - self.a[0] * y1 - self.a[1] * y2
            x2, x1 = x1, x[:, t]
            y2, y1 = y1, y
            out.append(y)
        return torch.stack(out, 1)


class TeacherShifted(nn.Module):
    """A language model whose loop reads all words but the last."""

    def __init__(self, words: int = 15, hidden: int = 6) -> None:
        super().__init__()
        self.embed, self.cell = nn.Embedding(words, 4), nn.GRUCell(4, hidden)
        self.hidden = hidden

    def forward(self, words: Tensor) -> Tensor:
        h = torch.zeros(words.size(0), self.hidden)
        out = [h]
        for t in range(1, words.size(1)):
            h = self.cell(self.embed(words[:, t - 1]), h)
            out.append(h)
        return torch.stack(out, 1)


class ScannedGRU(nn.Module):
    """A cell under torch's ``scan``, its last carry returned beside all outputs."""

    def __init__(self, features: int = 6, hidden: int = 8) -> None:
        super().__init__()
        self.hidden_size = hidden
        self.cell = nn.GRUCell(features, hidden)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        def step(h: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
            h = self.cell(frame, h)
            return h, h.clone()

        h, ys = scan(step, x.new_zeros(x.shape[0], self.hidden_size), x, dim=1)
        return ys, h


class ScannedSSM(nn.Module):
    """A selective scan behind a causal convolution: h = exp(dt A) h + dt B x, y = C h."""

    def __init__(self, width: int = 4, states: int = 3) -> None:
        super().__init__()
        self.width, self.states = width, states
        self.conv1d = nn.Conv1d(width, width, 3, padding=2, groups=width)
        self.x_proj = nn.Linear(width, width + 2 * states)
        self.A_log = nn.Parameter(torch.rand(width, states))

    def forward(self, x: Tensor) -> Tensor:
        u = functional.silu(self.conv1d(x.mT)[..., : x.shape[1]].mT)
        dt, b, c = self.x_proj(u).split([self.width, self.states, self.states], -1)
        decay = -torch.exp(self.A_log)

        def step(h: Tensor, frame: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            u, dt, b, c = frame
            h = torch.exp(dt[..., None] * decay) * h + (dt * u)[..., None] * b[:, None]
            return h, (h * c[:, None]).sum(-1)

        h0 = torch.zeros(x.shape[0], self.width, self.states)
        _, ys = scan(step, h0, tuple(value.transpose(0, 1) for value in (u, functional.softplus(dt), b, c)))
        y: Tensor = x + ys.transpose(0, 1)
        return y


class ParallelLRU(nn.Module):
    """A linear recurrence with gates of the input, by torch's ``associative_scan``."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.gate, self.proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        def combine(left: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return left[0] * right[0], left[1] * right[0] + right[1]

        pairs = (torch.sigmoid(self.gate(x)), self.proj(x))
        return associative_scan(combine, pairs, dim=1, combine_mode="generic")[1]


class LayerPerFrame(nn.Module):
    """An ``nn.GRU`` that is called with one frame at a time, as attention decoders do, and an output layer."""

    def __init__(self, features: int = 4, hidden: int = 6) -> None:
        super().__init__()
        self.hidden_size = hidden
        self.rnn, self.out = nn.GRU(features, hidden, 2, batch_first=True), nn.Linear(hidden, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.zeros(2, x.size(0), self.hidden_size)
        outputs = torch.zeros(x.size(0), x.size(1), 3)
        for t in range(x.size(1)):
            output, hidden = self.rnn(x[:, t].unsqueeze(1), hidden)
            outputs[:, t] = self.out(output.squeeze(1))
        return outputs
