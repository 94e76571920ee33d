"""Decoders that differ in how they know positions: GPT-2 (HF), GPT-NeoX, BLOOM, MPT."""

import math

import torch
from torch import nn

from tests.published.row import Published, Streams


class Conv1D(nn.Module):
    """A linear layer whose weight is transposed."""

    def __init__(self, nf, nx):
        super().__init__()
        self.nf = nf
        self.weight = nn.Parameter(torch.empty(nx, nf))
        self.bias = nn.Parameter(torch.zeros(nf))
        nn.init.normal_(self.weight, std=0.2)

    def forward(self, x):
        size_out = x.size()[:-1] + (self.nf,)
        x = torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight)
        x = x.view(size_out)
        return x


def gelu_new(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3))))


class GPT2Attention(nn.Module):
    def __init__(self, nx, n_ctx, n_head, scale=True):
        super().__init__()
        n_state = nx
        assert n_state % n_head == 0
        self.register_buffer("bias", torch.tril(torch.ones(n_ctx, n_ctx)).view(1, 1, n_ctx, n_ctx))
        self.n_head = n_head
        self.split_size = n_state
        self.scale = scale
        self.c_attn = Conv1D(n_state * 3, nx)
        self.c_proj = Conv1D(n_state, nx)
        self.attn_dropout = nn.Dropout(0.1)

    def _attn(self, q, k, v):
        w = torch.matmul(q, k)
        if self.scale:
            w = w / math.sqrt(v.size(-1))
        nd, ns = w.size(-2), w.size(-1)
        b = self.bias[:, :, ns - nd : ns, :ns]
        w = w * b - 1e4 * (1 - b)
        w = nn.Softmax(dim=-1)(w)
        w = self.attn_dropout(w)
        return torch.matmul(w, v)

    def merge_heads(self, x):
        x = x.permute(0, 2, 1, 3).contiguous()
        new_x_shape = x.size()[:-2] + (x.size(-2) * x.size(-1),)
        return x.view(*new_x_shape)

    def split_heads(self, x, k=False):
        new_x_shape = x.size()[:-1] + (self.n_head, x.size(-1) // self.n_head)
        x = x.view(*new_x_shape)
        if k:
            return x.permute(0, 2, 3, 1)
        return x.permute(0, 2, 1, 3)

    def forward(self, x, layer_past=None):
        x = self.c_attn(x)
        query, key, value = x.split(self.split_size, dim=2)
        query = self.split_heads(query)
        key = self.split_heads(key, k=True)
        value = self.split_heads(value)
        if layer_past is not None:
            past_key, past_value = layer_past[0].transpose(-2, -1), layer_past[1]
            key = torch.cat((past_key, key), dim=-1)
            value = torch.cat((past_value, value), dim=-2)
        present = torch.stack((key.transpose(-2, -1), value))
        a = self._attn(query, key, value)
        a = self.merge_heads(a)
        a = self.c_proj(a)
        return a, present


class GPT2Block(nn.Module):
    def __init__(self, nx, n_ctx, n_head):
        super().__init__()
        self.ln_1 = nn.LayerNorm(nx)
        self.attn = GPT2Attention(nx, n_ctx, n_head)
        self.ln_2 = nn.LayerNorm(nx)
        self.c_fc = Conv1D(4 * nx, nx)
        self.c_proj = Conv1D(nx, 4 * nx)

    def forward(self, x, layer_past=None):
        a, present = self.attn(self.ln_1(x), layer_past=layer_past)
        x = x + a
        m = self.c_proj(gelu_new(self.c_fc(self.ln_2(x))))
        x = x + m
        return x, present


class GPT2LMHead(nn.Module):
    def __init__(self, vocab=50, n_embd=24, n_ctx=64, n_head=2, n_layer=2):
        super().__init__()
        self.wte = nn.Embedding(vocab, n_embd)
        self.wpe = nn.Embedding(n_ctx, n_embd)
        self.h = nn.ModuleList([GPT2Block(n_embd, n_ctx, n_head) for _ in range(n_layer)])
        self.ln_f = nn.LayerNorm(n_embd)

    def forward(self, input_ids, position_ids=None, past=None):
        if past is None:
            past_length = 0
            past = [None] * len(self.h)
        else:
            past_length = past[0][0].size(-2)
        if position_ids is None:
            position_ids = torch.arange(
                past_length, input_ids.size(-1) + past_length, dtype=torch.long, device=input_ids.device
            )
            position_ids = position_ids.unsqueeze(0).expand_as(input_ids)
        input_shape = input_ids.size()
        input_ids = input_ids.view(-1, input_ids.size(-1))
        position_ids = position_ids.view(-1, position_ids.size(-1))
        hidden_states = self.wte(input_ids) + self.wpe(position_ids)
        for block, layer_past in zip(self.h, past):
            hidden_states, _present = block(hidden_states, layer_past)
        hidden_states = self.ln_f(hidden_states)
        output_shape = input_shape + (hidden_states.size(-1),)
        hidden_states = hidden_states.view(*output_shape)
        return torch.matmul(hidden_states, self.wte.weight.t())


def rotate_half(x):
    x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat((-x2, x1), dim=x1.ndim - 1)


class NeoXRotary(nn.Module):
    """The tables are cached on the module, and made anew when a sequence is longer."""

    def __init__(self, dim, base=10000):
        super().__init__()
        inv_freq = 1.0 / (base ** (torch.arange(0, dim, 2).float() / dim))
        self.register_buffer("inv_freq", inv_freq)
        self.seq_len_cached = None
        self.cos_cached = None
        self.sin_cached = None

    def forward(self, x, seq_dim=1):
        seq_len = x.shape[seq_dim]
        if seq_len != self.seq_len_cached:
            self.seq_len_cached = seq_len
            t = torch.arange(x.shape[seq_dim], device=x.device).type_as(self.inv_freq)
            freqs = torch.einsum("i,j->ij", t, self.inv_freq)
            emb = torch.cat((freqs, freqs), dim=-1).to(x.device)
            self.cos_cached = emb.cos()[:, None, None, :]
            self.sin_cached = emb.sin()[:, None, None, :]
        return self.cos_cached, self.sin_cached


class NeoXLayer(nn.Module):
    """Attention and feed-forward in parallel; a quarter of each head is rotated; time comes first."""

    def __init__(self, hidden, heads, rotary_pct=0.25):
        super().__init__()
        self.heads = heads
        self.head_dim = hidden // heads
        self.rotary_ndims = int(self.head_dim * rotary_pct)
        self.rotary_emb = NeoXRotary(self.rotary_ndims)
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.dense = nn.Linear(hidden, hidden)
        self.input_layernorm = nn.LayerNorm(hidden)
        self.post_attention_layernorm = nn.LayerNorm(hidden)
        self.mlp = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Linear(4 * hidden, hidden))

    def attention(self, hidden_states, mask):
        mixed = self.query_key_value(hidden_states)
        mixed = mixed.view(*mixed.size()[:-1], self.heads, 3 * self.head_dim)
        query, key, value = torch.split(mixed, self.head_dim, dim=-1)
        query_rot, query_pass = query[..., : self.rotary_ndims], query[..., self.rotary_ndims :]
        key_rot, key_pass = key[..., : self.rotary_ndims], key[..., self.rotary_ndims :]
        cos, sin = self.rotary_emb(value, seq_dim=0)
        query_rot = query_rot * cos + rotate_half(query_rot) * sin
        key_rot = key_rot * cos + rotate_half(key_rot) * sin
        query = torch.cat((query_rot, query_pass), dim=-1)
        key = torch.cat((key_rot, key_pass), dim=-1)
        sq, b, np, hn = query.size()
        query = query.view(sq, b * np, hn)
        key = key.view(sq, b * np, hn)
        matmul_result = torch.empty(b * np, sq, sq, dtype=query.dtype, device=query.device)
        matmul_result = torch.baddbmm(
            matmul_result,
            query.transpose(0, 1),
            key.transpose(0, 1).transpose(1, 2),
            beta=0.0,
            alpha=1.0 / math.sqrt(hn),
        )
        scores = matmul_result.view(b, np, sq, sq)
        scores = scores.masked_fill(mask, -10000.0)
        probs = nn.functional.softmax(scores, dim=-1)
        value = value.view(sq, b * np, hn)
        probs = probs.view(b * np, sq, sq)
        context = torch.bmm(probs, value.transpose(0, 1))
        context = context.view(b, np, sq, hn).permute(2, 0, 1, 3).contiguous()
        return self.dense(context.view(sq, b, np * hn))

    def forward(self, x, mask):
        return x + self.mlp(self.post_attention_layernorm(x)) + self.attention(self.input_layernorm(x), mask)


class NeoX(nn.Module):
    def __init__(self, vocab=50, hidden=32, heads=2, layers=2):
        super().__init__()
        self.embed_in = nn.Embedding(vocab, hidden)
        self.layers = nn.ModuleList([NeoXLayer(hidden, heads, rotary_pct=0.25) for _ in range(layers)])
        self.final_layer_norm = nn.LayerNorm(hidden)
        self.embed_out = nn.Linear(hidden, vocab, bias=False)

    def forward(self, input_ids):
        x = self.embed_in(input_ids).transpose(0, 1).contiguous()
        seq = input_ids.size(1)
        mask = torch.tril(torch.ones((1, seq, seq), device=input_ids.device)).view(1, 1, seq, seq) < 0.5
        for layer in self.layers:
            x = layer(x, mask)
        x = self.final_layer_norm(x).transpose(0, 1).contiguous()
        return self.embed_out(x)


def get_slopes(n):
    def get_slopes_power_of_2(n):
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        ratio = start
        return [start * ratio**i for i in range(n)]

    if math.log2(n).is_integer():
        return get_slopes_power_of_2(n)
    closest_power_of_2 = 2 ** math.floor(math.log2(n))
    return (
        get_slopes_power_of_2(closest_power_of_2) + get_slopes(2 * closest_power_of_2)[0::2][: n - closest_power_of_2]
    )


def build_alibi_tensor(attention_mask, num_heads, dtype):
    batch_size, seq_length = attention_mask.shape
    slopes = torch.tensor(get_slopes(num_heads), device=attention_mask.device, dtype=torch.float32)
    arange_tensor = ((attention_mask.cumsum(dim=-1) - 1) * attention_mask)[:, None, :]
    alibi = slopes[..., None] * arange_tensor
    return alibi.reshape(batch_size * num_heads, 1, seq_length).to(dtype)


class BloomBlock(nn.Module):
    def __init__(self, hidden, heads):
        super().__init__()
        self.num_heads = heads
        self.head_dim = hidden // heads
        self.inv_norm_factor = 1.0 / math.sqrt(self.head_dim)
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.dense = nn.Linear(hidden, hidden)
        self.input_layernorm = nn.LayerNorm(hidden)
        self.post_attention_layernorm = nn.LayerNorm(hidden)
        self.mlp = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU("tanh"), nn.Linear(4 * hidden, hidden))

    def attention(self, hidden_states, alibi, attention_mask):
        fused_qkv = self.query_key_value(hidden_states)
        batch_size, seq_length, _ = fused_qkv.shape
        fused_qkv = fused_qkv.view(batch_size, seq_length, self.num_heads, 3, self.head_dim)
        query, key, value = fused_qkv[..., 0, :], fused_qkv[..., 1, :], fused_qkv[..., 2, :]
        query = query.transpose(1, 2).reshape(batch_size * self.num_heads, seq_length, self.head_dim)
        key = key.permute(0, 2, 3, 1).reshape(batch_size * self.num_heads, self.head_dim, seq_length)
        value = value.transpose(1, 2).reshape(batch_size * self.num_heads, seq_length, self.head_dim)
        matmul_result = alibi.baddbmm(batch1=query, batch2=key, beta=1.0, alpha=self.inv_norm_factor)
        attention_scores = matmul_result.view(batch_size, self.num_heads, seq_length, -1)
        attn_weights = torch.masked_fill(attention_scores, attention_mask, torch.finfo(attention_scores.dtype).min)
        attention_probs = nn.functional.softmax(attn_weights, dim=-1, dtype=torch.float32)
        attention_probs = attention_probs.view(batch_size * self.num_heads, seq_length, -1)
        context = torch.bmm(attention_probs, value)
        context = context.view(batch_size, self.num_heads, seq_length, self.head_dim).permute(0, 2, 1, 3)
        return self.dense(context.reshape(batch_size, seq_length, self.num_heads * self.head_dim))

    def forward(self, x, alibi, attention_mask):
        x = x + self.attention(self.input_layernorm(x), alibi, attention_mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Bloom(nn.Module):
    def __init__(self, vocab=50, hidden=32, heads=4, layers=2):
        super().__init__()
        self.num_heads = heads
        self.word_embeddings = nn.Embedding(vocab, hidden)
        self.word_embeddings_layernorm = nn.LayerNorm(hidden)
        self.h = nn.ModuleList([BloomBlock(hidden, heads) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(hidden)

    def forward(self, input_ids, attention_mask=None):
        batch_size, seq_length = input_ids.shape
        hidden_states = self.word_embeddings_layernorm(self.word_embeddings(input_ids))
        if attention_mask is None:
            attention_mask = torch.ones((batch_size, seq_length), device=hidden_states.device)
        alibi = build_alibi_tensor(attention_mask, self.num_heads, dtype=hidden_states.dtype)
        causal = torch.triu(torch.ones(seq_length, seq_length, dtype=torch.bool, device=input_ids.device), diagonal=1)
        causal = causal[None, None].expand(batch_size, 1, seq_length, seq_length)
        for block in self.h:
            hidden_states = block(hidden_states, alibi, causal)
        return self.ln_f(hidden_states) @ self.word_embeddings.weight.T


class MPTAttention(nn.Module):
    """Multi-query attention, the ALiBi bias a buffer of the longest length, whose last columns are used."""

    def __init__(self, d_model, n_heads, max_seq_len):
        super().__init__()
        self.n_heads = n_heads
        self.head_dim = d_model // n_heads
        self.Wqkv = nn.Linear(d_model, d_model + 2 * self.head_dim, bias=False)
        self.out_proj = nn.Linear(d_model, d_model, bias=False)
        bias = torch.arange(1 - max_seq_len, 1, dtype=torch.float32).view(1, 1, 1, max_seq_len)
        slopes = torch.tensor(get_slopes(n_heads)).view(1, n_heads, 1, 1)
        self.register_buffer("attn_bias", bias * slopes, persistent=False)

    def forward(self, x):
        b, s, _ = x.shape
        d = self.n_heads * self.head_dim
        q, k, v = self.Wqkv(x).split([d, self.head_dim, self.head_dim], dim=2)
        q = q.view(b, s, self.n_heads, self.head_dim).transpose(1, 2)
        k = k.view(b, s, 1, self.head_dim).permute(0, 2, 3, 1)
        v = v.view(b, s, 1, self.head_dim).transpose(1, 2)
        attn_weight = q.matmul(k) * self.head_dim**-0.5
        attn_bias = self.attn_bias[:, :, :, -s:]
        attn_weight = attn_weight + attn_bias
        min_val = torch.finfo(q.dtype).min
        causal_mask = attn_weight.new_ones(s, s, dtype=torch.bool)
        causal_mask = causal_mask.tril()
        causal_mask = causal_mask.logical_not()
        attn_weight = attn_weight.masked_fill(causal_mask.view(1, 1, s, s), min_val)
        attn_weight = torch.softmax(attn_weight, dim=-1)
        out = attn_weight.matmul(v).transpose(1, 2).reshape(b, s, d)
        return self.out_proj(out)


class MPT(nn.Module):
    def __init__(self, vocab=50, d_model=32, n_heads=4, layers=2, max_seq_len=64):
        super().__init__()
        self.wte = nn.Embedding(vocab, d_model)
        self.norms = nn.ModuleList([nn.LayerNorm(d_model) for _ in range(layers)])
        self.attns = nn.ModuleList([MPTAttention(d_model, n_heads, max_seq_len) for _ in range(layers)])
        self.norm_f = nn.LayerNorm(d_model)

    def forward(self, input_ids):
        x = self.wte(input_ids)
        for norm, attn in zip(self.norms, self.attns):
            x = x + attn(norm(x))
        return torch.nn.functional.linear(self.norm_f(x), self.wte.weight)


_IDS = {"input_ids": "int64[batch,time]"}

ROWS = (
    Published("gpt2-hf", GPT2LMHead, _IDS, "Radford 2019, pytorch-transformers", Streams()),
    Published("gpt-neox", NeoX, _IDS, "Black 2022, EleutherAI/gpt-neox", Streams()),
    # softmax does not see that the bias grows with the key's index alone: what shifts a whole row is harmless
    Published("bloom-alibi", Bloom, _IDS, "Press 2021, BigScience BLOOM", Streams()),
    # the last s columns of a longer table: the bias of key j is slope * (j - (s - 1)); a row's shift by T cancels in
    # the softmax, but a frame's scores depend on T until then
    Published("mpt-alibi", MPT, _IDS, "Press 2021, MosaicML MPT", Streams()),
)
