"""Speech synthesis: Tacotron's parts, HiFi-GAN's generator, WaveRNN's upsampling, FastSpeech, LPCNet, MelGAN."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import remove_weight_norm, weight_norm

from tests.published.row import Published, Refused, Streams

LRELU_SLOPE = 0.1


def get_padding(kernel_size, dilation=1):
    return int((kernel_size * dilation - dilation) / 2)


class ResBlock(nn.Module):
    def __init__(self, channels, kernel_size=3, dilation=(1, 3)):
        super(ResBlock, self).__init__()
        self.convs1 = nn.ModuleList(
            [
                weight_norm(
                    nn.Conv1d(channels, channels, kernel_size, 1, dilation=d, padding=get_padding(kernel_size, d))
                )
                for d in dilation
            ]
        )
        self.convs2 = nn.ModuleList(
            [
                weight_norm(
                    nn.Conv1d(channels, channels, kernel_size, 1, dilation=1, padding=get_padding(kernel_size, 1))
                )
                for _ in dilation
            ]
        )

    def forward(self, x):
        for c1, c2 in zip(self.convs1, self.convs2):
            xt = F.leaky_relu(x, LRELU_SLOPE)
            xt = c1(xt)
            xt = F.leaky_relu(xt, LRELU_SLOPE)
            xt = c2(xt)
            x = xt + x
        return x

    def remove_weight_norm(self):
        for layer in [*self.convs1, *self.convs2]:
            remove_weight_norm(layer)


class Generator(nn.Module):
    """HiFi-GAN: up by transposed convolutions, residual blocks of several kernels added."""

    def __init__(self, n_mels=8, channel=16, rates=(4, 2), kernels=(8, 4), resblock_kernels=(3, 7), dilations=(1, 3)):
        super(Generator, self).__init__()
        self.num_kernels = len(resblock_kernels)
        self.num_upsamples = len(rates)
        self.conv_pre = weight_norm(nn.Conv1d(n_mels, channel, 7, 1, padding=3))
        self.ups = nn.ModuleList()
        for i, (u, k) in enumerate(zip(rates, kernels)):
            self.ups.append(
                weight_norm(
                    nn.ConvTranspose1d(channel // (2**i), channel // (2 ** (i + 1)), k, u, padding=(k - u) // 2)
                )
            )
        self.resblocks = nn.ModuleList()
        for i in range(len(self.ups)):
            ch = channel // (2 ** (i + 1))
            for k in resblock_kernels:
                self.resblocks.append(ResBlock(ch, k, dilations))
        self.conv_post = weight_norm(nn.Conv1d(ch, 1, 7, 1, padding=3))

    def forward(self, x):
        x = self.conv_pre(x)
        for i in range(self.num_upsamples):
            x = F.leaky_relu(x, LRELU_SLOPE)
            x = self.ups[i](x)
            xs = None
            for j in range(self.num_kernels):
                if xs is None:
                    xs = self.resblocks[i * self.num_kernels + j](x)
                else:
                    xs += self.resblocks[i * self.num_kernels + j](x)
            x = xs / self.num_kernels
        x = F.leaky_relu(x)
        x = self.conv_post(x)
        x = torch.tanh(x)
        return x


class MelGANBlock(nn.Module):
    def __init__(self, dim, dilation=1):
        super().__init__()
        self.block = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.ReflectionPad1d(dilation),
            weight_norm(nn.Conv1d(dim, dim, kernel_size=3, dilation=dilation)),
            nn.LeakyReLU(0.2),
            weight_norm(nn.Conv1d(dim, dim, kernel_size=1)),
        )
        self.shortcut = weight_norm(nn.Conv1d(dim, dim, kernel_size=1))

    def forward(self, x):
        return self.shortcut(x) + self.block(x)


class MelGAN(nn.Module):
    """Kumar 2019: reflection padding everywhere, as wide as the look-ahead of the window behind it."""

    def __init__(self, n_mels=8, ngf=4, ratios=(4, 2)):
        super().__init__()
        mult = 2 ** len(ratios)
        model = [nn.ReflectionPad1d(3), weight_norm(nn.Conv1d(n_mels, mult * ngf, kernel_size=7, padding=0))]
        for r in ratios:
            model += [
                nn.LeakyReLU(0.2),
                weight_norm(
                    nn.ConvTranspose1d(
                        mult * ngf,
                        mult * ngf // 2,
                        kernel_size=r * 2,
                        stride=r,
                        padding=r // 2 + r % 2,
                        output_padding=r % 2,
                    )
                ),
            ]
            for j in range(2):
                model += [MelGANBlock(mult * ngf // 2, dilation=3**j)]
            mult //= 2
        model += [nn.LeakyReLU(0.2), nn.ReflectionPad1d(3), weight_norm(nn.Conv1d(ngf, 1, kernel_size=7)), nn.Tanh()]
        self.model = nn.Sequential(*model)

    def forward(self, x):
        return self.model(x)


class Prenet(nn.Module):
    """Tacotron 2's prenet; its dropout stays on at inference."""

    def __init__(self, in_dim, sizes):
        super(Prenet, self).__init__()
        in_sizes = [in_dim, *sizes[:-1]]
        self.layers = nn.ModuleList([nn.Linear(i, o, bias=False) for (i, o) in zip(in_sizes, sizes)])

    def forward(self, x):
        for linear in self.layers:
            x = F.dropout(F.relu(linear(x)), p=0.5, training=True)
        return x


class PrenetTacotron1(nn.Module):
    def __init__(self, in_dim, sizes):
        super().__init__()
        in_sizes = [in_dim, *sizes[:-1]]
        self.layers = nn.ModuleList([nn.Linear(i, o) for (i, o) in zip(in_sizes, sizes)])
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.5)

    def forward(self, inputs):
        for linear in self.layers:
            inputs = self.dropout(self.relu(linear(inputs)))
        return inputs


class Postnet(nn.Module):
    """Five 'same' convolutions with batch norm."""

    def __init__(self, n_mels=8, dim=12, kernel=5, n=5):
        super(Postnet, self).__init__()
        sizes = [n_mels, *[dim] * (n - 1), n_mels]
        self.convolutions = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv1d(i, o, kernel_size=kernel, stride=1, padding=int((kernel - 1) / 2), dilation=1),
                    nn.BatchNorm1d(o),
                )
                for i, o in zip(sizes[:-1], sizes[1:])
            ]
        )

    def forward(self, x):
        for i in range(len(self.convolutions) - 1):
            x = F.dropout(torch.tanh(self.convolutions[i](x)), 0.5, self.training)
        x = F.dropout(self.convolutions[-1](x), 0.5, self.training)
        return x


class TacotronDecoder(nn.Module):
    """Prenet and postnet around an LSTM, the mel output and its refined sum."""

    def __init__(self, prenet, n_mels=8, hidden=16):
        super().__init__()
        self.prenet = prenet(n_mels, [12, 12])
        self.rnn = nn.LSTM(12, hidden, 2, batch_first=True)
        self.proj = nn.Linear(hidden, n_mels)
        self.gate = nn.Linear(hidden, 1)
        self.postnet = Postnet(n_mels)

    def forward(self, mels):
        x, _ = self.rnn(self.prenet(mels))
        mel_outputs = self.proj(x)
        gate_outputs = self.gate(x).squeeze(-1)
        mel_outputs = mel_outputs.transpose(1, 2)
        mel_outputs_postnet = mel_outputs + self.postnet(mel_outputs)
        return mel_outputs, mel_outputs_postnet, gate_outputs


class Stretch2d(nn.Module):
    def __init__(self, x_scale, y_scale):
        super().__init__()
        self.x_scale = x_scale
        self.y_scale = y_scale

    def forward(self, x):
        b, c, h, w = x.size()
        x = x.unsqueeze(-1).unsqueeze(3)
        x = x.repeat(1, 1, 1, self.y_scale, 1, self.x_scale)
        return x.view(b, c, h * self.y_scale, w * self.x_scale)


class WaveRNN(nn.Module):
    """fatchord/WaveRNN in small: mel frames stretched and smoothed, two GRUs over samples with residuals."""

    def __init__(self, feat_dims=8, rnn_dims=12, fc_dims=12, n_classes=16, scales=(2, 2)):
        super().__init__()
        self.up_layers = nn.ModuleList()
        for scale in scales:
            k_size = (1, scale * 2 + 1)
            conv = nn.Conv2d(1, 1, kernel_size=k_size, padding=(0, scale), bias=False)
            conv.weight.data.fill_(1.0 / k_size[1])
            self.up_layers.append(Stretch2d(scale, 1))
            self.up_layers.append(conv)
        self.I = nn.Linear(feat_dims + 1, rnn_dims)
        self.rnn1 = nn.GRU(rnn_dims, rnn_dims, batch_first=True)
        self.rnn2 = nn.GRU(rnn_dims, rnn_dims, batch_first=True)
        self.fc1 = nn.Linear(rnn_dims, fc_dims)
        self.fc2 = nn.Linear(fc_dims, n_classes)

    def forward(self, x, mels):
        bsize = x.size(0)
        h1 = torch.zeros(1, bsize, 12, device=x.device)
        h2 = torch.zeros(1, bsize, 12, device=x.device)
        m = mels.unsqueeze(1)
        for f in self.up_layers:
            m = f(m)
        mels = m.squeeze(1).transpose(1, 2)
        x = torch.cat([x.unsqueeze(-1), mels], dim=2)
        x = self.I(x)
        res = x
        self.rnn1.flatten_parameters()
        x, _ = self.rnn1(x, h1)
        x = x + res
        res = x
        x, _ = self.rnn2(x, h2)
        x = x + res
        x = F.relu(self.fc1(x))
        return self.fc2(x)


class LPCNet(nn.Module):
    """Valin 2019: a frame-rate network conditions a sample-rate GRU by repetition."""

    def __init__(self, nb_features=6, frame_size=8, cond=12, rnn_units=16):
        super().__init__()
        self.frame_size = frame_size
        self.fconv1 = nn.Conv1d(nb_features, cond, 3, padding=1)
        self.fconv2 = nn.Conv1d(cond, cond, 3, padding=1)
        self.fdense1 = nn.Linear(cond, cond)
        self.embed_sig = nn.Embedding(32, 8)
        self.rnn = nn.GRU(8 + cond, rnn_units, batch_first=True)
        self.rnn2 = nn.GRU(rnn_units + cond, 8, batch_first=True)
        self.md = nn.Linear(8, 32)

    def forward(self, pcm, feat):
        cfeat = torch.tanh(self.fconv1(feat.transpose(1, 2)))
        cfeat = torch.tanh(self.fconv2(cfeat)).transpose(1, 2)
        cfeat = torch.tanh(self.fdense1(cfeat))
        cfeat = torch.repeat_interleave(cfeat, self.frame_size, dim=1)
        cpcm = self.embed_sig(pcm)
        gru_out1, _ = self.rnn(torch.cat([cpcm, cfeat], dim=-1))
        gru_out2, _ = self.rnn2(torch.cat([gru_out1, cfeat], dim=-1))
        return torch.log_softmax(self.md(gru_out2), dim=-1)


class CBHG(nn.Module):
    """Tacotron 1: a bank of convolutions, pooling, highways, a bidirectional GRU."""

    def __init__(self, in_dim=8, K=4):
        super().__init__()
        self.conv1d_banks = nn.ModuleList([nn.Conv1d(in_dim, in_dim, k, padding=k // 2) for k in range(1, K + 1)])
        self.max_pool1d = nn.MaxPool1d(kernel_size=2, stride=1, padding=1)
        self.proj = nn.Conv1d(K * in_dim, in_dim, 3, padding=1)
        self.H = nn.Linear(in_dim, in_dim)
        self.T = nn.Linear(in_dim, in_dim)
        self.gru = nn.GRU(in_dim, in_dim, 1, batch_first=True, bidirectional=True)

    def forward(self, inputs):
        x = inputs.transpose(1, 2)
        T = x.size(-1)
        x = torch.cat([torch.relu(conv(x))[:, :, :T] for conv in self.conv1d_banks], dim=1)
        x = self.max_pool1d(x)[:, :, :T]
        x = self.proj(x).transpose(1, 2) + inputs
        H, t = torch.relu(self.H(x)), torch.sigmoid(self.T(x))
        x = H * t + x * (1.0 - t)
        outputs, _ = self.gru(x)
        return outputs


_MEL = {"x": "float32[batch,8,time]"}
_DECODER = {"mels": "float32[batch,time,8]"}

ROWS = (
    # in frames of mel, from the end back: 3 + (9 + 3 + 3 + 3) for the kernel of 7 at the last rate, and so on up
    Published("hifi-gan", Generator, _MEL, "Kong 2020, jik876/hifi-gan", Streams(None), frames=60, exported=True),
    # what the padding mirrors lies inside the look-ahead of the window behind it
    Published("melgan", MelGAN, _MEL, "Kumar 2019, descriptinc/melgan-neurips", Streams(None), frames=60),
    Published(
        "tacotron2-decoder",
        lambda: TacotronDecoder(Prenet),
        _DECODER,
        "Shen 2018, NVIDIA/tacotron2",
        Refused("its prenet drops at random at inference too", "random"),
    ),
    # five windows of 5 look two ahead each
    Published(
        "tacotron-decoder", lambda: TacotronDecoder(PrenetTacotron1), _DECODER, "Wang 2017, keithito", Streams(10)
    ),
    Published(
        "cbhg",
        CBHG,
        {"inputs": "float32[batch,time,8]"},
        "Wang 2017, r9y9/tacotron_pytorch",
        Refused("the GRU runs from the end too", "bidirectional"),
    ),
    # stretched twice by 2 and smoothed over 2 + 2 to come: (2 * 2 + 2) samples of four to a frame, rounded up
    Published(
        "wavernn",
        WaveRNN,
        {"x": "float32[batch,4*time]", "mels": "float32[batch,8,time]"},
        "Kalchbrenner 2018, fatchord/WaveRNN",
        Streams(None),
    ),
    # two windows of 3: two frames
    Published(
        "lpcnet",
        LPCNet,
        {"pcm": "int64[batch,8*time]", "feat": "float32[batch,time,6]"},
        "Valin 2019, xiph/LPCNet torch",
        Streams(2),
    ),
)
