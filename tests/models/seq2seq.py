"""Models of a sequence given something else: a source sentence, a speaker, a picture, a code."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PAD = 0


class EncoderRNN(nn.Module):
    """The encoder of PyTorch's translation tutorial."""

    def __init__(self, input_size: int, hidden_size: int, dropout_p: float = 0.1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(input_size, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, sentence: Tensor) -> tuple[Tensor, Tensor]:
        embedded = self.dropout(self.embedding(sentence))
        output, hidden = self.gru(embedded)
        return output, hidden


class DecoderRNN(nn.Module):
    """The tutorial's decoder, teacher forced on the whole target."""

    def __init__(self, hidden_size: int, output_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, output_size)

    def forward(self, target: Tensor, hidden: Tensor) -> Tensor:
        output = F.relu(self.embedding(target))
        output, hidden = self.gru(output, hidden)
        return F.log_softmax(self.out(output), dim=-1)


class TutorialSeq2Seq(nn.Module):
    """Encoder and decoder, the last hidden state between them."""

    def __init__(self, words: int = 40, hidden: int = 12) -> None:
        super().__init__()
        self.encoder, self.decoder = EncoderRNN(words, hidden), DecoderRNN(hidden, words)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        _, hidden = self.encoder(src)
        return self.decoder(tgt, hidden)  # type: ignore[no-any-return]


class Cho2014(nn.Module):
    """Cho et al. 2014: the summary of the source starts the decoder and stands beside every input and output."""

    def __init__(self, words: int = 40, width: int = 8, hidden: int = 12) -> None:
        super().__init__()
        self.src_embed, self.tgt_embed = nn.Embedding(words, width), nn.Embedding(words, width)
        self.encoder = nn.GRU(width, hidden, batch_first=True)
        self.to_context, self.to_hidden = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.decoder = nn.GRU(width + hidden, hidden, batch_first=True)
        self.out = nn.Linear(hidden + width + hidden, words)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        _, h = self.encoder(self.src_embed(src))
        context = torch.tanh(self.to_context(h[-1]))
        hidden = torch.tanh(self.to_hidden(context)).unsqueeze(0)
        embedded = self.tgt_embed(tgt)
        context = context.unsqueeze(1).repeat(1, tgt.size(1), 1)
        output, _ = self.decoder(torch.cat((embedded, context), dim=2), hidden)
        return self.out(torch.cat((output, embedded, context), dim=2))  # type: ignore[no-any-return]


class Sutskever2014(nn.Module):
    """Two LSTMs of two layers, both states handed over, the source reversed as in the paper."""

    def __init__(self, words: int = 40, width: int = 8, hidden: int = 10, layers: int = 2) -> None:
        super().__init__()
        self.src_embed, self.tgt_embed = nn.Embedding(words, width), nn.Embedding(words, width)
        self.encoder = nn.LSTM(width, hidden, layers, batch_first=True)
        self.decoder = nn.LSTM(width, hidden, layers, batch_first=True)
        self.out = nn.Linear(hidden, words)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        _, state = self.encoder(self.src_embed(src.flip(1)))
        output, _ = self.decoder(self.tgt_embed(tgt), state)
        return self.out(output)  # type: ignore[no-any-return]


class LuongAttention(nn.Module):
    """Luong's global attention, general score, over all decoder outputs at once; padding of the source masked."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.attn = nn.Linear(hidden, hidden, bias=False)
        self.concat = nn.Linear(2 * hidden, hidden)

    def forward(self, outputs: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        scores = torch.bmm(outputs, self.attn(memory).transpose(1, 2))
        weights = F.softmax(scores.masked_fill(mask.unsqueeze(1), -1e9), dim=-1)
        context = weights.bmm(memory)
        return torch.tanh(self.concat(torch.cat([context, outputs], dim=-1)))


class LuongSeq2Seq(nn.Module):
    """A bidirectional encoder, a bridge to the decoder's state, and Luong attention."""

    def __init__(self, words: int = 40, width: int = 8, hidden: int = 12) -> None:
        super().__init__()
        self.embed_src = nn.Embedding(words, width, padding_idx=PAD)
        self.embed_tgt = nn.Embedding(words, width, padding_idx=PAD)
        self.encoder = nn.GRU(width, hidden // 2, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(hidden, hidden)
        self.decoder = nn.GRU(width, hidden, batch_first=True)
        self.attention = LuongAttention(hidden)
        self.generator = nn.Linear(hidden, words, bias=False)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        memory, h = self.encoder(self.embed_src(src))
        hidden = torch.tanh(self.bridge(torch.cat((h[0], h[1]), dim=1))).unsqueeze(0)
        outputs, _ = self.decoder(self.embed_tgt(tgt), hidden)
        return self.generator(self.attention(outputs, memory, src == PAD))  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Multi-head attention, to itself or across."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def _split(self, x: Tensor) -> Tensor:
        return x.view(x.size(0), x.size(1), self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        q, k, v = self._split(self.q_proj(x)), self._split(self.k_proj(memory)), self._split(self.v_proj(memory))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.out_proj(y.transpose(1, 2).reshape(x.shape))  # type: ignore[no-any-return]


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.self_attn(y, y, mask)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the source, MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_attn, self.cross_attn = Attention(width, heads), Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.self_attn(y, y, causal=True)
        x = x + self.cross_attn(self.norm2(x), memory, mask)
        return x + self.mlp(self.norm3(x))  # type: ignore[no-any-return]


class TransformerSeq2Seq(nn.Module):
    """A small Transformer for translation: sinusoidal positions, a mask made from the source's padding."""

    pe: Tensor

    def __init__(self, words: int = 40, width: int = 16, heads: int = 2, layers: int = 2, longest: int = 200) -> None:
        super().__init__()
        self.width = width
        self.src_embed, self.tgt_embed = nn.Embedding(words, width), nn.Embedding(words, width)
        position = torch.arange(longest).unsqueeze(1)
        rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        table = torch.zeros(longest, width)
        table[:, 0::2], table[:, 1::2] = torch.sin(position * rates), torch.cos(position * rates)
        self.register_buffer("pe", table.unsqueeze(0))
        self.encoder = nn.ModuleList([EncoderLayer(width, heads) for _ in range(layers)])
        self.decoder = nn.ModuleList([DecoderLayer(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.generator = nn.Linear(width, words)

    def encode(self, src: Tensor, mask: Tensor) -> Tensor:
        x = self.src_embed(src) * math.sqrt(self.width) + self.pe[:, : src.size(1)]
        for layer in self.encoder:
            x = layer(x, mask)
        return x  # type: ignore[no-any-return]

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        mask = (src != PAD).unsqueeze(1).unsqueeze(2)
        memory = self.encode(src, mask)
        x = self.tgt_embed(tgt) * math.sqrt(self.width) + self.pe[:, : tgt.size(1)]
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return F.log_softmax(self.generator(self.norm(x)), dim=-1)


class TorchTransformer(nn.Module):
    """``nn.Transformer`` as its tutorial uses it, the padding of the source masked."""

    def __init__(self, words: int = 40, width: int = 16) -> None:
        super().__init__()
        self.src_embed, self.tgt_embed = nn.Embedding(words, width), nn.Embedding(words, width)
        self.transformer = nn.Transformer(width, 2, 1, 1, 32, batch_first=True)
        self.generator = nn.Linear(width, words)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        tgt_mask = nn.Transformer.generate_square_subsequent_mask(tgt.size(1))
        padding = src == PAD
        out = self.transformer(
            self.src_embed(src),
            self.tgt_embed(tgt),
            tgt_mask=tgt_mask,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        return self.generator(out)  # type: ignore[no-any-return]


class FilmBlock(nn.Module):
    """A dilated causal convolution, normed over channels, scaled and shifted by the speaker."""

    def __init__(self, channels: int, speaker: int, dilation: int) -> None:
        super().__init__()
        self.pad = 2 * dilation
        self.conv = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.norm = nn.LayerNorm(channels, elementwise_affine=False)
        self.film = nn.Linear(speaker, 2 * channels)

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        y = self.conv(F.pad(x, (self.pad, 0)))
        y = self.norm(y.transpose(1, 2)).transpose(1, 2)
        gamma, beta = self.film(speaker).chunk(2, dim=-1)
        return x + F.relu((1 + gamma.unsqueeze(-1)) * y + beta.unsqueeze(-1))


class FilmTCN(nn.Module):
    """A temporal convolutional network under a speaker's FiLM."""

    def __init__(self, features: int = 5, channels: int = 8, speaker: int = 4) -> None:
        super().__init__()
        self.inp = nn.Conv1d(features, channels, 1)
        self.blocks = nn.ModuleList([FilmBlock(channels, speaker, 2**i) for i in range(3)])
        self.out = nn.Conv1d(channels, 3, 1)

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        y = self.inp(x.transpose(1, 2))
        for block in self.blocks:
            y = block(y, speaker)
        return self.out(y).transpose(1, 2)  # type: ignore[no-any-return]


class MultiSpeaker(nn.Module):
    """A speaker's number: its embedding beside every frame, and the state that the GRU starts from."""

    def __init__(self, speakers: int = 9, features: int = 6, hidden: int = 10, layers: int = 2) -> None:
        super().__init__()
        self.layers, self.hidden = layers, hidden
        self.speaker = nn.Embedding(speakers, 4)
        self.init = nn.Linear(4, layers * hidden)
        self.gru = nn.GRU(features + 4, hidden, layers, batch_first=True)
        self.out = nn.Linear(hidden, features)

    def forward(self, mel: Tensor, speaker_id: Tensor) -> Tensor:
        s = F.softsign(self.speaker(speaker_id))
        h0 = torch.tanh(self.init(s)).view(-1, self.layers, self.hidden).transpose(0, 1).contiguous()
        s = s.unsqueeze(1).expand(-1, mel.shape[1], -1)
        y, _ = self.gru(torch.cat([mel, s], dim=-1), h0)
        return self.out(y)  # type: ignore[no-any-return]


class ShowAndTell(nn.Module):
    """Captions, the picture's features being the first word, as a well-known tutorial has it: T words in, T + 1 out."""

    def __init__(self, features: int = 10, width: int = 8, hidden: int = 12, words: int = 30) -> None:
        super().__init__()
        self.fc, self.bn = nn.Linear(features, width), nn.BatchNorm1d(width)
        self.embed = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, hidden, 1, batch_first=True)
        self.linear = nn.Linear(hidden, words)

    def forward(self, features: Tensor, captions: Tensor) -> Tensor:
        features = self.bn(self.fc(features))
        embeddings = torch.cat((features.unsqueeze(1), self.embed(captions)), 1)
        hiddens, _ = self.lstm(embeddings)
        return self.linear(hiddens)  # type: ignore[no-any-return]


class ShowAttendTell(nn.Module):
    """Captions whose LSTM starts from the mean of the picture's regions, with attention to them afterwards."""

    def __init__(self, features: int = 10, hidden: int = 12, words: int = 30) -> None:
        super().__init__()
        self.init_h, self.init_c = nn.Linear(features, hidden), nn.Linear(features, hidden)
        self.embedding = nn.Embedding(words, 8)
        self.lstm = nn.LSTM(8, hidden, batch_first=True)
        self.query, self.key = nn.Linear(hidden, 6), nn.Linear(features, 6)
        self.fc = nn.Linear(hidden + features, words)

    def forward(self, encoder_out: Tensor, captions: Tensor) -> Tensor:
        encoder_out = encoder_out.view(encoder_out.size(0), -1, encoder_out.size(-1))
        mean = encoder_out.mean(dim=1)
        h, _ = self.lstm(self.embedding(captions), (self.init_h(mean)[None], self.init_c(mean)[None]))
        scores = torch.matmul(self.query(h), self.key(encoder_out).transpose(-2, -1)) / math.sqrt(6)
        context = torch.matmul(scores.softmax(-1), encoder_out)
        return self.fc(torch.cat([h, context], -1))  # type: ignore[no-any-return]


class SentenceVAE(nn.Module):
    """The decoder of Bowman et al. 2016: a code makes the states of all layers."""

    def __init__(self, latent: int = 5, hidden: int = 8, layers: int = 2, words: int = 30) -> None:
        super().__init__()
        self.layers, self.hidden = layers, hidden
        self.latent2hidden = nn.Linear(latent, hidden * layers)
        self.embedding = nn.Embedding(words, 6)
        self.decoder_rnn = nn.GRU(6, hidden, layers, batch_first=True)
        self.outputs2vocab = nn.Linear(hidden, words)

    def forward(self, z: Tensor, input_sequence: Tensor) -> Tensor:
        hidden = torch.stack(self.latent2hidden(z).chunk(self.layers, dim=-1))
        outputs, _ = self.decoder_rnn(self.embedding(input_sequence), hidden)
        b, s, _ = outputs.size()
        logits = self.outputs2vocab(outputs.reshape(-1, outputs.size(2)))
        return F.log_softmax(logits, dim=-1).view(b, s, -1)


class SpeechTranslation(nn.Module):
    """Speech in, words out: the encoder halves time twice, so that the memory's length is not the source's."""

    def __init__(self, mels: int = 6, width: int = 12, words: int = 30) -> None:
        super().__init__()
        self.subsample = nn.Sequential(
            nn.Conv1d(mels, width, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv1d(width, width, 3, stride=2, padding=1),
            nn.GELU(),
        )
        self.encoder = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)
        self.embed = nn.Embedding(words, width)
        self.decoder = nn.LSTM(width, width, batch_first=True)
        self.cross = Attention(width, 3)
        self.out = nn.Linear(width, words)

    def forward(self, speech: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        memory, _ = self.encoder(self.subsample(speech.transpose(1, 2)).transpose(1, 2))
        x, _ = self.decoder(self.embed(tokens))
        return self.out(x + self.cross(x, memory)), memory.mean(1)
