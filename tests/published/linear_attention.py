"""Attention without softmax: Katharopoulos' linear attention, RetNet, gated linear attention, mLSTM, Hyena."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.published.row import Published, Refused, Streams


class CausalLinearAttention(nn.Module):
    """elu(x) + 1 features; key-value products summed along the sequence."""

    def __init__(self, d_model, n_heads, eps=1e-6):
        super(CausalLinearAttention, self).__init__()
        self.query_projection = nn.Linear(d_model, d_model)
        self.key_projection = nn.Linear(d_model, d_model)
        self.value_projection = nn.Linear(d_model, d_model)
        self.out_projection = nn.Linear(d_model, d_model)
        self.n_heads = n_heads
        self.eps = eps

    def forward(self, x):
        N, L, _ = x.shape
        H = self.n_heads
        queries = self.query_projection(x).view(N, L, H, -1)
        keys = self.key_projection(x).view(N, L, H, -1)
        values = self.value_projection(x).view(N, L, H, -1)
        Q = F.elu(queries) + 1
        K = F.elu(keys) + 1
        Z = 1 / (torch.einsum("nlhi,nlhi->nlh", Q, K.cumsum(1)) + self.eps)
        KV = torch.einsum("nlhd,nlhm->nlhdm", K, values).cumsum(dim=1)
        V = torch.einsum("nlhd,nlhdm->nlhm", Q, KV) * Z[:, :, :, None]
        return self.out_projection(V.contiguous().view(N, L, -1))


class LinearTransformer(nn.Module):
    def __init__(self, vocab=50, d_model=24, n_heads=2, layers=2):
        super().__init__()
        self.embedding = nn.Embedding(vocab, d_model)
        self.attentions = nn.ModuleList([CausalLinearAttention(d_model, n_heads) for _ in range(layers)])
        self.norm1 = nn.ModuleList([nn.LayerNorm(d_model) for _ in range(layers)])
        self.norm2 = nn.ModuleList([nn.LayerNorm(d_model) for _ in range(layers)])
        self.linear1 = nn.ModuleList([nn.Linear(d_model, 48) for _ in range(layers)])
        self.linear2 = nn.ModuleList([nn.Linear(48, d_model) for _ in range(layers)])
        self.predictor = nn.Linear(d_model, vocab)

    def forward(self, x):
        x = self.embedding(x)
        for i in range(len(self.attentions)):
            x = self.norm1[i](x + self.attentions[i](x))
            y = self.linear2[i](F.relu(self.linear1[i](x)))
            x = self.norm2[i](x + y)
        return self.predictor(x)


class SimpleRetention(nn.Module):
    def __init__(self, hidden_size, gamma, head_size):
        super(SimpleRetention, self).__init__()
        self.gamma = gamma
        self.W_Q = nn.Parameter(torch.randn(hidden_size, head_size) / hidden_size)
        self.W_K = nn.Parameter(torch.randn(hidden_size, head_size) / hidden_size)
        self.W_V = nn.Parameter(torch.randn(hidden_size, head_size) / hidden_size)

    def forward(self, X):
        sequence_length = X.shape[1]
        D = self._get_D(sequence_length).to(X.device)
        Q = X @ self.W_Q
        K = X @ self.W_K
        V = X @ self.W_V
        ret = (Q @ K.permute(0, 2, 1)) * D.unsqueeze(0)
        return ret @ V

    def _get_D(self, sequence_length):
        n = torch.arange(sequence_length).unsqueeze(1)
        m = torch.arange(sequence_length).unsqueeze(0)
        # Broadcast self.gamma ** (n - m) with appropriate masking to set values where n < m to 0
        D = (self.gamma ** (n - m)) * (n >= m).float()
        D[D != D] = 0
        return D


class RetNet(nn.Module):
    def __init__(self, layers=2, hidden_dim=24, ffn_size=48, heads=2):
        super(RetNet, self).__init__()
        gammas = (1 - torch.exp(torch.linspace(math.log(1 / 32), math.log(1 / 512), heads))).detach().cpu().tolist()
        self.heads = heads
        self.head_size = hidden_dim // heads
        self.retentions = nn.ModuleList(
            [
                nn.ModuleList([SimpleRetention(hidden_dim, gamma, self.head_size) for gamma in gammas])
                for _ in range(layers)
            ]
        )
        self.W_G = nn.ParameterList([nn.Parameter(torch.randn(hidden_dim, hidden_dim) / 5) for _ in range(layers)])
        self.W_O = nn.ParameterList([nn.Parameter(torch.randn(hidden_dim, hidden_dim) / 5) for _ in range(layers)])
        self.group_norms = nn.ModuleList([nn.GroupNorm(heads, hidden_dim) for _ in range(layers)])
        self.ffns = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(hidden_dim, ffn_size), nn.GELU(), nn.Linear(ffn_size, hidden_dim))
                for _ in range(layers)
            ]
        )
        self.layer_norms_1 = nn.ModuleList([nn.LayerNorm(hidden_dim) for _ in range(layers)])
        self.layer_norms_2 = nn.ModuleList([nn.LayerNorm(hidden_dim) for _ in range(layers)])

    def forward(self, X):
        for i in range(len(self.ffns)):
            x = self.layer_norms_1[i](X)
            Y = torch.cat([r(x) for r in self.retentions[i]], dim=2)
            Y_shape = Y.shape
            Y = self.group_norms[i](Y.reshape(-1, self.heads * self.head_size)).reshape(Y_shape)
            gate = x @ self.W_G[i]
            Y = ((gate * torch.sigmoid(gate)) * Y) @ self.W_O[i] + X
            X = self.ffns[i](self.layer_norms_2[i](Y)) + Y
        return X


def parallel_stabilized_simple(
    queries, keys, values, igate_preact, fgate_preact, lower_triangular_matrix=None, eps=1e-6
):
    B, NH, S, DH = queries.shape
    _dtype, _device = queries.dtype, queries.device
    log_fgates = torch.nn.functional.logsigmoid(fgate_preact)
    if lower_triangular_matrix is None or S < lower_triangular_matrix.size(-1):
        ltr = torch.tril(torch.ones((S, S), dtype=torch.bool, device=_device))
    else:
        ltr = lower_triangular_matrix
    log_fgates_cumsum = torch.cat(
        [torch.zeros((B, NH, 1, 1), dtype=_dtype, device=_device), torch.cumsum(log_fgates, dim=-2)], dim=-2
    )
    rep_log_fgates_cumsum = log_fgates_cumsum.repeat(1, 1, 1, S + 1)
    _log_fg_matrix = rep_log_fgates_cumsum - rep_log_fgates_cumsum.transpose(-2, -1)
    log_fg_matrix = torch.where(ltr, _log_fg_matrix[:, :, 1:, 1:], -float("inf"))
    log_D_matrix = log_fg_matrix + igate_preact.transpose(-2, -1)
    max_log_D, _ = torch.max(log_D_matrix, dim=-1, keepdim=True)
    log_D_matrix_stabilized = log_D_matrix - max_log_D
    D_matrix = torch.exp(log_D_matrix_stabilized)
    keys_scaled = keys / math.sqrt(DH)
    qk_matrix = queries @ keys_scaled.transpose(-2, -1)
    C_matrix = qk_matrix * D_matrix
    normalizer = torch.maximum(C_matrix.sum(dim=-1, keepdim=True).abs(), torch.exp(-max_log_D))
    C_matrix_normalized = C_matrix / (normalizer + eps)
    return C_matrix_normalized @ values


class mLSTMCell(nn.Module):
    def __init__(self, embedding_dim=24, num_heads=2):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embedding_dim, 3 * embedding_dim)
        self.igate = nn.Linear(3 * embedding_dim, num_heads)
        self.fgate = nn.Linear(3 * embedding_dim, num_heads)
        self.outnorm = nn.LayerNorm(embedding_dim)
        self.register_buffer("causal_mask", torch.tril(torch.ones(256, 256, dtype=torch.bool)), persistent=False)

    def forward(self, x):
        B, S, H = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        if_gate_input = torch.cat([q, k, v], dim=-1)
        q = q.view(B, S, self.num_heads, -1).transpose(1, 2)
        k = k.view(B, S, self.num_heads, -1).transpose(1, 2)
        v = v.view(B, S, self.num_heads, -1).transpose(1, 2)
        igate_preact = self.igate(if_gate_input).transpose(-1, -2).unsqueeze(-1)
        fgate_preact = self.fgate(if_gate_input).transpose(-1, -2).unsqueeze(-1)
        h_state = parallel_stabilized_simple(q, k, v, igate_preact, fgate_preact, self.causal_mask)
        return x + self.outnorm(h_state.transpose(1, 2).reshape(B, S, -1))


class HyenaFilter(nn.Module):
    def __init__(self, d_model, emb_dim=5, order=16, seq_len=128):
        super().__init__()
        t = torch.linspace(0, 1, seq_len)[None, :, None]
        bands = (emb_dim - 1) // 2
        t_rescaled = torch.linspace(0, seq_len - 1, seq_len)[None, :, None]
        w = 2 * math.pi * t_rescaled / seq_len
        f = torch.linspace(1e-4, bands - 1, bands)[None, None]
        z = torch.exp(-1j * f * w)
        z = torch.cat([t, z.real, z.imag], dim=-1)
        self.register_buffer("z", z)
        self.register_buffer("t", t)
        self.implicit_filter = nn.Sequential(
            nn.Linear(emb_dim, order), nn.SiLU(), nn.Linear(order, d_model, bias=False)
        )
        self.bias = nn.Parameter(torch.randn(d_model))
        self.register_buffer("deltas", torch.linspace(0.3, 3.0, d_model)[None, None])

    def filter(self, L):
        z = self.z[:, :L]
        t = self.t[:, :L]
        h = self.implicit_filter(z)
        return h * torch.exp(-t * self.deltas.abs())


def fftconv(u, k, D):
    seqlen = u.shape[-1]
    fft_size = 2 * seqlen
    k_f = torch.fft.rfft(k, n=fft_size) / fft_size
    u_f = torch.fft.rfft(u.to(dtype=k.dtype), n=fft_size)
    y = torch.fft.irfft(u_f * k_f, n=fft_size, norm="forward")[..., :seqlen]
    out = y + u * D.unsqueeze(-1)
    return out.to(dtype=u.dtype)


class HyenaOperator(nn.Module):
    def __init__(self, d_model=16, order=2):
        super().__init__()
        self.d_model = d_model
        self.order = order
        inner_width = d_model * (order + 1)
        self.in_proj = nn.Linear(d_model, inner_width)
        self.out_proj = nn.Linear(d_model, d_model)
        self.short_filter = nn.Conv1d(inner_width, inner_width, 3, padding=2, groups=inner_width)
        self.filter_fn = HyenaFilter(d_model * (order - 1))

    def forward(self, u):
        l_filter = u.size(-2)
        u = self.in_proj(u)
        u = u.transpose(1, 2)
        uc = self.short_filter(u)[..., :l_filter]
        *x, v = uc.split(self.d_model, dim=1)
        k = self.filter_fn.filter(l_filter)[0].transpose(0, 1)
        bias = self.filter_fn.bias
        for o, x_i in enumerate(reversed(x[1:])):
            v = v * x_i
            v = fftconv(v, k, bias)
        y = v * x[0]
        return self.out_proj(y.transpose(1, 2))


_X = {"x": "float32[batch,time,24]"}

ROWS = (
    Published(
        "linear-transformer",
        LinearTransformer,
        {"x": "int64[batch,time]"},
        "Katharopoulos 2020, fast-transformers",
        Streams(),
        exported=True,
    ),
    Published("retnet-parallel", RetNet, {"X": "float32[batch,time,24]"}, "Sun 2023, Jamie-Stirling/RetNet", Streams()),
    Published("mlstm-parallel", mLSTMCell, _X, "Beck 2024, NX-AI/xlstm", Streams()),
    # a convolution with a kernel as long as the sequence: the answer needs every past input, up to seq_len of them
    Published(
        "hyena",
        HyenaOperator,
        {"u": "float32[batch,time,16]"},
        "Poli 2023, HazyResearch/safari",
        Refused("its filter is as long as the sequence, and is applied by FFT", "Fourier transform along time"),
    ),
)
