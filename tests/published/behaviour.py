"""Video, movement, recommendation, control, translation."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.published.row import Published, Refused, Streams


class CNNLSTM(nn.Module):
    """One CNN for every frame of a clip, then an LSTM (HHTseng/video-classification)."""

    def __init__(self, classes=5, dim=12, last=True):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )
        self.fc = nn.Linear(8, dim)
        self.rnn = nn.LSTM(dim, dim, batch_first=True)
        self.classifier = nn.Linear(dim, classes)
        self.last = last

    def forward(self, x):
        batch_size, timesteps, C, H, W = x.size()
        c_in = x.view(batch_size * timesteps, C, H, W)
        c_out = self.cnn(c_in)
        r_in = self.fc(c_out.view(batch_size, timesteps, -1))
        r_out, (h_n, h_c) = self.rnn(r_in)
        if self.last:
            return self.classifier(r_out[:, -1, :])
        return self.classifier(r_out)


class ResCNNEncoderLoop(nn.Module):
    """The same repository's encoder: a Python loop over the frames of the clip, stacked."""

    def __init__(self, dim=12):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 3 * 3, dim)

    def forward(self, x_3d):
        cnn_embed_seq = []
        for t in range(x_3d.size(1)):
            x = F.relu(self.bn(self.conv(x_3d[:, t, :, :, :])))
            x = x.view(x.size(0), -1)
            cnn_embed_seq.append(self.fc(x))
        cnn_embed_seq = torch.stack(cnn_embed_seq, dim=0).transpose_(0, 1)
        return cnn_embed_seq


class ConvLSTMCell(nn.Module):
    """Shi 2015 after ndrplz/ConvLSTM_pytorch."""

    def __init__(self, input_dim, hidden_dim, kernel_size, bias):
        super(ConvLSTMCell, self).__init__()
        self.hidden_dim = hidden_dim
        self.padding = kernel_size[0] // 2, kernel_size[1] // 2
        self.conv = nn.Conv2d(input_dim + hidden_dim, 4 * hidden_dim, kernel_size, padding=self.padding, bias=bias)

    def forward(self, input_tensor, cur_state):
        h_cur, c_cur = cur_state
        combined = torch.cat([input_tensor, h_cur], dim=1)
        combined_conv = self.conv(combined)
        cc_i, cc_f, cc_o, cc_g = torch.split(combined_conv, self.hidden_dim, dim=1)
        i = torch.sigmoid(cc_i)
        f = torch.sigmoid(cc_f)
        o = torch.sigmoid(cc_o)
        g = torch.tanh(cc_g)
        c_next = f * c_cur + i * g
        h_next = o * torch.tanh(c_next)
        return h_next, c_next

    def init_hidden(self, batch_size, image_size):
        height, width = image_size
        return (
            torch.zeros(batch_size, self.hidden_dim, height, width, device=self.conv.weight.device),
            torch.zeros(batch_size, self.hidden_dim, height, width, device=self.conv.weight.device),
        )


class ConvLSTM(nn.Module):
    def __init__(self, input_dim=1, hidden_dim=(4, 4), kernel_size=(3, 3), batch_first=True, bias=True):
        super(ConvLSTM, self).__init__()
        self.num_layers = len(hidden_dim)
        self.batch_first = batch_first
        cell_list = []
        for i in range(self.num_layers):
            cur_input_dim = input_dim if i == 0 else hidden_dim[i - 1]
            cell_list.append(ConvLSTMCell(cur_input_dim, hidden_dim[i], kernel_size, bias))
        self.cell_list = nn.ModuleList(cell_list)

    def forward(self, input_tensor, hidden_state=None):
        if not self.batch_first:
            input_tensor = input_tensor.permute(1, 0, 2, 3, 4)
        b, _, _, h, w = input_tensor.size()
        hidden_state = [cell.init_hidden(b, (h, w)) for cell in self.cell_list]
        layer_output_list = []
        last_state_list = []
        seq_len = input_tensor.size(1)
        cur_layer_input = input_tensor
        for layer_idx in range(self.num_layers):
            h, c = hidden_state[layer_idx]
            output_inner = []
            for t in range(seq_len):
                h, c = self.cell_list[layer_idx](input_tensor=cur_layer_input[:, t, :, :, :], cur_state=[h, c])
                output_inner.append(h)
            layer_output = torch.stack(output_inner, dim=1)
            cur_layer_input = layer_output
            layer_output_list.append(layer_output)
            last_state_list.append([h, c])
        layer_output_list = layer_output_list[-1:]
        last_state_list = last_state_list[-1:]
        return layer_output_list, last_state_list


class TSM(nn.Module):
    """Lin 2019: part of the channels comes from the previous frame; ``online`` leaves out those from the next."""

    def __init__(self, channels=8, fold_div=4, online=True):
        super().__init__()
        self.fold_div, self.online = fold_div, online
        self.conv1 = nn.Conv2d(3, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.fc = nn.Linear(channels, 5)

    def shift(self, x, n_batch):
        nt, c, h, w = x.size()
        x = x.view(n_batch, nt // n_batch, c, h, w)
        fold = c // self.fold_div
        out = torch.zeros_like(x)
        if self.online:
            out[:, 1:, :fold] = x[:, :-1, :fold]
            out[:, :, fold:] = x[:, :, fold:]
        else:
            out[:, :-1, :fold] = x[:, 1:, :fold]
            out[:, 1:, fold : 2 * fold] = x[:, :-1, fold : 2 * fold]
            out[:, :, 2 * fold :] = x[:, :, 2 * fold :]
        return out.view(nt, c, h, w)

    def forward(self, x):
        b, t, c, h, w = x.size()
        x = F.relu(self.conv1(x.view(b * t, c, h, w)))
        x = F.relu(self.conv2(self.shift(x, b)))
        x = x.mean(dim=(2, 3))
        return self.fc(x).view(b, t, -1)


class STGCNBlock(nn.Module):
    """Yan 2018 with a causal temporal convolution: a graph product over joints, then a window over frames."""

    def __init__(self, in_channels, out_channels, kernel=(5, 3)):
        super().__init__()
        self.kernel = kernel
        self.conv = nn.Conv2d(in_channels, out_channels * kernel[1], kernel_size=(1, 1))
        self.tcn = nn.Sequential(
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, (kernel[0], 1), padding=(kernel[0] - 1, 0)),
            nn.BatchNorm2d(out_channels),
            nn.Dropout(0.1),
        )
        self.residual = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x, A):
        res = self.residual(x)
        x = self.conv(x)
        n, kc, t, v = x.size()
        x = x.view(n, self.kernel[1], kc // self.kernel[1], t, v)
        x = torch.einsum("nkctv,kvw->nctw", (x, A))
        x = self.tcn(x.contiguous())[:, :, :t]
        return F.relu(x + res)


class STGCN(nn.Module):
    def __init__(self, in_channels=2, joints=6, classes=5):
        super().__init__()
        self.register_buffer("A", torch.rand(3, joints, joints) / joints)
        self.data_bn = nn.BatchNorm1d(in_channels * joints)
        self.blocks = nn.ModuleList([STGCNBlock(in_channels, 8), STGCNBlock(8, 8)])
        self.edge_importance = nn.ParameterList([nn.Parameter(torch.ones(3, joints, joints)) for _ in self.blocks])
        self.fcn = nn.Conv2d(8, classes, kernel_size=1)

    def forward(self, x):
        N, C, T, V, M = x.size()
        x = x.permute(0, 4, 3, 1, 2).contiguous()
        x = x.view(N * M, V * C, T)
        x = self.data_bn(x)
        x = x.view(N, M, V, C, T)
        x = x.permute(0, 1, 3, 4, 2).contiguous()
        x = x.view(N * M, C, T, V)
        for gcn, importance in zip(self.blocks, self.edge_importance):
            x = gcn(x, self.A * importance)
        x = x.mean(dim=3)
        _, c, t = x.size()
        x = x.view(N, M, c, t).mean(dim=1)
        return self.fcn(x.unsqueeze(-1)).squeeze(-1)


class TrajectoryLSTM(nn.Module):
    """Social pooling in small: people of a scene, an LSTM each, see the maximum over all of them in every frame."""

    def __init__(self, hidden=12):
        super().__init__()
        self.embed = nn.Linear(2, 8)
        self.encoder = nn.LSTM(8, hidden, batch_first=True)
        self.pool_mlp = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU())
        self.decoder = nn.GRU(2 * hidden, hidden, batch_first=True)
        self.hidden2pos = nn.Linear(hidden, 2)

    def forward(self, obs_traj):
        batch, people, steps, _ = obs_traj.shape
        rel = torch.zeros_like(obs_traj)
        rel[:, :, 1:] = obs_traj[:, :, 1:] - obs_traj[:, :, :-1]
        x = F.relu(self.embed(rel)).reshape(batch * people, steps, -1)
        out, _ = self.encoder(x)
        out = out.view(batch, people, steps, -1)
        pooled = self.pool_mlp(out).max(dim=1, keepdim=True)[0].expand_as(out)
        joint = torch.cat([out, pooled], dim=-1).view(batch * people, steps, -1)
        joint, _ = self.decoder(joint)
        return obs_traj + self.hidden2pos(joint).view(batch, people, steps, 2)


class CausalBlock(nn.Module):
    def __init__(self, h_dim, max_T, n_heads):
        super().__init__()
        self.n_heads, self.max_T = n_heads, max_T
        self.q_net, self.k_net = nn.Linear(h_dim, h_dim), nn.Linear(h_dim, h_dim)
        self.v_net, self.proj_net = nn.Linear(h_dim, h_dim), nn.Linear(h_dim, h_dim)
        self.register_buffer("mask", torch.tril(torch.ones((max_T, max_T))).view(1, 1, max_T, max_T))
        self.mlp = nn.Sequential(nn.Linear(h_dim, 4 * h_dim), nn.GELU(), nn.Linear(4 * h_dim, h_dim))
        self.ln1, self.ln2 = nn.LayerNorm(h_dim), nn.LayerNorm(h_dim)

    def attention(self, x):
        B, T, C = x.shape
        N, D = self.n_heads, C // self.n_heads
        q = self.q_net(x).view(B, T, N, D).transpose(1, 2)
        k = self.k_net(x).view(B, T, N, D).transpose(1, 2)
        v = self.v_net(x).view(B, T, N, D).transpose(1, 2)
        weights = q @ k.transpose(2, 3) / math.sqrt(D)
        weights = weights.masked_fill(self.mask[..., :T, :T] == 0, float("-inf"))
        normalized_weights = F.softmax(weights, dim=-1)
        attention = normalized_weights @ v
        return self.proj_net(attention.transpose(1, 2).contiguous().view(B, T, N * D))

    def forward(self, x):
        x = x + self.attention(x)
        x = self.ln1(x)
        x = x + self.mlp(x)
        return self.ln2(x)


class DecisionTransformer(nn.Module):
    """Chen 2021 after nikhilbarhate99: returns, states and actions interleaved, three tokens for every step."""

    def __init__(self, state_dim=4, act_dim=2, h_dim=24, context_len=30, max_timestep=100):
        super().__init__()
        self.h_dim = h_dim
        self.transformer = nn.Sequential(*[CausalBlock(h_dim, 3 * context_len, 2) for _ in range(2)])
        self.embed_ln = nn.LayerNorm(h_dim)
        self.embed_timestep = nn.Embedding(max_timestep, h_dim)
        self.embed_rtg = nn.Linear(1, h_dim)
        self.embed_state = nn.Linear(state_dim, h_dim)
        self.embed_action = nn.Linear(act_dim, h_dim)
        self.predict_rtg = nn.Linear(h_dim, 1)
        self.predict_state = nn.Linear(h_dim, state_dim)
        self.predict_action = nn.Sequential(nn.Linear(h_dim, act_dim), nn.Tanh())

    def forward(self, timesteps, states, actions, returns_to_go):
        B, T, _ = states.shape
        time_embeddings = self.embed_timestep(timesteps)
        state_embeddings = self.embed_state(states) + time_embeddings
        action_embeddings = self.embed_action(actions) + time_embeddings
        returns_embeddings = self.embed_rtg(returns_to_go) + time_embeddings
        h = (
            torch.stack((returns_embeddings, state_embeddings, action_embeddings), dim=1)
            .permute(0, 2, 1, 3)
            .reshape(B, 3 * T, self.h_dim)
        )
        h = self.embed_ln(h)
        h = self.transformer(h)
        h = h.reshape(B, T, 3, self.h_dim).permute(0, 2, 1, 3)
        return_preds = self.predict_rtg(h[:, 2])
        state_preds = self.predict_state(h[:, 2])
        action_preds = self.predict_action(h[:, 1])
        return state_preds, action_preds, return_preds


class BertTagger(nn.Module):
    def __init__(self, vocab=50, d=24, tags=7, max_len=128):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab, d, padding_idx=0)
        self.position_embeddings = nn.Embedding(max_len, d)
        self.register_buffer("position_ids", torch.arange(max_len).expand((1, -1)))
        self.norm = nn.LayerNorm(d)
        layer = nn.TransformerEncoderLayer(d, 2, 48, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.classifier = nn.Linear(d, tags)

    def forward(self, input_ids):
        seq_length = input_ids.size(1)
        position_ids = self.position_ids[:, :seq_length]
        x = self.norm(self.word_embeddings(input_ids) + self.position_embeddings(position_ids))
        return self.classifier(self.encoder(x))


class PointWiseFeedForward(nn.Module):
    def __init__(self, hidden_units):
        super(PointWiseFeedForward, self).__init__()
        self.conv1 = nn.Conv1d(hidden_units, hidden_units, kernel_size=1)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv1d(hidden_units, hidden_units, kernel_size=1)

    def forward(self, inputs):
        outputs = self.conv2(self.relu(self.conv1(inputs.transpose(-1, -2))))
        outputs = outputs.transpose(-1, -2)
        outputs += inputs
        return outputs


class SASRec(nn.Module):
    """Kang 2018 after pmixer/SASRec.pytorch: item 0 is padding and is blanked between layers; causal mask."""

    def __init__(self, item_num=50, hidden=16, maxlen=60):
        super(SASRec, self).__init__()
        self.item_emb = nn.Embedding(item_num + 1, hidden, padding_idx=0)
        self.pos_emb = nn.Embedding(maxlen + 1, hidden, padding_idx=0)
        self.attention_layernorms = nn.ModuleList([nn.LayerNorm(hidden, eps=1e-8) for _ in range(2)])
        self.attention_layers = nn.ModuleList([nn.MultiheadAttention(hidden, 2, 0.2) for _ in range(2)])
        self.forward_layernorms = nn.ModuleList([nn.LayerNorm(hidden, eps=1e-8) for _ in range(2)])
        self.forward_layers = nn.ModuleList([PointWiseFeedForward(hidden) for _ in range(2)])
        self.last_layernorm = nn.LayerNorm(hidden, eps=1e-8)

    def forward(self, log_seqs):
        seqs = self.item_emb(log_seqs)
        seqs = seqs * self.item_emb.embedding_dim**0.5
        positions = torch.arange(1, log_seqs.shape[1] + 1, device=log_seqs.device).unsqueeze(0)
        seqs = seqs + self.pos_emb(positions * (log_seqs != 0))
        timeline_mask = log_seqs == 0
        seqs = seqs * ~timeline_mask.unsqueeze(-1)
        tl = seqs.shape[1]
        attention_mask = ~torch.tril(torch.ones((tl, tl), dtype=torch.bool, device=log_seqs.device))
        for i in range(len(self.attention_layers)):
            seqs = torch.transpose(seqs, 0, 1)
            Q = self.attention_layernorms[i](seqs)
            mha_outputs, _ = self.attention_layers[i](Q, seqs, seqs, attn_mask=attention_mask)
            seqs = Q + mha_outputs
            seqs = torch.transpose(seqs, 0, 1)
            seqs = self.forward_layernorms[i](seqs)
            seqs = self.forward_layers[i](seqs)
            seqs = seqs * ~timeline_mask.unsqueeze(-1)
        return self.last_layernorm(seqs)


class GRU4Rec(nn.Module):
    """Hidasi 2016: one-hot items, a GRU given its hidden state, scores for the next item."""

    def __init__(self, items=40, hidden=16):
        super().__init__()
        self.items = items
        self.gru = nn.GRU(items, hidden, 1, dropout=0.0)
        self.h2o = nn.Linear(hidden, items)

    def forward(self, input, hidden):
        embedded = F.one_hot(input, self.items).float()
        output, hidden = self.gru(embedded, hidden)
        logit = torch.tanh(self.h2o(output.view(-1, output.size(-1))))
        return logit, hidden


class PositionalEncoding(nn.Module):
    def __init__(self, emb_size, dropout, maxlen=500):
        super(PositionalEncoding, self).__init__()
        den = torch.exp(-torch.arange(0, emb_size, 2) * math.log(10000) / emb_size)
        pos = torch.arange(0, maxlen).reshape(maxlen, 1)
        pos_embedding = torch.zeros((maxlen, emb_size))
        pos_embedding[:, 0::2] = torch.sin(pos * den)
        pos_embedding[:, 1::2] = torch.cos(pos * den)
        pos_embedding = pos_embedding.unsqueeze(-2)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("pos_embedding", pos_embedding)

    def forward(self, token_embedding):
        return self.dropout(token_embedding + self.pos_embedding[: token_embedding.size(0), :])


class TokenEmbedding(nn.Module):
    def __init__(self, vocab_size, emb_size):
        super(TokenEmbedding, self).__init__()
        self.embedding = nn.Embedding(vocab_size, emb_size)
        self.emb_size = emb_size

    def forward(self, tokens):
        return self.embedding(tokens.long()) * math.sqrt(self.emb_size)


class Seq2SeqTransformer(nn.Module):
    """The PyTorch translation tutorial: nn.Transformer, masks made by the caller's function inside forward here."""

    def __init__(self, num_layers=2, emb_size=24, nhead=2, src_vocab_size=40, tgt_vocab_size=50, dim_feedforward=32):
        super(Seq2SeqTransformer, self).__init__()
        self.transformer = nn.Transformer(
            d_model=emb_size,
            nhead=nhead,
            num_encoder_layers=num_layers,
            num_decoder_layers=num_layers,
            dim_feedforward=dim_feedforward,
            dropout=0.1,
        )
        self.generator = nn.Linear(emb_size, tgt_vocab_size)
        self.src_tok_emb = TokenEmbedding(src_vocab_size, emb_size)
        self.tgt_tok_emb = TokenEmbedding(tgt_vocab_size, emb_size)
        self.positional_encoding = PositionalEncoding(emb_size, dropout=0.1)

    def create_mask(self, src, tgt):
        src_seq_len = src.shape[0]
        tgt_seq_len = tgt.shape[0]
        mask = (torch.triu(torch.ones((tgt_seq_len, tgt_seq_len), device=src.device)) == 1).transpose(0, 1)
        tgt_mask = mask.float().masked_fill(mask == 0, float("-inf")).masked_fill(mask == 1, float(0.0))
        src_mask = torch.zeros((src_seq_len, src_seq_len), device=src.device).type(torch.bool)
        return src_mask, tgt_mask

    def forward(self, src, trg):
        src_mask, tgt_mask = self.create_mask(src, trg)
        src_emb = self.positional_encoding(self.src_tok_emb(src))
        tgt_emb = self.positional_encoding(self.tgt_tok_emb(trg))
        outs = self.transformer(src_emb, tgt_emb, src_mask, tgt_mask)
        return self.generator(outs)


class AttentionSeq2Seq(nn.Module):
    """Bahdanau 2015, bentrevett's form: a bidirectional encoder, and a decoder loop with attention over it."""

    def __init__(self, src_vocab=40, tgt_vocab=50, emb=12, hid=16):
        super().__init__()
        self.src_embedding, self.tgt_embedding = nn.Embedding(src_vocab, emb), nn.Embedding(tgt_vocab, emb)
        self.encoder = nn.GRU(emb, hid, bidirectional=True)
        self.bridge = nn.Linear(2 * hid, hid)
        self.attn, self.v = nn.Linear(3 * hid, hid), nn.Linear(hid, 1, bias=False)
        self.decoder = nn.GRU(2 * hid + emb, hid)
        self.fc_out = nn.Linear(3 * hid + emb, tgt_vocab)
        self.tgt_vocab = tgt_vocab

    def attention(self, hidden, encoder_outputs):
        src_len = encoder_outputs.shape[0]
        hidden = hidden.unsqueeze(1).repeat(1, src_len, 1)
        encoder_outputs = encoder_outputs.permute(1, 0, 2)
        energy = torch.tanh(self.attn(torch.cat((hidden, encoder_outputs), dim=2)))
        return F.softmax(self.v(energy).squeeze(2), dim=1)

    def forward(self, src, trg):
        encoder_outputs, hidden = self.encoder(self.src_embedding(src))
        hidden = torch.tanh(self.bridge(torch.cat((hidden[-2, :, :], hidden[-1, :, :]), dim=1)))
        trg_len, batch_size = trg.shape
        outputs = torch.zeros(trg_len, batch_size, self.tgt_vocab)
        for t in range(trg_len):
            embedded = self.tgt_embedding(trg[t].unsqueeze(0))
            a = self.attention(hidden, encoder_outputs).unsqueeze(1)
            weighted = torch.bmm(a, encoder_outputs.permute(1, 0, 2)).permute(1, 0, 2)
            output, hidden = self.decoder(torch.cat((embedded, weighted), dim=2), hidden.unsqueeze(0))
            hidden = hidden.squeeze(0)
            outputs[t] = self.fc_out(torch.cat((output.squeeze(0), weighted.squeeze(0), embedded.squeeze(0)), dim=1))
        return outputs


_CLIP = {"x": "float32[batch,time,3,8,8]"}
_PAIR = {"src": "int64[source,batch]", "trg": "int64[time,batch]"}

ROWS = (
    Published("video-cnn-lstm", CNNLSTM, _CLIP, "Donahue 2015, HHTseng/video-classification", Streams()),
    Published(
        "video-cnn-loop",
        ResCNNEncoderLoop,
        {"x_3d": "float32[batch,time,3,8,8]"},
        "HHTseng/video-classification",
        Streams(),
    ),
    Published(
        "convlstm",
        ConvLSTM,
        {"input_tensor": "float32[batch,time,1,6,6]"},
        "Shi 2015, ndrplz/ConvLSTM_pytorch",
        Streams(),
        exported=True,
    ),
    Published("tsm-online", TSM, _CLIP, "Lin 2019, mit-han-lab/temporal-shift-module", Streams()),
    # a quarter of the channels comes from the next frame
    Published("tsm", lambda: TSM(online=False), _CLIP, "Lin 2019, mit-han-lab/temporal-shift-module", Streams(1)),
    Published("st-gcn", STGCN, {"x": "float32[batch,2,time,6,1]"}, "Yan 2018, yysijie/st-gcn, causal", Streams()),
    Published(
        "trajectory-lstm", TrajectoryLSTM, {"obs_traj": "float32[batch,3,time,2]"}, "Alahi 2016, Gupta 2018", Streams()
    ),
    Published(
        "decision-transformer",
        DecisionTransformer,
        {
            "timesteps": "int64[batch,time]",
            "states": "float32[batch,time,4]",
            "actions": "float32[batch,time,2]",
            "returns_to_go": "float32[batch,time,1]",
        },
        "Chen 2021, nikhilbarhate99/min-decision-transformer",
        Streams(),
        frames=27,
    ),
    Published(
        "bert-tagger",
        BertTagger,
        {"input_ids": "int64[batch,time]"},
        "Devlin 2019",
        Refused("every word attends to every other", "not causal"),
    ),
    Published("sasrec", SASRec, {"log_seqs": "int64[batch,time]"}, "Kang 2018, pmixer/SASRec.pytorch", Streams()),
    Published(
        "gru4rec",
        GRU4Rec,
        {"input": "int64[time,batch]", "hidden": "float32[1,batch,16]"},
        "Hidasi 2016, hungthanhpham94/GRU4REC-pytorch",
        Streams(),
    ),
    Published("translation-tutorial", Seq2SeqTransformer, _PAIR, "PyTorch tutorials, translation", Streams()),
    Published("bahdanau-seq2seq", AttentionSeq2Seq, _PAIR, "Bahdanau 2015, bentrevett/pytorch-seq2seq", Streams()),
)
