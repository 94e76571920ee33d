"""State-space models: mamba-minimal, S4D with its convolution kernel, LRU, S5-like scan."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from tests.published.row import Published, Refused, Streams


class MambaBlock(nn.Module):
    def __init__(self, d_model, d_state=8, expand=2, d_conv=4):
        super().__init__()
        self.d_inner = d_model * expand
        self.dt_rank = math.ceil(d_model / 16)
        self.d_state = d_state
        self.in_proj = nn.Linear(d_model, self.d_inner * 2, bias=False)
        self.conv1d = nn.Conv1d(
            in_channels=self.d_inner,
            out_channels=self.d_inner,
            bias=True,
            kernel_size=d_conv,
            groups=self.d_inner,
            padding=d_conv - 1,
        )
        self.x_proj = nn.Linear(self.d_inner, self.dt_rank + d_state * 2, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, self.d_inner, bias=True)
        A = torch.arange(1, d_state + 1, dtype=torch.float).repeat(self.d_inner, 1)
        self.A_log = nn.Parameter(torch.log(A))
        self.D = nn.Parameter(torch.ones(self.d_inner))
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)

    def forward(self, x):
        (b, l, d) = x.shape
        x_and_res = self.in_proj(x)
        (x, res) = x_and_res.split(split_size=[self.d_inner, self.d_inner], dim=-1)
        x = x.transpose(1, 2)
        x = self.conv1d(x)[:, :, :l]
        x = x.transpose(1, 2)
        x = F.silu(x)
        y = self.ssm(x)
        y = y * F.silu(res)
        output = self.out_proj(y)
        return output

    def ssm(self, x):
        (d_in, n) = self.A_log.shape
        A = -torch.exp(self.A_log.float())
        D = self.D.float()
        x_dbl = self.x_proj(x)
        (delta, B, C) = x_dbl.split(split_size=[self.dt_rank, n, n], dim=-1)
        delta = F.softplus(self.dt_proj(delta))
        y = self.selective_scan(x, delta, A, B, C, D)
        return y

    def selective_scan(self, u, delta, A, B, C, D):
        (b, l, d_in) = u.shape
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
        y = y + u * D
        return y


class RMSNorm(nn.Module):
    def __init__(self, d_model, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x):
        output = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight
        return output


class ResidualBlock(nn.Module):
    def __init__(self, d_model):
        super().__init__()
        self.mixer = MambaBlock(d_model)
        self.norm = RMSNorm(d_model)

    def forward(self, x):
        output = self.mixer(self.norm(x)) + x
        return output


class Mamba(nn.Module):
    def __init__(self, vocab_size=48, d_model=16, n_layer=2):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.layers = nn.ModuleList([ResidualBlock(d_model) for _ in range(n_layer)])
        self.norm_f = RMSNorm(d_model)
        self.lm_head = nn.Linear(d_model, vocab_size, bias=False)
        self.lm_head.weight = self.embedding.weight

    def forward(self, input_ids):
        x = self.embedding(input_ids)
        for layer in self.layers:
            x = layer(x)
        x = self.norm_f(x)
        logits = self.lm_head(x)
        return logits


class S4DKernel(nn.Module):
    """Generate convolution kernel from diagonal SSM parameters."""

    def __init__(self, d_model, N=8, dt_min=0.001, dt_max=0.1):
        super().__init__()
        H = d_model
        log_dt = torch.rand(H) * (math.log(dt_max) - math.log(dt_min)) + math.log(dt_min)
        C = torch.randn(H, N // 2, dtype=torch.cfloat)
        self.C = nn.Parameter(torch.view_as_real(C))
        self.log_dt = nn.Parameter(log_dt)
        log_A_real = torch.log(0.5 * torch.ones(H, N // 2))
        A_imag = math.pi * torch.arange(N // 2).repeat(H, 1).float()
        self.log_A_real = nn.Parameter(log_A_real)
        self.A_imag = nn.Parameter(A_imag)

    def forward(self, L):
        dt = torch.exp(self.log_dt)
        C = torch.view_as_complex(self.C)
        A = -torch.exp(self.log_A_real) + 1j * self.A_imag
        dtA = A * dt.unsqueeze(-1)
        K = dtA.unsqueeze(-1) * torch.arange(L, device=A.device)
        C = C * (torch.exp(dtA) - 1.0) / A
        K = 2 * torch.einsum("hn, hnl -> hl", C, torch.exp(K)).real
        return K


class S4D(nn.Module):
    def __init__(self, d_model, d_state=8, dropout=0.0, transposed=True):
        super().__init__()
        self.h = d_model
        self.transposed = transposed
        self.D = nn.Parameter(torch.randn(self.h))
        self.kernel = S4DKernel(self.h, N=d_state)
        self.activation = nn.GELU()
        self.dropout = nn.Dropout1d(dropout) if dropout > 0.0 else nn.Identity()
        self.output_linear = nn.Sequential(nn.Conv1d(self.h, 2 * self.h, kernel_size=1), nn.GLU(dim=-2))

    def forward(self, u):
        if not self.transposed:
            u = u.transpose(-1, -2)
        L = u.size(-1)
        k = self.kernel(L=L)
        k_f = torch.fft.rfft(k, n=2 * L)
        u_f = torch.fft.rfft(u, n=2 * L)
        y = torch.fft.irfft(u_f * k_f, n=2 * L)[..., :L]
        y = y + u * self.D.unsqueeze(-1)
        y = self.dropout(self.activation(y))
        y = self.output_linear(y)
        if not self.transposed:
            y = y.transpose(-1, -2)
        return y


class S4Model(nn.Module):
    """A classifier: the mean over time of a stack of S4D layers."""

    def __init__(self, d_input=3, d_output=10, d_model=16, n_layers=2):
        super().__init__()
        self.encoder = nn.Linear(d_input, d_model)
        self.s4_layers = nn.ModuleList([S4D(d_model) for _ in range(n_layers)])
        self.norms = nn.ModuleList([nn.LayerNorm(d_model) for _ in range(n_layers)])
        self.decoder = nn.Linear(d_model, d_output)

    def forward(self, x):
        x = self.encoder(x)
        x = x.transpose(-1, -2)
        for layer, norm in zip(self.s4_layers, self.norms):
            z = layer(x)
            x = z + x
            x = norm(x.transpose(-1, -2)).transpose(-1, -2)
        x = x.transpose(-1, -2)
        x = x.mean(dim=1)
        x = self.decoder(x)
        return x


class LRU(nn.Module):
    """Orvieto 2023, the state stepped in a loop of complex numbers (Gothos/LRU-pytorch)."""

    def __init__(self, in_features, out_features, state_features, rmin=0.4, rmax=0.95, max_phase=6.283):
        super().__init__()
        self.state_features = state_features
        self.D = nn.Parameter(torch.randn([out_features, in_features]) / math.sqrt(in_features))
        u1 = torch.rand(state_features)
        u2 = torch.rand(state_features)
        self.nu_log = nn.Parameter(torch.log(-0.5 * torch.log(u1 * (rmax + rmin) * (rmax - rmin) + rmin**2)))
        self.theta_log = nn.Parameter(torch.log(max_phase * u2))
        Lambda_mod = torch.exp(-torch.exp(self.nu_log))
        self.gamma_log = nn.Parameter(torch.log(torch.sqrt(torch.ones_like(Lambda_mod) - torch.square(Lambda_mod))))
        B_re = torch.randn([state_features, in_features]) / math.sqrt(2 * in_features)
        B_im = torch.randn([state_features, in_features]) / math.sqrt(2 * in_features)
        self.B = nn.Parameter(torch.complex(B_re, B_im))
        C_re = torch.randn([out_features, state_features]) / math.sqrt(state_features)
        C_im = torch.randn([out_features, state_features]) / math.sqrt(state_features)
        self.C = nn.Parameter(torch.complex(C_re, C_im))
        self.state = torch.complex(torch.zeros(state_features), torch.zeros(state_features))

    def forward(self, input):
        self.state = self.state.to(self.B.device)
        Lambda_mod = torch.exp(-torch.exp(self.nu_log))
        Lambda_re = Lambda_mod * torch.cos(torch.exp(self.theta_log))
        Lambda_im = Lambda_mod * torch.sin(torch.exp(self.theta_log))
        Lambda = torch.complex(Lambda_re, Lambda_im)
        Lambda = Lambda.to(self.state.device)
        gammas = torch.exp(self.gamma_log).unsqueeze(-1).to(self.B.device)
        gammas = gammas.to(self.state.device)
        output = torch.empty([i for i in input.shape[:-1]] + [self.D.shape[0]], device=self.B.device)
        for i, batch in enumerate(input):
            out_seq = torch.empty(input.shape[1], self.D.shape[0])
            for j, step in enumerate(batch):
                self.state = Lambda * self.state + gammas * self.B @ step.to(dtype=self.B.dtype)
                out_step = (self.C @ self.state).real + self.D @ step
                out_seq[j] = out_step
            self.state = torch.complex(torch.zeros_like(self.state.real), torch.zeros_like(self.state.real))
            output[i] = out_seq
        return output


class LRUBatched(nn.Module):
    """The same recurrence, all rows at once, one Python step per frame."""

    def __init__(self, d_model=12, state_features=8):
        super().__init__()
        self.cell = LRU(d_model, d_model, state_features)

    def forward(self, x):
        cell = self.cell
        Lambda = torch.polar(torch.exp(-torch.exp(cell.nu_log)), torch.exp(cell.theta_log))
        B = cell.B * torch.exp(cell.gamma_log).unsqueeze(-1)
        Bu = torch.einsum("nh,blh->bln", B, x.to(B.dtype))
        state = torch.zeros(x.shape[0], Bu.shape[-1], dtype=B.dtype, device=x.device)
        states = []
        for t in range(x.shape[1]):
            state = Lambda * state + Bu[:, t]
            states.append(state)
        states = torch.stack(states, dim=1)
        return torch.einsum("hn,bln->blh", cell.C, states).real + x @ cell.D.T


def segsum(x):
    """Stable segment sum (Mamba-2, minimal SSD)."""
    T = x.size(-1)
    x_cumsum = torch.cumsum(x, dim=-1)
    x_segsum = x_cumsum[..., :, None] - x_cumsum[..., None, :]
    mask = torch.tril(torch.ones(T, T, device=x.device, dtype=bool), diagonal=0)
    x_segsum = x_segsum.masked_fill(~mask, -torch.inf)
    return x_segsum


class Mamba2Minimal(nn.Module):
    """State-space duality in its quadratic form: one chunk as long as the sequence."""

    def __init__(self, d_model=16, n_heads=2, d_state=8):
        super().__init__()
        self.n_heads, self.d_state, self.headdim = n_heads, d_state, d_model // n_heads
        self.in_proj = nn.Linear(d_model, d_model + 2 * d_state + n_heads)
        self.A_log = nn.Parameter(torch.log(torch.arange(1, n_heads + 1).float()))
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, u):
        b, l, d = u.shape
        x, B, C, dt = torch.split(self.in_proj(u), [d, self.d_state, self.d_state, self.n_heads], dim=-1)
        dt = F.softplus(dt)
        x = x.view(b, l, self.n_heads, self.headdim) * dt.unsqueeze(-1)
        A = (-torch.exp(self.A_log) * dt).permute(0, 2, 1)
        L = torch.exp(segsum(A))
        y = torch.einsum("bln,bsn,bhls,bshp->blhp", C, B, L, x)
        return self.out_proj(y.reshape(b, l, d))


_X = {"x": "float32[batch,time,12]"}

ROWS = (
    Published(
        "mamba-minimal",
        Mamba,
        {"input_ids": "int64[batch,time]"},
        "Gu 2023, johnma2006/mamba-minimal",
        Streams(),
        exported=True,
    ),
    # the kernel is as long as the sequence and is a sum of exponentials: a recurrence of d_state numbers
    Published(
        "s4d",
        S4Model,
        {"x": "float32[batch,time,3]"},
        "Gu 2022, state-spaces/s4",
        Refused(
            "trained as a convolution by FFT over all of time; S4's recurrent mode streams",
            "Fourier transform along time",
        ),
    ),
    # a Python loop over the rows of the batch: only a fixed batch can be captured
    Published("lru-by-row", lambda: LRU(12, 12, 8), {"input": "float32[1,time,12]"}, "Gothos/LRU-pytorch", Streams()),
    Published("lru", LRUBatched, _X, "Orvieto 2023, torch ports", Streams()),
    Published("mamba2-quadratic", Mamba2Minimal, {"u": "float32[batch,time,16]"}, "Dao 2024, ssd_minimal", Streams()),
)
