"""Speech recognition: DeepSpeech 2, Conformer, Emformer-like, RNN-T, wav2letter, QuartzNet, Whisper's decoder."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.published.keyword_spotting import JasperBlock, SeparableBlock
from tests.published.row import Published, Refused, Streams


class SequenceWise(nn.Module):
    """Collapses input of dim T*N*H to (T*N)*H, and applies to a module."""

    def __init__(self, module):
        super(SequenceWise, self).__init__()
        self.module = module

    def forward(self, x):
        t, n = x.size(0), x.size(1)
        x = x.view(t * n, -1)
        x = self.module(x)
        x = x.view(t, n, -1)
        return x


class BatchRNN(nn.Module):
    def __init__(self, input_size, hidden_size, rnn_type=nn.LSTM, bidirectional=False, batch_norm=True):
        super(BatchRNN, self).__init__()
        self.bidirectional = bidirectional
        self.batch_norm = SequenceWise(nn.BatchNorm1d(input_size)) if batch_norm else None
        self.rnn = rnn_type(input_size=input_size, hidden_size=hidden_size, bidirectional=bidirectional, bias=True)

    def forward(self, x):
        if self.batch_norm is not None:
            x = self.batch_norm(x)
        x, _ = self.rnn(x)
        if self.bidirectional:
            x = x.view(x.size(0), x.size(1), 2, -1).sum(2).view(x.size(0), x.size(1), -1)
        return x


class Lookahead(nn.Module):
    """Wang 2016: a depthwise convolution over the frames to come."""

    def __init__(self, n_features, context):
        super(Lookahead, self).__init__()
        assert context > 0
        self.context = context
        self.n_features = n_features
        self.pad = (0, self.context - 1)
        self.conv = nn.Conv1d(
            self.n_features,
            self.n_features,
            kernel_size=self.context,
            stride=1,
            groups=self.n_features,
            padding=0,
            bias=False,
        )

    def forward(self, x):
        x = x.transpose(0, 1).transpose(1, 2)
        x = F.pad(x, pad=self.pad, value=0)
        x = self.conv(x)
        x = x.transpose(1, 2).transpose(0, 1).contiguous()
        return x


class DeepSpeech(nn.Module):
    """SeanNaren/deepspeech.pytorch on [B, 1, F, T], without its length masks."""

    def __init__(self, classes=29, freqs=41, hidden=16, layers=2, bidirectional=True, context=5):
        super(DeepSpeech, self).__init__()
        self.bidirectional = bidirectional
        self.conv = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=(11, 11), stride=(2, 2), padding=(5, 5)),
            nn.BatchNorm2d(4),
            nn.Hardtanh(0, 20, inplace=True),
            nn.Conv2d(4, 4, kernel_size=(7, 11), stride=(2, 1), padding=(3, 5)),
            nn.BatchNorm2d(4),
            nn.Hardtanh(0, 20, inplace=True),
        )
        f = (freqs + 10 - 11) // 2 + 1
        f = (f + 6 - 7) // 2 + 1
        self.rnns = nn.Sequential(
            BatchRNN(4 * f, hidden, bidirectional=bidirectional, batch_norm=False),
            *(BatchRNN(hidden, hidden, bidirectional=bidirectional) for _ in range(layers - 1)),
        )
        self.lookahead = (
            nn.Sequential(Lookahead(hidden, context=context), nn.Hardtanh(0, 20, inplace=True))
            if not bidirectional
            else None
        )
        self.fc = nn.Sequential(
            SequenceWise(nn.Sequential(nn.BatchNorm1d(hidden), nn.Linear(hidden, classes, bias=False)))
        )

    def forward(self, x):
        x = self.conv(x)
        sizes = x.size()
        x = x.view(sizes[0], sizes[1] * sizes[2], sizes[3])
        x = x.transpose(1, 2).transpose(0, 1).contiguous()
        for rnn in self.rnns:
            x = rnn(x)
        if not self.bidirectional:
            x = self.lookahead(x)
        x = self.fc(x)
        x = x.transpose(0, 1)
        return F.softmax(x, dim=-1)


class ConformerConv(nn.Module):
    def __init__(self, dim, kernel, causal, norm):
        super().__init__()
        self.pointwise1 = nn.Conv1d(dim, 2 * dim, 1)
        self.lorder = kernel - 1 if causal else 0
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=0 if causal else (kernel - 1) // 2, groups=dim)
        self.use_layer_norm = norm == "layer_norm"
        self.norm = nn.LayerNorm(dim) if self.use_layer_norm else nn.BatchNorm1d(dim)
        self.activation = nn.SiLU()
        self.pointwise2 = nn.Conv1d(dim, dim, 1)

    def forward(self, x):
        x = x.transpose(1, 2)
        if self.lorder > 0:
            x = nn.functional.pad(x, (self.lorder, 0), "constant", 0.0)
        x = F.glu(self.pointwise1(x), dim=1)
        x = self.depthwise(x)
        if self.use_layer_norm:
            x = x.transpose(1, 2)
        x = self.activation(self.norm(x))
        if self.use_layer_norm:
            x = x.transpose(1, 2)
        x = self.pointwise2(x)
        return x.transpose(1, 2)


class ConformerAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.h, self.d_k = heads, dim // heads
        self.linear_q, self.linear_k = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.linear_v, self.linear_out = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.linear_pos = nn.Linear(dim, dim, bias=False)
        self.pos_bias_u = nn.Parameter(torch.randn(heads, self.d_k) / 4)
        self.pos_bias_v = nn.Parameter(torch.randn(heads, self.d_k) / 4)

    def forward(self, x, mask, pos_emb):
        n = x.size(0)
        q = self.linear_q(x).view(n, -1, self.h, self.d_k)
        k = self.linear_k(x).view(n, -1, self.h, self.d_k).transpose(1, 2)
        v = self.linear_v(x).view(n, -1, self.h, self.d_k).transpose(1, 2)
        p = self.linear_pos(pos_emb).view(1, -1, self.h, self.d_k).transpose(1, 2)
        q_with_bias_u = (q + self.pos_bias_u).transpose(1, 2)
        q_with_bias_v = (q + self.pos_bias_v).transpose(1, 2)
        matrix_ac = torch.matmul(q_with_bias_u, k.transpose(-2, -1))
        matrix_bd = torch.matmul(q_with_bias_v, p.transpose(-2, -1))
        scores = (matrix_ac + matrix_bd) / math.sqrt(self.d_k)
        if mask is not None:
            mask = mask.unsqueeze(1).eq(0)
            scores = scores.masked_fill(mask, -float("inf"))
            attn = torch.softmax(scores, dim=-1).masked_fill(mask, 0.0)
        else:
            attn = torch.softmax(scores, dim=-1)
        x = torch.matmul(attn, v)
        x = x.transpose(1, 2).contiguous().view(n, -1, self.h * self.d_k)
        return self.linear_out(x)


class ConformerLayer(nn.Module):
    def __init__(self, dim, heads, kernel, causal, norm):
        super().__init__()
        self.ff_macaron = nn.Sequential(nn.Linear(dim, 2 * dim), nn.SiLU(), nn.Dropout(0.1), nn.Linear(2 * dim, dim))
        self.ff = nn.Sequential(nn.Linear(dim, 2 * dim), nn.SiLU(), nn.Dropout(0.1), nn.Linear(2 * dim, dim))
        self.attn = ConformerAttention(dim, heads)
        self.conv = ConformerConv(dim, kernel, causal, norm)
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for _ in range(5)])

    def forward(self, x, mask, pos_emb):
        x = x + 0.5 * self.ff_macaron(self.norms[0](x))
        x = x + self.attn(self.norms[1](x), mask, pos_emb)
        x = x + self.conv(self.norms[2](x))
        x = x + 0.5 * self.ff(self.norms[3](x))
        return self.norms[4](x)


def subsequent_chunk_mask(size, chunk_size, num_left_chunks=-1, device=torch.device("cpu")):
    """wenet's mask: a frame sees its own chunk and ``num_left_chunks`` before it."""
    pos_idx = torch.arange(size, device=device)
    block_value = (torch.div(pos_idx, chunk_size, rounding_mode="trunc") + 1) * chunk_size
    ret = pos_idx.unsqueeze(0) < block_value.unsqueeze(1)
    if num_left_chunks >= 0:
        start = (torch.div(pos_idx, chunk_size, rounding_mode="trunc") - num_left_chunks) * chunk_size
        ret = ret & (pos_idx.unsqueeze(0) >= start.unsqueeze(1))
    return ret


class Conformer(nn.Module):
    """Gulati 2020 after wenet: conv2d subsampling by four, positions by table; chunk-wise masks make it stream."""

    def __init__(self, feats=16, dim=16, heads=2, layers=2, kernel=7, causal=True, chunk=4, left=2, norm="layer_norm"):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, dim, 3, 2), nn.ReLU(), nn.Conv2d(dim, dim, 3, 2), nn.ReLU())
        self.out = nn.Linear(dim * (((feats - 1) // 2 - 1) // 2), dim)
        self.chunk, self.left = chunk, left
        pe = torch.zeros(500, dim)
        position = torch.arange(0, 500, dtype=torch.float32).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, dim, 2, dtype=torch.float32) * -(math.log(10000.0) / dim))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.pe = pe.unsqueeze(0)
        self.xscale = math.sqrt(dim)
        self.encoders = nn.ModuleList([ConformerLayer(dim, heads, kernel, causal, norm) for _ in range(layers)])
        self.after_norm = nn.LayerNorm(dim)
        self.ctc_lo = nn.Linear(dim, 30)

    def forward(self, xs):
        xs = xs.unsqueeze(1)
        xs = self.conv(xs)
        b, c, t, f = xs.size()
        xs = self.out(xs.transpose(1, 2).contiguous().view(b, t, c * f))
        self.pe = self.pe.to(xs.device)
        pos_emb = self.pe[:, : xs.size(1)]
        xs = xs * self.xscale
        mask = None
        if self.chunk:
            mask = subsequent_chunk_mask(xs.size(1), self.chunk, self.left, xs.device).unsqueeze(0)
        for layer in self.encoders:
            xs = layer(xs, mask, pos_emb)
        return F.log_softmax(self.ctc_lo(self.after_norm(xs)), dim=2)


class CausalTransformerEncoder(nn.Module):
    """A frame sees ``left`` frames before and ``right`` after, in every layer: right context grows with depth."""

    def __init__(self, feats=12, dim=16, heads=2, layers=2, left=6, right=1):
        super().__init__()
        self.proj = nn.Linear(feats, dim)
        layer = nn.TransformerEncoderLayer(dim, heads, 32, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.left, self.right = left, right

    def forward(self, x):
        T = x.size(1)
        i = torch.arange(T, device=x.device)
        offset = i[None, :] - i[:, None]
        mask = (offset > self.right) | (offset < -self.left)
        return self.encoder(self.proj(x), mask=mask)


class TransducerJoint(nn.Module):
    """RNN-T: an LSTM encoder that stacks frames, a predictor over labels; both run at their own pace."""

    def __init__(self, feats=10, vocab=20, hidden=16):
        super().__init__()
        self.reduction = 2
        self.enc1 = nn.LSTM(feats, hidden, batch_first=True)
        self.enc2 = nn.LSTM(2 * hidden, hidden, batch_first=True)
        self.norm = nn.LayerNorm(hidden)
        self.out = nn.Linear(hidden, vocab)

    def forward(self, x):
        x, _ = self.enc1(x)
        batch, seq_len, dim = x.shape
        if seq_len % self.reduction != 0:
            x = F.pad(x, (0, 0, 0, self.reduction - seq_len % self.reduction))
        x = x.reshape(batch, -1, dim * self.reduction)
        x, _ = self.enc2(x)
        return self.out(self.norm(x))


class Predictor(nn.Module):
    """RNN-T's prediction network: the labels so far, a start symbol put in front."""

    def __init__(self, vocab=20, dim=12, hidden=16):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim, padding_idx=0)
        self.rnn = nn.LSTM(dim, hidden, 2, batch_first=True)
        self.out = nn.Linear(hidden, hidden)

    def forward(self, labels):
        labels = F.pad(labels, (1, 0), value=0)
        output, (hidden, cell) = self.rnn(self.embed(labels))
        return self.out(output)


class StatelessPredictor(nn.Module):
    """icefall's stateless decoder: an embedding and a convolution over the last two labels."""

    def __init__(self, vocab_size=20, decoder_dim=12, context_size=2):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, decoder_dim)
        self.context_size = context_size
        self.conv = nn.Conv1d(
            decoder_dim, decoder_dim, kernel_size=context_size, padding=0, groups=decoder_dim // 4, bias=False
        )

    def forward(self, y, need_pad=True):
        y = y.to(torch.int64)
        embedding_out = self.embedding(y.clamp(min=0)) * (y >= 0).unsqueeze(-1)
        embedding_out = embedding_out.permute(0, 2, 1)
        if need_pad:
            embedding_out = F.pad(embedding_out, pad=(self.context_size - 1, 0))
        embedding_out = self.conv(embedding_out)
        embedding_out = embedding_out.permute(0, 2, 1)
        return F.relu(embedding_out)


class Wav2Letter(nn.Module):
    """torchaudio's Wav2Letter: wide 'same' convolutions, the first with stride."""

    def __init__(self, num_classes=20, num_features=12):
        super().__init__()
        self.acoustic_model = nn.Sequential(
            nn.Conv1d(num_features, 16, kernel_size=48, stride=2, padding=23),
            nn.ReLU(inplace=True),
            nn.Conv1d(16, 16, kernel_size=7, stride=1, padding=3),
            nn.ReLU(inplace=True),
            nn.Conv1d(16, 16, kernel_size=7, stride=1, padding=3),
            nn.ReLU(inplace=True),
            nn.Conv1d(16, 24, kernel_size=32, stride=1, padding=16),
            nn.ReLU(inplace=True),
            nn.Conv1d(24, num_classes, kernel_size=1, stride=1, padding=0),
        )

    def forward(self, x):
        x = self.acoustic_model(x)
        return F.log_softmax(x, dim=1)


class QuartzNet(nn.Module):
    def __init__(self, feats=16, classes=29):
        super().__init__()
        self.encoder = nn.Sequential(
            SeparableBlock(feats, 16, 33, stride=2),
            JasperBlock(16, 16, 33),
            JasperBlock(16, 20, 39),
            SeparableBlock(20, 20, 87, dilation=2),
            SeparableBlock(20, 24, 1),
        )
        self.decoder = nn.Conv1d(24, classes, 1)

    def forward(self, x):
        return F.log_softmax(self.decoder(self.encoder(x)).transpose(1, 2), dim=-1)


class NormalizedFeatures(nn.Module):
    """NeMo's preprocessor: every utterance normalised by its own mean and deviation."""

    def __init__(self):
        super().__init__()
        self.model = QuartzNet()

    def forward(self, x):
        x_mean = x.mean(dim=2, keepdim=True)
        x_std = x.std(dim=2, keepdim=True) + 1e-5
        return self.model((x - x_mean) / x_std)


class WhisperAttention(nn.Module):
    def __init__(self, n_state, n_head):
        super().__init__()
        self.n_head = n_head
        self.query = nn.Linear(n_state, n_state)
        self.key = nn.Linear(n_state, n_state, bias=False)
        self.value = nn.Linear(n_state, n_state)
        self.out = nn.Linear(n_state, n_state)

    def forward(self, x, xa=None, mask=None, kv_cache=None):
        q = self.query(x)
        if kv_cache is None or xa is None or self.key not in kv_cache:
            k = self.key(x if xa is None else xa)
            v = self.value(x if xa is None else xa)
        wv, qk = self.qkv_attention(q, k, v, mask)
        return self.out(wv), qk

    def qkv_attention(self, q, k, v, mask=None):
        n_batch, n_ctx, n_state = q.shape
        scale = (n_state // self.n_head) ** -0.25
        q = q.view(*q.shape[:2], self.n_head, -1).permute(0, 2, 1, 3) * scale
        k = k.view(*k.shape[:2], self.n_head, -1).permute(0, 2, 3, 1) * scale
        v = v.view(*v.shape[:2], self.n_head, -1).permute(0, 2, 1, 3)
        qk = q @ k
        if mask is not None:
            qk = qk + mask[:n_ctx, :n_ctx]
        qk = qk.float()
        w = F.softmax(qk, dim=-1).to(q.dtype)
        return (w @ v).permute(0, 2, 1, 3).flatten(start_dim=2), qk.detach()


class WhisperBlock(nn.Module):
    def __init__(self, n_state, n_head, cross_attention=False):
        super().__init__()
        self.attn = WhisperAttention(n_state, n_head)
        self.attn_ln = nn.LayerNorm(n_state)
        self.cross_attn = WhisperAttention(n_state, n_head) if cross_attention else None
        self.cross_attn_ln = nn.LayerNorm(n_state) if cross_attention else None
        self.mlp = nn.Sequential(nn.Linear(n_state, n_state * 4), nn.GELU(), nn.Linear(n_state * 4, n_state))
        self.mlp_ln = nn.LayerNorm(n_state)

    def forward(self, x, xa=None, mask=None, kv_cache=None):
        x = x + self.attn(self.attn_ln(x), mask=mask, kv_cache=kv_cache)[0]
        if self.cross_attn:
            x = x + self.cross_attn(self.cross_attn_ln(x), xa, kv_cache=kv_cache)[0]
        x = x + self.mlp(self.mlp_ln(x))
        return x


class Whisper(nn.Module):
    """Radford 2022: the mel spectrogram is encoded once, the text decoded token by token."""

    def __init__(self, n_mels=10, n_audio_ctx=20, n_vocab=50, n_text_ctx=64, n_state=16, n_head=2, n_layer=2):
        super().__init__()
        self.conv1 = nn.Conv1d(n_mels, n_state, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(n_state, n_state, kernel_size=3, stride=2, padding=1)
        self.register_buffer("audio_pos", torch.randn(n_audio_ctx, n_state) / 4)
        self.encoder_blocks = nn.ModuleList([WhisperBlock(n_state, n_head) for _ in range(n_layer)])
        self.ln_post = nn.LayerNorm(n_state)
        self.token_embedding = nn.Embedding(n_vocab, n_state)
        self.positional_embedding = nn.Parameter(torch.randn(n_text_ctx, n_state) / 4)
        self.blocks = nn.ModuleList([WhisperBlock(n_state, n_head, cross_attention=True) for _ in range(n_layer)])
        self.ln = nn.LayerNorm(n_state)
        mask = torch.empty(n_text_ctx, n_text_ctx).fill_(-float("inf")).triu_(1)
        self.register_buffer("mask", mask, persistent=False)

    def encode(self, x):
        x = F.gelu(self.conv1(x))
        x = F.gelu(self.conv2(x))
        x = x.permute(0, 2, 1)
        assert x.shape[1:] == self.audio_pos.shape, "incorrect audio shape"
        x = (x + self.audio_pos).to(x.dtype)
        for block in self.encoder_blocks:
            x = block(x)
        return self.ln_post(x)

    def decode(self, x, xa, kv_cache=None):
        offset = next(iter(kv_cache.values())).shape[1] if kv_cache else 0
        x = self.token_embedding(x) + self.positional_embedding[offset : offset + x.shape[-1]]
        x = x.to(xa.dtype)
        for block in self.blocks:
            x = block(x, xa, mask=self.mask, kv_cache=kv_cache)
        x = self.ln(x)
        return (x @ torch.transpose(self.token_embedding.weight.to(x.dtype), 0, 1)).float()

    def forward(self, mel, tokens):
        return self.decode(tokens, self.encode(mel))


_BIDIRECTIONAL = Refused("recurrent layers that run from the end too", "bidirectional")
_ATTENTION = Refused("every frame attends to every other", "not causal")

ROWS = (
    Published(
        "deepspeech2",
        DeepSpeech,
        {"x": "float32[batch,1,41,time]"},
        "Amodei 2016, SeanNaren/deepspeech.pytorch",
        _BIDIRECTIONAL,
    ),
    # windows of 11 every 2, padded by 5: floor(5 / 2) = 2; of 11: 5 more; of 5 to come: 4 more; 11 frames of two
    Published(
        "deepspeech2-lookahead",
        lambda: DeepSpeech(bidirectional=False),
        {"x": "float32[batch,1,41,time]"},
        "Amodei 2016, SeanNaren/deepspeech.pytorch, one-directional",
        Streams(22),
        frames=61,
        exported=True,
    ),
    Published(
        "conformer-offline",
        lambda: Conformer(causal=False, chunk=None, norm="batch_norm"),
        {"xs": "float32[batch,time,16]"},
        "Gulati 2020, wenet",
        _ATTENTION,
        frames=80,
    ),
    # frames of four; chunks of four of those see each other to their end
    Published(
        "conformer-chunked",
        Conformer,
        {"xs": "float32[batch,time,16]"},
        "Zhang 2020, wenet U2",
        Streams(None),
        frames=120,
    ),
    # two layers, one frame ahead each
    Published(
        "transformer-right-context",
        CausalTransformerEncoder,
        {"x": "float32[batch,time,12]"},
        "Zhang 2020, Transformer transducer",
        Streams(2),
    ),
    Published("rnnt-encoder", TransducerJoint, {"x": "float32[batch,time,10]"}, "Graves 2012, He 2019", Streams(None)),
    Published("rnnt-predictor", Predictor, {"labels": "int64[batch,time]"}, "Graves 2012", Streams(None)),
    Published(
        "stateless-predictor", StatelessPredictor, {"y": "int64[batch,time]"}, "Ghodsi 2020, k2-fsa/icefall", Streams()
    ),
    # floor((47 - 23) / 2) = 12, 3 and 3 more, 15 more: 33 frames of two
    Published(
        "wav2letter", Wav2Letter, {"x": "float32[batch,12,time]"}, "Collobert 2016, torchaudio", Streams(66), frames=110
    ),
    # 16 / 2 = 8, 16 and 16, 19 and 19, 86 ahead: 164 frames of two
    Published("quartznet", QuartzNet, {"x": "float32[batch,16,time]"}, "Kriman 2019, NeMo", Streams(328), frames=400),
    Published(
        "quartznet-normalized",
        NormalizedFeatures,
        {"x": "float32[batch,16,time]"},
        "Kriman 2019, NeMo with per-feature normalisation",
        Refused("mean and deviation of the whole utterance are taken off its first frame", "whole sequence"),
        frames=400,
    ),
    Published(
        "whisper",
        Whisper,
        {"mel": "float32[batch,10,40]", "tokens": "int64[batch,time]"},
        "Radford 2022, openai/whisper",
        Streams(),
        exported=True,
    ),
)
