"""Relative positions: T5's bucketed bias, Transformer-XL's shift, Music Transformer's skewing."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.published.row import Published, Streams


class T5Attention(nn.Module):
    def __init__(self, d_model, n_heads, has_bias, num_buckets=8, max_distance=20):
        super().__init__()
        self.n_heads = n_heads
        self.key_value_proj_dim = d_model // n_heads
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.q = nn.Linear(d_model, d_model, bias=False)
        self.k = nn.Linear(d_model, d_model, bias=False)
        self.v = nn.Linear(d_model, d_model, bias=False)
        self.o = nn.Linear(d_model, d_model, bias=False)
        if has_bias:
            self.relative_attention_bias = nn.Embedding(num_buckets, n_heads)

    @staticmethod
    def _relative_position_bucket(relative_position, num_buckets=32, max_distance=128):
        relative_buckets = 0
        relative_position = -torch.min(relative_position, torch.zeros_like(relative_position))
        max_exact = num_buckets // 2
        is_small = relative_position < max_exact
        relative_position_if_large = max_exact + (
            torch.log(relative_position.float() / max_exact)
            / math.log(max_distance / max_exact)
            * (num_buckets - max_exact)
        ).to(torch.long)
        relative_position_if_large = torch.min(
            relative_position_if_large, torch.full_like(relative_position_if_large, num_buckets - 1)
        )
        relative_buckets += torch.where(is_small, relative_position, relative_position_if_large)
        return relative_buckets

    def compute_bias(self, query_length, key_length, device):
        context_position = torch.arange(query_length, dtype=torch.long, device=device)[:, None]
        memory_position = torch.arange(key_length, dtype=torch.long, device=device)[None, :]
        relative_position = memory_position - context_position
        buckets = self._relative_position_bucket(
            relative_position, num_buckets=self.num_buckets, max_distance=self.max_distance
        )
        values = self.relative_attention_bias(buckets)
        return values.permute([2, 0, 1]).unsqueeze(0)

    def forward(self, hidden_states, mask, position_bias=None):
        batch_size, seq_length = hidden_states.shape[:2]

        def shape(states):
            return states.view(batch_size, -1, self.n_heads, self.key_value_proj_dim).transpose(1, 2)

        query, key, value = shape(self.q(hidden_states)), shape(self.k(hidden_states)), shape(self.v(hidden_states))
        scores = torch.matmul(query, key.transpose(3, 2))
        if position_bias is None:
            position_bias = self.compute_bias(seq_length, seq_length, device=scores.device)
            position_bias = position_bias + mask
        scores += position_bias
        attn_weights = nn.functional.softmax(scores.float(), dim=-1).type_as(scores)
        attn_output = torch.matmul(attn_weights, value).transpose(1, 2).contiguous()
        attn_output = attn_output.view(batch_size, -1, self.n_heads * self.key_value_proj_dim)
        return self.o(attn_output), position_bias


class T5LayerNorm(nn.Module):
    def __init__(self, hidden_size, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden_size))
        self.variance_epsilon = eps

    def forward(self, hidden_states):
        variance = hidden_states.to(torch.float32).pow(2).mean(-1, keepdim=True)
        hidden_states = hidden_states * torch.rsqrt(variance + self.variance_epsilon)
        return self.weight * hidden_states


class T5Decoder(nn.Module):
    """The decoder alone, as in decoder-only T5s; the first layer's bias serves all layers."""

    def __init__(self, vocab=50, d_model=32, n_heads=4, layers=2):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab, d_model)
        self.attention = nn.ModuleList([T5Attention(d_model, n_heads, has_bias=i == 0) for i in range(layers)])
        self.norms = nn.ModuleList([T5LayerNorm(d_model) for _ in range(2 * layers)])
        self.wi = nn.ModuleList([nn.Linear(d_model, 2 * d_model, bias=False) for _ in range(layers)])
        self.wo = nn.ModuleList([nn.Linear(2 * d_model, d_model, bias=False) for _ in range(layers)])
        self.final_layer_norm = T5LayerNorm(d_model)

    def get_extended_attention_mask(self, attention_mask, input_shape, dtype):
        batch_size, seq_length = input_shape
        seq_ids = torch.arange(seq_length, device=attention_mask.device)
        causal_mask = seq_ids[None, None, :].repeat(batch_size, seq_length, 1) <= seq_ids[None, :, None]
        causal_mask = causal_mask.to(attention_mask.dtype)
        extended = causal_mask[:, None, :, :] * attention_mask[:, None, None, :]
        extended = extended.to(dtype=dtype)
        return (1.0 - extended) * -10000.0

    def forward(self, input_ids):
        hidden_states = self.embed_tokens(input_ids)
        attention_mask = torch.ones(input_ids.shape, device=input_ids.device)
        mask = self.get_extended_attention_mask(attention_mask, input_ids.shape, hidden_states.dtype)
        position_bias = None
        for i, attention in enumerate(self.attention):
            out, position_bias = attention(self.norms[2 * i](hidden_states), mask, position_bias)
            hidden_states = hidden_states + out
            hidden_states = hidden_states + self.wo[i](F.relu(self.wi[i](self.norms[2 * i + 1](hidden_states))))
        return self.final_layer_norm(hidden_states)


class PositionalEmbedding(nn.Module):
    def __init__(self, demb):
        super(PositionalEmbedding, self).__init__()
        self.demb = demb
        inv_freq = 1 / (10000 ** (torch.arange(0.0, demb, 2.0) / demb))
        self.register_buffer("inv_freq", inv_freq)

    def forward(self, pos_seq, bsz=None):
        sinusoid_inp = torch.outer(pos_seq, self.inv_freq)
        pos_emb = torch.cat([sinusoid_inp.sin(), sinusoid_inp.cos()], dim=-1)
        return pos_emb[:, None, :]


class RelPartialLearnableMultiHeadAttn(nn.Module):
    def __init__(self, n_head, d_model, d_head):
        super(RelPartialLearnableMultiHeadAttn, self).__init__()
        self.n_head = n_head
        self.d_head = d_head
        self.qkv_net = nn.Linear(d_model, 3 * n_head * d_head, bias=False)
        self.r_net = nn.Linear(d_model, n_head * d_head, bias=False)
        self.o_net = nn.Linear(n_head * d_head, d_model, bias=False)
        self.layer_norm = nn.LayerNorm(d_model)
        self.scale = 1 / (d_head**0.5)

    def _rel_shift(self, x):
        zero_pad = torch.zeros((x.size(0), 1, *x.size()[2:]), device=x.device, dtype=x.dtype)
        x_padded = torch.cat([zero_pad, x], dim=1)
        x_padded = x_padded.view(x.size(1) + 1, x.size(0), *x.size()[2:])
        x = x_padded[1:].view_as(x)
        return x

    def forward(self, w, r, r_w_bias, r_r_bias, attn_mask=None):
        qlen, rlen, bsz = w.size(0), r.size(0), w.size(1)
        w_heads = self.qkv_net(w)
        r_head_k = self.r_net(r)
        w_head_q, w_head_k, w_head_v = torch.chunk(w_heads, 3, dim=-1)
        klen = w_head_k.size(0)
        w_head_q = w_head_q.view(qlen, bsz, self.n_head, self.d_head)
        w_head_k = w_head_k.view(klen, bsz, self.n_head, self.d_head)
        w_head_v = w_head_v.view(klen, bsz, self.n_head, self.d_head)
        r_head_k = r_head_k.view(rlen, self.n_head, self.d_head)
        rw_head_q = w_head_q + r_w_bias
        AC = torch.einsum("ibnd,jbnd->ijbn", (rw_head_q, w_head_k))
        rr_head_q = w_head_q + r_r_bias
        BD = torch.einsum("ibnd,jnd->ijbn", (rr_head_q, r_head_k))
        BD = self._rel_shift(BD)
        attn_score = AC + BD
        attn_score.mul_(self.scale)
        attn_score = attn_score.float().masked_fill(attn_mask[:, :, :, None].bool(), -float("inf")).type_as(attn_score)
        attn_prob = F.softmax(attn_score, dim=1)
        attn_vec = torch.einsum("ijbn,jbnd->ibnd", (attn_prob, w_head_v))
        attn_vec = attn_vec.contiguous().view(attn_vec.size(0), attn_vec.size(1), self.n_head * self.d_head)
        return self.layer_norm(w + self.o_net(attn_vec))


class MemTransformerLM(nn.Module):
    """Transformer-XL without memories from earlier segments; positions count down to the last query."""

    def __init__(self, n_token=50, n_layer=2, n_head=2, d_model=24, d_head=12):
        super(MemTransformerLM, self).__init__()
        self.word_emb = nn.Embedding(n_token, d_model)
        self.pos_emb = PositionalEmbedding(d_model)
        self.layers = nn.ModuleList([RelPartialLearnableMultiHeadAttn(n_head, d_model, d_head) for _ in range(n_layer)])
        self.ff = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(d_model, 48), nn.ReLU(inplace=True), nn.Linear(48, d_model))
                for _ in range(n_layer)
            ]
        )
        self.r_w_bias = nn.Parameter(torch.zeros(n_head, d_head))
        self.r_r_bias = nn.Parameter(torch.zeros(n_head, d_head))
        self.out = nn.Linear(d_model, n_token)

    def forward(self, dec_inp):
        qlen, bsz = dec_inp.size()
        word_emb = self.word_emb(dec_inp)
        klen = qlen
        dec_attn_mask = torch.triu(word_emb.new_ones(qlen, klen), diagonal=1).byte()[:, :, None]
        pos_seq = torch.arange(klen - 1, -1, -1.0, device=word_emb.device, dtype=word_emb.dtype)
        pos_emb = self.pos_emb(pos_seq)
        core_out = word_emb
        for layer, ff in zip(self.layers, self.ff):
            core_out = layer(core_out, pos_emb, self.r_w_bias, self.r_r_bias, attn_mask=dec_attn_mask)
            core_out = core_out + ff(core_out)
        return F.log_softmax(self.out(core_out), dim=-1)


class RelativeGlobalAttention(nn.Module):
    def __init__(self, d_model, num_heads, max_len=64):
        super().__init__()
        self.max_len = max_len
        self.num_heads = num_heads
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.query = nn.Linear(d_model, d_model)
        self.Er = nn.Parameter(torch.randn(max_len, d_model // num_heads))
        self.register_buffer("mask", torch.tril(torch.ones(max_len, max_len)).unsqueeze(0).unsqueeze(0))

    def forward(self, x):
        batch_size, seq_len, _ = x.shape
        if seq_len > self.max_len:
            raise ValueError("sequence length exceeds model capacity")
        k_t = self.key(x).reshape(batch_size, seq_len, self.num_heads, -1).permute(0, 2, 3, 1)
        v = self.value(x).reshape(batch_size, seq_len, self.num_heads, -1).transpose(1, 2)
        q = self.query(x).reshape(batch_size, seq_len, self.num_heads, -1).transpose(1, 2)
        start = self.max_len - seq_len
        Er_t = self.Er[start:, :].transpose(0, 1)
        QEr = torch.matmul(q, Er_t)
        Srel = self.skew(QEr)
        QK_t = torch.matmul(q, k_t)
        attn = (QK_t + Srel) / math.sqrt(q.size(-1))
        mask = self.mask[:, :, :seq_len, :seq_len]
        attn = attn.masked_fill(mask == 0, float("-inf"))
        attn = F.softmax(attn, dim=-1)
        out = torch.matmul(attn, v)
        out = out.transpose(1, 2)
        return out.reshape(batch_size, seq_len, -1)

    def skew(self, QEr):
        padded = F.pad(QEr, (1, 0))
        batch_size, num_heads, num_rows, num_cols = padded.shape
        reshaped = padded.reshape(batch_size, num_heads, num_cols, num_rows)
        return reshaped[:, :, 1:, :]


class MusicTransformer(nn.Module):
    def __init__(self, vocab=50, d_model=24, heads=2):
        super().__init__()
        self.embedding = nn.Embedding(vocab, d_model)
        self.attention = nn.ModuleList([RelativeGlobalAttention(d_model, heads) for _ in range(2)])
        self.out = nn.Linear(d_model, vocab)

    def forward(self, x):
        x = self.embedding(x)
        for layer in self.attention:
            x = x + layer(x)
        return self.out(x)


ROWS = (
    Published("t5-decoder", T5Decoder, {"input_ids": "int64[batch,time]"}, "Raffel 2020, transformers", Streams()),
    Published(
        "transformer-xl",
        MemTransformerLM,
        {"dec_inp": "int64[time,batch]"},
        "Dai 2019, kimiyoung/transformer-xl",
        Streams(),
    ),
    Published("music-transformer", MusicTransformer, {"x": "int64[batch,time]"}, "Huang 2019, torch ports", Streams()),
)
