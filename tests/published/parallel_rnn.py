"""Recurrences that train in parallel: minGRU and minLSTM by log-space scans, QRNN, SRU."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.published.row import Published, Streams


def exists(v):
    return v is not None


def default(v, d):
    return v if exists(v) else d


def heinsen_associative_scan_log(log_coeffs, log_values):
    a_star = log_coeffs.cumsum(dim=1)
    log_h0_plus_b_star = (log_values - a_star).logcumsumexp(dim=1)
    log_h = a_star + log_h0_plus_b_star
    return log_h.exp()


def g(x):
    return torch.where(x >= 0, x + 0.5, x.sigmoid())


def log_g(x):
    return torch.where(x >= 0, (F.relu(x) + 0.5).log(), -F.softplus(-x))


class minGRU(nn.Module):
    """lucidrains/minGRU-pytorch."""

    def __init__(self, dim, expansion_factor=1.0):
        super().__init__()
        dim_inner = int(dim * expansion_factor)
        self.to_hidden_and_gate = nn.Linear(dim, dim_inner * 2, bias=False)
        self.to_out = nn.Linear(dim_inner, dim, bias=False) if expansion_factor != 1.0 else nn.Identity()

    def forward(self, x, prev_hidden=None, return_next_prev_hidden=False):
        seq_len = x.shape[1]
        hidden, gate = self.to_hidden_and_gate(x).chunk(2, dim=-1)
        if seq_len == 1:
            hidden = g(hidden)
            gate = gate.sigmoid()
            out = torch.lerp(prev_hidden, hidden, gate) if exists(prev_hidden) else (hidden * gate)
        else:
            log_coeffs = -F.softplus(gate)
            log_z = -F.softplus(-gate)
            log_tilde_h = log_g(hidden)
            log_values = log_z + log_tilde_h
            if exists(prev_hidden):
                log_values = torch.cat((prev_hidden.log(), log_values), dim=1)
                log_coeffs = F.pad(log_coeffs, (0, 0, 1, 0))
            out = heinsen_associative_scan_log(log_coeffs, log_values)
            out = out[:, -seq_len:]
        next_prev_hidden = out[:, -1:]
        out = self.to_out(out)
        if not return_next_prev_hidden:
            return out
        return out, next_prev_hidden


class minGRULM(nn.Module):
    def __init__(self, num_tokens=50, dim=16, depth=2):
        super().__init__()
        self.token_emb = nn.Embedding(num_tokens, dim)
        self.layers = nn.ModuleList([])
        for _ in range(depth):
            self.layers.append(
                nn.ModuleList(
                    [
                        nn.RMSNorm(dim),
                        minGRU(dim, expansion_factor=1.5),
                        nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim)),
                    ]
                )
            )
        self.norm = nn.RMSNorm(dim)
        self.to_logits = nn.Linear(dim, num_tokens, bias=False)

    def forward(self, x):
        x = self.token_emb(x)
        for norm, mingru, ff in self.layers:
            x = mingru(norm(x)) + x
            x = ff(x) + x
        return self.to_logits(self.norm(x))


class MinLSTM(nn.Module):
    """The paper's listing: gates normalised in log space, the initial state put in front of the values."""

    def __init__(self, input_size=12, hidden_size=16):
        super().__init__()
        self.hidden_size = hidden_size
        self.linear_f = nn.Linear(input_size, hidden_size)
        self.linear_i = nn.Linear(input_size, hidden_size)
        self.linear_h = nn.Linear(input_size, hidden_size)

    def parallel_scan_log(self, log_coeffs, log_values):
        a_star = F.pad(torch.cumsum(log_coeffs, dim=1), (0, 0, 1, 0))
        log_h0_plus_b_star = torch.logcumsumexp(log_values - a_star, dim=1)
        log_h = a_star + log_h0_plus_b_star
        return torch.exp(log_h)[:, 1:]

    def forward(self, x):
        h_0 = torch.zeros(x.shape[0], 1, self.hidden_size, device=x.device)
        diff = F.softplus(-self.linear_f(x)) - F.softplus(-self.linear_i(x))
        log_f = -F.softplus(diff)
        log_i = -F.softplus(-diff)
        log_h_0 = log_g(h_0)
        log_tilde_h = log_g(self.linear_h(x))
        return self.parallel_scan_log(log_f, torch.cat([log_h_0, log_i + log_tilde_h], dim=1))


class QRNNLayer(nn.Module):
    """Bradbury 2016 as in salesforce/pytorch-qrnn: a window of two frames, fo-pooling stepped in Python."""

    def __init__(self, input_size, hidden_size, window=2):
        super(QRNNLayer, self).__init__()
        self.window = window
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.linear = nn.Linear(window * input_size, 3 * hidden_size)

    def forward(self, X, hidden=None):
        seq_len, batch_size, _ = X.size()
        Xm1 = [X[:1, :, :] * 0] if len(X) <= 1 else [X[:1, :, :] * 0, X[:-1, :, :]]
        Xm1 = torch.cat(Xm1, 0)
        source = torch.cat([X, Xm1], 2)
        Y = self.linear(source)
        Y = Y.view(seq_len, batch_size, 3 * self.hidden_size)
        Z, F_, O = Y.chunk(3, dim=2)
        Z = torch.tanh(Z)
        F_ = torch.sigmoid(F_)
        Z = Z.contiguous()
        F_ = F_.contiguous()
        C = self.forget_mult(F_, Z, hidden)
        H = torch.sigmoid(O) * C
        return H, C[-1:, :, :]

    def forget_mult(self, f, x, hidden_init=None):
        result = []
        forgets = f.split(1, dim=0)
        prev_h = hidden_init
        for i, h in enumerate((f * x).split(1, dim=0)):
            if prev_h is not None:
                h = h + (1 - forgets[i]) * prev_h
            h = h.view(h.size()[1:])
            result.append(h)
            prev_h = h
        return torch.stack(result)


class QRNN(nn.Module):
    def __init__(self, input_size=8, hidden_size=12, num_layers=2):
        super().__init__()
        self.layers = nn.ModuleList(
            [QRNNLayer(input_size if i == 0 else hidden_size, hidden_size) for i in range(num_layers)]
        )

    def forward(self, input):
        next_hidden = []
        for layer in self.layers:
            input, hn = layer(input)
            next_hidden.append(hn)
        return input, torch.cat(next_hidden, 0)


class SRUCell(nn.Module):
    """Lei 2018, the CPU branch of asappresearch/sru."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.weight = nn.Parameter(torch.randn(input_size, 3 * hidden_size) / input_size**0.5)
        self.weight_c = nn.Parameter(torch.randn(2 * hidden_size))
        self.bias = nn.Parameter(torch.zeros(2 * hidden_size))

    def forward(self, x, c0=None):
        length, batch, d = x.size(0), x.size(-2), self.hidden_size
        if c0 is None:
            c0 = torch.zeros(batch, d, dtype=x.dtype, device=x.device)
        u = x.reshape(-1, x.size(-1)).mm(self.weight).view(length, batch, d, 3)
        x0, x1, x2 = u[..., 0], u[..., 1], u[..., 2]
        forget_wc, reset_wc = self.weight_c.view(2, d)
        forget_bias, reset_bias = self.bias.view(2, d)
        c_prev = c0
        c = []
        for t in range(length):
            forget_t = (x1[t] + c_prev * forget_wc + forget_bias).sigmoid()
            c_prev = x0[t] + (c_prev - x0[t]) * forget_t
            c.append(c_prev)
        c = torch.stack(c)
        c_shifted = torch.cat([c0.unsqueeze(0), c[:-1]])
        reset = (x2 + c_shifted * reset_wc + reset_bias).sigmoid()
        h = reset * c.tanh() + (1 - reset) * x
        return h, c[-1]


class SRU(nn.Module):
    def __init__(self, size=12, num_layers=2):
        super().__init__()
        self.rnn_lst = nn.ModuleList([SRUCell(size, size) for _ in range(num_layers)])

    def forward(self, input):
        prevx = input
        lstc = []
        for rnn in self.rnn_lst:
            h, c = rnn(prevx)
            prevx = h
            lstc.append(c)
        return prevx, torch.stack(lstc)


ROWS = (
    Published("mingru-lm", minGRULM, {"x": "int64[batch,time]"}, "Feng 2024, lucidrains/minGRU-pytorch", Streams()),
    Published("minlstm", MinLSTM, {"x": "float32[batch,time,12]"}, "Feng 2024, the paper's listing", Streams()),
    Published("qrnn", QRNN, {"input": "float32[time,batch,8]"}, "Bradbury 2016, salesforce/pytorch-qrnn", Streams()),
    Published("sru", SRU, {"input": "float32[time,batch,12]"}, "Lei 2018, asappresearch/sru", Streams()),
)
