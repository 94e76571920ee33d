"""Time series: N-BEATS, Informer-like, LSTM autoencoder, seq2seq forecaster, temporal fusion, DeepAR, NLinear."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.published.row import Published, Refused, Streams


class NBeatsBlock(nn.Module):
    def __init__(self, backcast, forecast, units):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(backcast, units), nn.Linear(units, units)
        self.theta_b, self.theta_f = nn.Linear(units, backcast), nn.Linear(units, forecast)

    def forward(self, x):
        x = F.relu(self.fc2(F.relu(self.fc1(x))))
        return self.theta_b(x), self.theta_f(x)


class NBeats(nn.Module):
    """Oreshkin 2019: dense layers over a window of 30 values."""

    def __init__(self, backcast_length=30, forecast_length=5):
        super().__init__()
        self.forecast_length = forecast_length
        self.stacks = nn.ModuleList([NBeatsBlock(backcast_length, forecast_length, 16) for _ in range(2)])

    def forward(self, backcast):
        forecast = torch.zeros(size=(backcast.size()[0], self.forecast_length))
        for block in self.stacks:
            b, f = block(backcast)
            backcast = backcast.to(b.device) - b
            forecast = forecast + f
        return backcast, forecast


class TokenEmbedding(nn.Module):
    """A circular convolution: the last value stands before the first."""

    def __init__(self, c_in, d_model):
        super().__init__()
        self.tokenConv = nn.Conv1d(c_in, d_model, kernel_size=3, padding=1, padding_mode="circular", bias=False)

    def forward(self, x):
        return self.tokenConv(x.permute(0, 2, 1)).transpose(1, 2)


class InformerEncoder(nn.Module):
    """Zhou 2021: circular convolution, full attention, distilling by convolution and max pooling."""

    def __init__(self, c_in=4, d_model=16, heads=2):
        super().__init__()
        self.embedding = TokenEmbedding(c_in, d_model)
        self.attention = nn.MultiheadAttention(d_model, heads, batch_first=True)
        self.norm = nn.LayerNorm(d_model)
        self.downConv = nn.Conv1d(d_model, d_model, kernel_size=3, padding=1, padding_mode="circular")
        self.bn = nn.BatchNorm1d(d_model)
        self.maxPool = nn.MaxPool1d(kernel_size=3, stride=2, padding=1)

    def forward(self, x_enc):
        x = self.embedding(x_enc)
        x = self.norm(x + self.attention(x, x, x)[0])
        x = self.downConv(x.permute(0, 2, 1))
        x = self.maxPool(F.elu(self.bn(x)))
        return x.transpose(1, 2)


class LSTMAutoencoder(nn.Module):
    """Anomaly detection: the encoder's last state is repeated for every frame and decoded."""

    def __init__(self, n_features=3, embedding_dim=8):
        super().__init__()
        self.encoder1 = nn.LSTM(n_features, 2 * embedding_dim, batch_first=True)
        self.encoder2 = nn.LSTM(2 * embedding_dim, embedding_dim, batch_first=True)
        self.decoder1 = nn.LSTM(embedding_dim, embedding_dim, batch_first=True)
        self.decoder2 = nn.LSTM(embedding_dim, 2 * embedding_dim, batch_first=True)
        self.output_layer = nn.Linear(2 * embedding_dim, n_features)

    def forward(self, x):
        seq_len = x.shape[1]
        x, (_, _) = self.encoder1(x)
        x, (hidden_n, _) = self.encoder2(x)
        x = hidden_n[-1].unsqueeze(1).repeat(1, seq_len, 1)
        x, _ = self.decoder1(x)
        x, _ = self.decoder2(x)
        return self.output_layer(x)


class Seq2SeqForecaster(nn.Module):
    """The past is encoded; then, teacher-forced, the decoder goes on from its state."""

    def __init__(self, features=3, hidden=16):
        super().__init__()
        self.encoder = nn.LSTM(features, hidden, 2, batch_first=True)
        self.decoder = nn.LSTM(1, hidden, 2, batch_first=True)
        self.fc = nn.Linear(hidden, 1)

    def forward(self, past, target):
        _, (h, c) = self.encoder(past)
        out, _ = self.decoder(target, (h, c))
        return self.fc(out)


class AutoregressiveForecaster(nn.Module):
    """Reads everything, then makes ten steps of its own from the last value: an answer after every frame."""

    def __init__(self, hidden=12, horizon=10):
        super().__init__()
        self.hidden, self.horizon = hidden, horizon
        self.encoder = nn.LSTM(1, hidden, batch_first=True)
        self.cell = nn.LSTMCell(1, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        _, (h, c) = self.encoder(x)
        h, c = h[0], c[0]
        y = x[:, -1, :]
        outputs = []
        for _ in range(self.horizon):
            h, c = self.cell(y, (h, c))
            y = self.out(h)
            outputs.append(y)
        return torch.stack(outputs, dim=1)


class GLU(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, x):
        return torch.sigmoid(self.fc1(x)) * self.fc2(x)


class GRN(nn.Module):
    def __init__(self, d_in, d, d_context=None):
        super().__init__()
        self.skip = nn.Linear(d_in, d) if d_in != d else None
        self.fc1, self.fc2 = nn.Linear(d_in, d), nn.Linear(d, d)
        self.context = nn.Linear(d_context, d, bias=False) if d_context is not None else None
        self.gate, self.norm = GLU(d), nn.LayerNorm(d)

    def forward(self, x, context=None):
        residual = x if self.skip is None else self.skip(x)
        x = self.fc1(x)
        if context is not None:
            context = self.context(context)
            context = context.unsqueeze(1) if x.dim() == 3 else context
            x = x + context
        x = self.fc2(F.elu(x))
        return self.norm(residual + self.gate(x))


class TemporalFusion(nn.Module):
    """Lim 2021 in small: static covariates choose variables and start the LSTM; interpretable causal attention."""

    def __init__(self, n_static=4, n_vars=3, d=12, heads=2):
        super().__init__()
        self.static_enc = GRN(n_static, d)
        self.c_h, self.c_c = GRN(d, d), GRN(d, d)
        self.var_embed = nn.ModuleList([nn.Linear(1, d) for _ in range(n_vars)])
        self.var_grns = nn.ModuleList([GRN(d, d) for _ in range(n_vars)])
        self.weights = GRN(n_vars * d, n_vars, d)
        self.lstm = nn.LSTM(d, d, batch_first=True)
        self.gate, self.norm = GLU(d), nn.LayerNorm(d)
        self.enrich = GRN(d, d, d)
        self.attention = nn.MultiheadAttention(d, heads, batch_first=True)
        self.out = nn.Linear(d, 3)

    def forward(self, static, x):
        s = self.static_enc(static)
        embedded = [embed(x[..., i : i + 1]) for i, embed in enumerate(self.var_embed)]
        weights = torch.softmax(self.weights(torch.cat(embedded, dim=-1), s), dim=-1).unsqueeze(-2)
        values = torch.stack([grn(e) for grn, e in zip(self.var_grns, embedded)], dim=-1)
        selected = (values * weights).sum(dim=-1)
        out, _ = self.lstm(selected, (self.c_h(s).unsqueeze(0), self.c_c(s).unsqueeze(0)))
        out = self.norm(self.gate(out) + selected)
        enriched = self.enrich(out, s)
        T = x.size(1)
        mask = torch.triu(torch.ones(T, T, dtype=torch.bool, device=x.device), diagonal=1)
        attended, _ = self.attention(enriched, enriched, enriched, attn_mask=mask)
        return self.out(attended + enriched)


class DeepAR(nn.Module):
    """Salinas 2017: the previous value and covariates in, the parameters of a Gaussian out."""

    def __init__(self, covariates=3, series=20, hidden=16):
        super().__init__()
        self.embedding = nn.Embedding(series, 6)
        self.lstm = nn.LSTM(1 + covariates + 6, hidden, 2, batch_first=True, dropout=0.1)
        self.relu = nn.ReLU()
        self.distribution_mu = nn.Linear(hidden * 2, 1)
        self.distribution_presigma = nn.Linear(hidden * 2, 1)
        self.distribution_sigma = nn.Softplus()

    def forward(self, x, idx):
        onehot_embed = self.embedding(idx)
        lstm_input = torch.cat((x, onehot_embed.unsqueeze(1).expand(-1, x.size(1), -1)), dim=2)
        output, (hidden, cell) = self.lstm(lstm_input)
        hidden_permute = torch.cat([output, output], dim=-1)
        pre_sigma = self.distribution_presigma(hidden_permute)
        mu = self.distribution_mu(hidden_permute)
        sigma = self.distribution_sigma(pre_sigma)
        return torch.squeeze(mu, -1), torch.squeeze(sigma, -1)


class moving_avg(nn.Module):
    """DLinear's: the ends are repeated by half a kernel, then averaged."""

    def __init__(self, kernel_size, stride):
        super(moving_avg, self).__init__()
        self.kernel_size = kernel_size
        self.avg = nn.AvgPool1d(kernel_size=kernel_size, stride=stride, padding=0)

    def forward(self, x):
        front = x[:, 0:1, :].repeat(1, (self.kernel_size - 1) // 2, 1)
        end = x[:, -1:, :].repeat(1, (self.kernel_size - 1) // 2, 1)
        x = torch.cat([front, x, end], dim=1)
        x = self.avg(x.permute(0, 2, 1))
        x = x.permute(0, 2, 1)
        return x


class Decomposition(nn.Module):
    """series_decomp of Autoformer and DLinear, then an LSTM on each part."""

    def __init__(self, features=3, kernel_size=5, hidden=8):
        super().__init__()
        self.moving_avg = moving_avg(kernel_size, stride=1)
        self.trend = nn.LSTM(features, hidden, batch_first=True)
        self.season = nn.LSTM(features, hidden, batch_first=True)
        self.fc = nn.Linear(2 * hidden, 1)

    def forward(self, x):
        moving_mean = self.moving_avg(x)
        res = x - moving_mean
        return self.fc(torch.cat([self.trend(moving_mean)[0], self.season(res)[0]], dim=-1))


_X = {"x": "float32[batch,time,3]"}

ROWS = (
    Published(
        "n-beats",
        NBeats,
        {"backcast": "float32[batch,time]"},
        "Oreshkin 2019",
        Refused("its dense layers take a window of 30 values, no other length", "30"),
    ),
    Published(
        "informer-encoder",
        InformerEncoder,
        {"x_enc": "float32[batch,time,4]"},
        "Zhou 2021, zhouhaoyi/Informer2020",
        Refused("the last frame stands before the first, and attention is not causal", "circular"),
    ),
    Published(
        "lstm-autoencoder",
        LSTMAutoencoder,
        _X,
        "Malhotra 2016",
        Refused("the last state is the first frame's input", "whole sequence"),
    ),
    Published(
        "seq2seq-forecaster",
        Seq2SeqForecaster,
        {"past": "float32[batch,past,3]", "target": "float32[batch,time,1]"},
        "Sutskever 2014, forecasting ports",
        Streams(),
        exported=True,
    ),
    Published(
        "autoregressive-forecaster",
        AutoregressiveForecaster,
        {"x": "float32[batch,time,1]"},
        "pytorch/examples, time sequence",
        Streams(),
    ),
    Published(
        "temporal-fusion",
        TemporalFusion,
        {"static": "float32[batch,4]", "x": "float32[batch,time,3]"},
        "Lim 2021",
        Streams(),
    ),
    Published(
        "deepar",
        DeepAR,
        {"x": "float32[batch,time,4]", "idx": "int64[batch]"},
        "Salinas 2017, TimeSeries ports",
        Streams(),
    ),
    # half a kernel ahead; the repeated end is only the last frame once there is no more
    Published("series-decomposition", Decomposition, _X, "Zeng 2023, LTSF-Linear", Streams(2)),
)
