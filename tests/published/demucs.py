"""facebookresearch/denoiser's Demucs, causal; an EnCodec-like SEANet; a small Wave-U-Net."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from tests.published.row import Published, Refused, Streams


class BLSTM(nn.Module):
    def __init__(self, dim, layers=2, bi=True):
        super().__init__()
        klass = nn.LSTM
        self.lstm = klass(bidirectional=bi, num_layers=layers, hidden_size=dim, input_size=dim)
        self.linear = None
        if bi:
            self.linear = nn.Linear(2 * dim, dim)

    def forward(self, x, hidden=None):
        x, hidden = self.lstm(x, hidden)
        if self.linear:
            x = self.linear(x)
        return x, hidden


def rescale_conv(conv, reference):
    std = conv.weight.std().detach()
    scale = (std / reference) ** 0.5
    conv.weight.data /= scale
    if conv.bias is not None:
        conv.bias.data /= scale


class Demucs(nn.Module):
    def __init__(
        self,
        chin=1,
        chout=1,
        hidden=8,
        depth=3,
        kernel_size=8,
        stride=4,
        causal=True,
        growth=2,
        max_hidden=10_000,
        normalize=True,
        glu=True,
        rescale=0.1,
        floor=1e-3,
    ):
        super().__init__()
        self.depth = depth
        self.kernel_size = kernel_size
        self.stride = stride
        self.causal = causal
        self.floor = floor
        self.normalize = normalize
        self.encoder = nn.ModuleList()
        self.decoder = nn.ModuleList()
        activation = nn.GLU(1) if glu else nn.ReLU()
        ch_scale = 2 if glu else 1
        for index in range(depth):
            encode = []
            encode += [
                nn.Conv1d(chin, hidden, kernel_size, stride),
                nn.ReLU(),
                nn.Conv1d(hidden, hidden * ch_scale, 1),
                activation,
            ]
            self.encoder.append(nn.Sequential(*encode))
            decode = []
            decode += [
                nn.Conv1d(hidden, ch_scale * hidden, 1),
                activation,
                nn.ConvTranspose1d(hidden, chout, kernel_size, stride),
            ]
            if index > 0:
                decode.append(nn.ReLU())
            self.decoder.insert(0, nn.Sequential(*decode))
            chout = hidden
            chin = hidden
            hidden = min(int(growth * hidden), max_hidden)
        self.lstm = BLSTM(chin, bi=not causal)
        if rescale:
            for sub in self.modules():
                if isinstance(sub, (nn.Conv1d, nn.ConvTranspose1d)):
                    rescale_conv(sub, rescale)

    def valid_length(self, length):
        for idx in range(self.depth):
            length = math.ceil((length - self.kernel_size) / self.stride) + 1
            length = max(length, 1)
        for idx in range(self.depth):
            length = (length - 1) * self.stride + self.kernel_size
        return int(length)

    def forward(self, mix):
        if mix.dim() == 2:
            mix = mix.unsqueeze(1)
        if self.normalize:
            mono = mix.mean(dim=1, keepdim=True)
            std = mono.std(dim=-1, keepdim=True)
            mix = mix / (self.floor + std)
        else:
            std = 1
        length = mix.shape[-1]
        x = mix
        x = F.pad(x, (0, self.valid_length(length) - length))
        skips = []
        for encode in self.encoder:
            x = encode(x)
            skips.append(x)
        x = x.permute(2, 0, 1)
        x, _ = self.lstm(x)
        x = x.permute(1, 2, 0)
        for decode in self.decoder:
            skip = skips.pop(-1)
            x = x + skip[..., : x.shape[-1]]
            x = decode(x)
        x = x[..., :length]
        return std * x


class CausalConv1d(nn.Module):
    """StreamableConv1d of EnCodec: pads in front by what kernel and stride leave, behind to a whole frame."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, dilation=1, pad_mode="constant"):
        super().__init__()
        self.conv = torch.nn.utils.parametrizations.weight_norm(
            nn.Conv1d(in_channels, out_channels, kernel_size, stride, dilation=dilation)
        )
        self.pad_mode = pad_mode

    def extra_padding(self, x, kernel_size, stride, padding_total):
        length = x.shape[-1]
        n_frames = (length - kernel_size + padding_total) / stride + 1
        ideal_length = (math.ceil(n_frames) - 1) * stride + (kernel_size - padding_total)
        return ideal_length - length

    def forward(self, x):
        kernel_size, stride = self.conv.kernel_size[0], self.conv.stride[0]
        kernel_size = (kernel_size - 1) * self.conv.dilation[0] + 1
        padding_total = kernel_size - stride
        extra = self.extra_padding(x, kernel_size, stride, padding_total)
        x = F.pad(x, (padding_total, extra), mode=self.pad_mode)
        return self.conv(x)


class CausalConvTranspose1d(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride):
        super().__init__()
        self.convtr = torch.nn.utils.parametrizations.weight_norm(
            nn.ConvTranspose1d(in_channels, out_channels, kernel_size, stride)
        )

    def forward(self, x):
        padding_total = self.convtr.kernel_size[0] - self.convtr.stride[0]
        y = self.convtr(x)
        padding_right = math.ceil(padding_total * 1.0)
        padding_left = padding_total - padding_right
        end = y.shape[-1] - padding_right
        return y[..., padding_left:end]


class SEANetResnetBlock(nn.Module):
    def __init__(self, dim, kernel_size=3, dilation=1, compress=2, pad_mode="constant"):
        super().__init__()
        hidden = dim // compress
        self.block = nn.Sequential(
            nn.ELU(alpha=1.0),
            CausalConv1d(dim, hidden, kernel_size, dilation=dilation, pad_mode=pad_mode),
            nn.ELU(alpha=1.0),
            CausalConv1d(hidden, dim, 1, pad_mode=pad_mode),
        )
        self.shortcut = CausalConv1d(dim, dim, 1, pad_mode=pad_mode)

    def forward(self, x):
        return self.shortcut(x) + self.block(x)


class SLSTM(nn.Module):
    def __init__(self, dimension, num_layers=2, skip=True):
        super().__init__()
        self.skip = skip
        self.lstm = nn.LSTM(dimension, dimension, num_layers)

    def forward(self, x):
        x = x.permute(2, 0, 1)
        y, _ = self.lstm(x)
        if self.skip:
            y = y + x
        y = y.permute(1, 2, 0)
        return y


class EncodecModel(nn.Module):
    """Encoder and decoder without the quantizer between them."""

    def __init__(self, n_filters=4, ratios=(4, 2), dimension=16, pad_mode="constant"):
        super().__init__()
        mult = 1
        encoder = [CausalConv1d(1, mult * n_filters, 7, pad_mode=pad_mode)]
        for ratio in reversed(ratios):
            encoder += [
                SEANetResnetBlock(mult * n_filters, pad_mode=pad_mode),
                nn.ELU(alpha=1.0),
                CausalConv1d(mult * n_filters, mult * n_filters * 2, ratio * 2, stride=ratio, pad_mode=pad_mode),
            ]
            mult *= 2
        encoder += [
            SLSTM(mult * n_filters),
            nn.ELU(alpha=1.0),
            CausalConv1d(mult * n_filters, dimension, 7, pad_mode=pad_mode),
        ]
        self.encoder = nn.Sequential(*encoder)
        decoder = [CausalConv1d(dimension, mult * n_filters, 7, pad_mode=pad_mode), SLSTM(mult * n_filters)]
        for ratio in ratios:
            decoder += [
                nn.ELU(alpha=1.0),
                CausalConvTranspose1d(mult * n_filters, mult * n_filters // 2, ratio * 2, stride=ratio),
                SEANetResnetBlock(mult * n_filters // 2, pad_mode=pad_mode),
            ]
            mult //= 2
        decoder += [nn.ELU(alpha=1.0), CausalConv1d(n_filters, 1, 7, pad_mode=pad_mode)]
        self.decoder = nn.Sequential(*decoder)

    def forward(self, x):
        out = self.decoder(self.encoder(x))
        return out[..., : x.shape[-1]]


_MIX = {"mix": "float32[batch,1,time]"}
_ORIGIN = "Defossez 2020, facebookresearch/denoiser"

ROWS = (
    # the whole input's deviation divides the first sample
    Published(
        "demucs",
        Demucs,
        _MIX,
        _ORIGIN,
        Refused("std of the whole input divides its first sample", "whole sequence"),
        frames=300,
    ),
    # three windows of 8 every 4 look 1, 2, 2 of their own frames ahead; 2 * 4 * 4 * 4 samples at the end of the way up
    Published("demucs-plain", lambda: Demucs(normalize=False), _MIX, _ORIGIN, Streams(128), frames=300, exported=True),
    Published(
        "demucs-bidirectional",
        lambda: Demucs(normalize=False, causal=False),
        _MIX,
        _ORIGIN,
        Refused("the LSTM runs from the end too", "bidirectional"),
        frames=300,
    ),
    Published(
        "encodec",
        EncodecModel,
        {"x": "float32[batch,1,time]"},
        "Defossez 2022, facebookresearch/encodec",
        Streams(),
        frames=131,
        exported=True,
    ),
    # what is put in front of the first sample mirrors six that come after it: exact, that much later in every layer
    Published(
        "encodec-reflect",
        lambda: EncodecModel(pad_mode="reflect"),
        {"x": "float32[batch,1,time]"},
        "Defossez 2022, facebookresearch/encodec, its default padding",
        Streams(None),
        frames=131,
    ),
)
