"""Keyword spotting and voice activity: DS-CNN, TC-ResNet, BC-ResNet, MatchboxNet, CRNN, MarbleNet, Silero, wekws."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.published.row import Published, Refused, Streams


class DSCNN(nn.Module):
    """Zhang 2017, Hello Edge: [B, 1, T, F]; strided first, depthwise separable, averaged over time and frequency."""

    def __init__(self, classes=12, channels=12):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, kernel_size=(10, 4), stride=(2, 2), padding=(5, 1), bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.blocks = nn.Sequential(
            *[
                nn.Sequential(
                    nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(),
                    nn.Conv2d(channels, channels, 1, bias=False),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(),
                )
                for _ in range(2)
            ]
        )
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.blocks(x)
        x = self.pool(x)
        x = x.view(x.size(0), -1)
        return self.fc(x)


class TCResBlock(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, (9, 1), stride=(2, 1), padding=(4, 0), bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, (9, 1), padding=(4, 0), bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride=(2, 1), bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class TCResNet(nn.Module):
    """Choi 2019: frequencies as channels, stride two in every block, global average pooling."""

    def __init__(self, n_mels=10, classes=12):
        super().__init__()
        self.conv = nn.Conv2d(n_mels, 8, (3, 1), padding=(1, 0), bias=False)
        self.layers = nn.Sequential(TCResBlock(8, 12), TCResBlock(12, 16))
        self.fc = nn.Conv2d(16, classes, 1)

    def forward(self, x):
        x = x.transpose(1, 2).unsqueeze(-1)
        x = self.conv(x)
        x = self.layers(x)
        x = F.avg_pool2d(x, x.size()[2:])
        x = self.fc(F.dropout(x, 0.5, training=self.training))
        return x.view(x.size(0), -1)


class SubSpectralNorm(nn.Module):
    def __init__(self, num_features, spec_groups=2):
        super().__init__()
        self.spec_groups = spec_groups
        self.bn = nn.BatchNorm2d(num_features * spec_groups)

    def forward(self, x):
        b, c, h, w = x.size()
        x = x.view(b, c * self.spec_groups, h // self.spec_groups, w)
        x = self.bn(x)
        return x.view(b, c, h, w)


class BCResBlock(nn.Module):
    def __init__(self, n_chan, dilation):
        super().__init__()
        self.freq_dw_conv = nn.Conv2d(n_chan, n_chan, (3, 1), padding=(1, 0), groups=n_chan, bias=False)
        self.ssn1 = SubSpectralNorm(n_chan)
        self.temp_dw_conv = nn.Conv2d(
            n_chan, n_chan, (1, 3), padding=(0, dilation), dilation=(1, dilation), groups=n_chan, bias=False
        )
        self.bn = nn.BatchNorm2d(n_chan)
        self.channel_conv = nn.Conv2d(n_chan, n_chan, 1)
        self.dropout = nn.Dropout2d(0.1)

    def forward(self, x):
        aux = self.ssn1(self.freq_dw_conv(x))
        out = aux.mean(2, keepdim=True)
        out = F.silu(self.bn(self.temp_dw_conv(out)))
        out = self.dropout(self.channel_conv(out))
        return F.relu(out + x + aux)


class BCResNet(nn.Module):
    """Kim 2021: broadcasted residuals over [B, 1, F, T]; the answer is the mean over time."""

    def __init__(self, n_class=12, n=8):
        super().__init__()
        self.conv1 = nn.Conv2d(1, n, 5, stride=(2, 1), padding=(2, 2))
        self.blocks = nn.Sequential(BCResBlock(n, 1), BCResBlock(n, 2))
        self.conv2 = nn.Conv2d(n, n, (8, 5), groups=n, padding=(0, 2))
        self.conv3 = nn.Conv2d(n, n, 1, bias=False)
        self.conv4 = nn.Conv2d(n, n_class, 1, bias=False)

    def forward(self, x):
        out = self.conv1(x)
        out = self.blocks(out)
        out = self.conv2(out)
        out = self.conv3(out)
        out = out.mean(-1, keepdim=True)
        out = self.conv4(out)
        return out.view(out.shape[0], out.shape[1])


class SeparableBlock(nn.Module):
    """A sub-block of QuartzNet, MatchboxNet and MarbleNet, with 'same' padding."""

    def __init__(self, n_in, n_out, kernel, dilation=1, stride=1, act=True):
        super().__init__()
        layers = [
            nn.Conv1d(
                n_in,
                n_in,
                kernel,
                stride=stride,
                dilation=dilation,
                padding=dilation * (kernel - 1) // 2,
                groups=n_in,
                bias=False,
            ),
            nn.Conv1d(n_in, n_out, 1, bias=False),
            nn.BatchNorm1d(n_out, eps=1e-3),
        ]
        if act:
            layers += [nn.ReLU(), nn.Dropout(0.1)]
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        return self.net(x)


class JasperBlock(nn.Module):
    def __init__(self, n_in, n_out, kernel, repeat=2):
        super().__init__()
        blocks = [SeparableBlock(n_in if i == 0 else n_out, n_out, kernel, act=i < repeat - 1) for i in range(repeat)]
        self.blocks = nn.ModuleList(blocks)
        self.res = nn.Sequential(nn.Conv1d(n_in, n_out, 1, bias=False), nn.BatchNorm1d(n_out, eps=1e-3))

    def forward(self, x):
        y = x
        for block in self.blocks:
            y = block(y)
        return F.relu(y + self.res(x))


class MatchboxNet(nn.Module):
    """Majumdar 2020, NeMo: separable blocks, dilated epilogue, average pooling; MarbleNet is the same without mercy."""

    def __init__(self, feats=16, classes=12, C=12, per_frame=False):
        super().__init__()
        self.per_frame = per_frame
        self.encoder = nn.Sequential(
            SeparableBlock(feats, 16, 11, stride=1 if per_frame else 2),
            JasperBlock(16, C, 13),
            JasperBlock(C, C, 15),
            SeparableBlock(C, 16, 5, dilation=2),
            SeparableBlock(16, 16, 1),
        )
        self.pooling = nn.AdaptiveAvgPool1d(1)
        self.decoder_layers = nn.Sequential(nn.Linear(16, classes))

    def forward(self, audio_signal):
        encoded = self.encoder(audio_signal)
        if self.per_frame:
            return self.decoder_layers(encoded.transpose(1, 2))
        batch, in_channels, timesteps = encoded.size()
        encoded = self.pooling(encoded).view(batch, in_channels)
        return self.decoder_layers(encoded)


class SpeechCRNN(nn.Module):
    """Arik 2017: a strided convolution, two bidirectional GRUs, and a dense layer on the last frame."""

    def __init__(self, n_mels=20, classes=2, bidirectional=False):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, (20, 5), stride=(8, 2))
        f = (n_mels - 20) // 8 + 1
        self.rnn = nn.GRU(8 * f, 16, 2, batch_first=True, bidirectional=bidirectional)
        self.fc = nn.Linear(16 * (2 if bidirectional else 1), 16)
        self.out = nn.Linear(16, classes)

    def forward(self, x):
        x = F.relu(self.conv(x))
        x = x.permute(0, 3, 1, 2)
        x = x.flatten(2)
        x, _ = self.rnn(x)
        x = F.relu(self.fc(x[:, -1, :]))
        return self.out(x)


class SoundEventCRNN(nn.Module):
    """DCASE baselines: blocks of conv, norm, pooling along both axes, a GRU, attention pooling of frame answers."""

    def __init__(self, n_mels=16, classes=10, bidirectional=False):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AvgPool2d((2, 2)),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.AvgPool2d((2, 4)),
        )
        self.rnn = nn.GRU(12 * (n_mels // 8), 12, batch_first=True, bidirectional=bidirectional)
        n = 24 if bidirectional else 12
        self.dense = nn.Linear(n, classes)
        self.dense_softmax = nn.Linear(n, classes)

    def forward(self, x):
        x = self.cnn(x)
        bs, chan, frames, freq = x.size()
        x = x.permute(0, 2, 1, 3).contiguous().view(bs, frames, chan * freq)
        x, _ = self.rnn(x)
        strong = torch.sigmoid(self.dense(x))
        sof = torch.softmax(self.dense_softmax(x), dim=-1)
        sof = torch.clamp(sof, min=1e-7, max=1)
        weak = (strong * sof).sum(1) / sof.sum(1)
        return strong.transpose(1, 2), weak


class SileroLike(nn.Module):
    """A voice activity detector on samples: STFT by a fixed strided convolution, conv encoder, LSTM."""

    def __init__(self, n_fft=32, hop=16, hidden=12):
        super().__init__()
        basis = torch.fft.fft(torch.eye(n_fft))
        cutoff = n_fft // 2 + 1
        forward_basis = torch.cat([basis[:cutoff].real, basis[:cutoff].imag]) * torch.hann_window(n_fft)
        self.register_buffer("forward_basis_buffer", forward_basis.unsqueeze(1))
        self.filter_length, self.hop, self.cutoff = n_fft, hop, cutoff
        self.encoder = nn.Sequential(
            nn.Conv1d(cutoff, 12, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(12, 12, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv1d(12, hidden, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.rnn = nn.LSTM(hidden, hidden, batch_first=True)
        self.decoder = nn.Sequential(nn.Dropout(0.1), nn.ReLU(), nn.Conv1d(hidden, 1, 1), nn.Sigmoid())

    def forward(self, x):
        x = F.pad(x, [0, self.hop], "reflect")
        x = F.conv1d(x.unsqueeze(1), self.forward_basis_buffer, stride=self.hop)
        real, imag = x[:, : self.cutoff, :], x[:, self.cutoff :, :]
        x = torch.sqrt(real**2 + imag**2)
        x = self.encoder(x)
        x, _ = self.rnn(x.permute(0, 2, 1))
        return self.decoder(x.permute(0, 2, 1)).squeeze(1)


class MDTC(nn.Module):
    """wekws: a stack of causal dilated blocks, padded in front, with the cache that its runtime passes empty here."""

    def __init__(self, in_dim=10, res_channels=8, kernel_size=3, layers=3, num_keywords=2):
        super().__init__()
        self.preprocessor = nn.Linear(in_dim, res_channels)
        self.blocks = nn.ModuleList()
        for i in range(layers):
            self.blocks.append(
                nn.ModuleList(
                    [
                        nn.Conv1d(res_channels, res_channels, kernel_size, dilation=2**i, groups=res_channels),
                        nn.BatchNorm1d(res_channels),
                        nn.Conv1d(res_channels, res_channels, 1),
                        nn.BatchNorm1d(res_channels),
                    ]
                )
            )
        self.kernel_size = kernel_size
        self.classifier = nn.Linear(res_channels, num_keywords)

    def forward(self, x):
        outputs = self.preprocessor(x).transpose(1, 2)
        total = torch.zeros_like(outputs)
        for i, (depthwise, norm1, pointwise, norm2) in enumerate(self.blocks):
            padding = 2**i * (self.kernel_size - 1)
            y = F.pad(outputs, (padding, 0), value=0.0)
            y = F.relu(norm1(depthwise(y)))
            y = norm2(pointwise(y))
            outputs = F.relu(y + outputs)
            total += outputs
        return torch.sigmoid(self.classifier(total.transpose(1, 2)))


ROWS = (
    Published("ds-cnn", DSCNN, {"x": "float32[batch,1,time,10]"}, "Zhang 2017, Hello Edge", Streams(None)),
    Published(
        "tc-resnet", TCResNet, {"x": "float32[batch,time,10]"}, "Choi 2019, hyperconnect/TC-ResNet", Streams(None)
    ),
    Published(
        "bc-resnet", BCResNet, {"x": "float32[batch,1,16,time]"}, "Kim 2021, Qualcomm-AI-research", Streams(None)
    ),
    Published(
        "matchboxnet", MatchboxNet, {"audio_signal": "float32[batch,16,time]"}, "Majumdar 2020, NeMo", Streams(None)
    ),
    # 'same' windows of 11, 13, 13, 15, 15 and 5 dilated by two look 5 + 6 + 6 + 7 + 7 + 4 ahead
    Published(
        "marblenet-frame",
        lambda: MatchboxNet(per_frame=True, classes=2),
        {"audio_signal": "float32[batch,16,time]"},
        "Jia 2021, NeMo frame-VAD",
        Streams(35),
        frames=60,
        exported=True,
    ),
    Published("kws-crnn", SpeechCRNN, {"x": "float32[batch,1,20,time]"}, "Arik 2017, one-directional", Streams(None)),
    Published(
        "kws-crnn-bidirectional",
        lambda: SpeechCRNN(bidirectional=True),
        {"x": "float32[batch,1,20,time]"},
        "Arik 2017",
        Refused("GRUs that run from the end too", "bidirectional"),
    ),
    Published(
        "sed-crnn", SoundEventCRNN, {"x": "float32[batch,1,time,16]"}, "Turpault 2019, DCASE baseline", Streams(None)
    ),
    Published(
        "silero-like",
        SileroLike,
        {"x": "float32[batch,time]"},
        "snakers4/silero-vad, by its graph",
        Streams(None),
        frames=300,
    ),
    Published("mdtc", MDTC, {"x": "float32[batch,time,10]"}, "Coucke 2018, wenet-e2e/wekws", Streams()),
)
