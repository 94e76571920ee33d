"""Conv-TasNet (causal and not) after kaituoxu/Conv-TasNet, and TasNet with an LSTM."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from tests.published.row import Published, Refused, Streams

EPS = 1e-8


def overlap_and_add(signal, frame_step):
    """Reconstructs a signal from a framed representation: [..., frames, frame_length] -> [..., output_size]."""
    outer_dimensions = signal.size()[:-2]
    frames, frame_length = signal.size()[-2:]
    subframe_length = math.gcd(frame_length, frame_step)
    subframe_step = frame_step // subframe_length
    subframes_per_frame = frame_length // subframe_length
    output_size = frame_step * (frames - 1) + frame_length
    output_subframes = output_size // subframe_length
    subframe_signal = signal.view(*outer_dimensions, -1, subframe_length)
    frame = torch.arange(0, output_subframes).unfold(0, subframes_per_frame, subframe_step)
    frame = signal.new_tensor(frame).long()
    frame = frame.contiguous().view(-1)
    result = signal.new_zeros(*outer_dimensions, output_subframes, subframe_length)
    result.index_add_(-2, frame, subframe_signal)
    result = result.view(*outer_dimensions, -1)
    return result


class Encoder(nn.Module):
    def __init__(self, L, N):
        super(Encoder, self).__init__()
        self.L, self.N = L, N
        self.conv1d_U = nn.Conv1d(1, N, kernel_size=L, stride=L // 2, bias=False)

    def forward(self, mixture):
        mixture = torch.unsqueeze(mixture, 1)
        mixture_w = F.relu(self.conv1d_U(mixture))
        return mixture_w


class Decoder(nn.Module):
    def __init__(self, N, L):
        super(Decoder, self).__init__()
        self.N, self.L = N, L
        self.basis_signals = nn.Linear(N, L, bias=False)

    def forward(self, mixture_w, est_mask):
        source_w = torch.unsqueeze(mixture_w, 1) * est_mask
        source_w = torch.transpose(source_w, 2, 3)
        est_source = self.basis_signals(source_w)
        est_source = overlap_and_add(est_source, self.L // 2)
        return est_source


class Chomp1d(nn.Module):
    def __init__(self, chomp_size):
        super(Chomp1d, self).__init__()
        self.chomp_size = chomp_size

    def forward(self, x):
        return x[:, :, : -self.chomp_size].contiguous()


class ChannelwiseLayerNorm(nn.Module):
    """cLN as this repository has it: over channels, frame by frame."""

    def __init__(self, channel_size):
        super(ChannelwiseLayerNorm, self).__init__()
        self.gamma = nn.Parameter(torch.ones(1, channel_size, 1))
        self.beta = nn.Parameter(torch.zeros(1, channel_size, 1))

    def forward(self, y):
        mean = torch.mean(y, dim=1, keepdim=True)
        var = torch.var(y, dim=1, keepdim=True, unbiased=False)
        cLN_y = self.gamma * (y - mean) / torch.pow(var + EPS, 0.5) + self.beta
        return cLN_y


class GlobalLayerNorm(nn.Module):
    def __init__(self, channel_size):
        super(GlobalLayerNorm, self).__init__()
        self.gamma = nn.Parameter(torch.ones(1, channel_size, 1))
        self.beta = nn.Parameter(torch.zeros(1, channel_size, 1))

    def forward(self, y):
        mean = y.mean(dim=1, keepdim=True).mean(dim=2, keepdim=True)
        var = (torch.pow(y - mean, 2)).mean(dim=1, keepdim=True).mean(dim=2, keepdim=True)
        return self.gamma * (y - mean) / torch.pow(var + EPS, 0.5) + self.beta


class CumulativeLayerNorm(nn.Module):
    """cLN of the paper, as naplab/Conv-TasNet has it: statistics of all frames so far, counted in numpy."""

    def __init__(self, dimension, eps=1e-8):
        super(CumulativeLayerNorm, self).__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(1, dimension, 1))
        self.bias = nn.Parameter(torch.zeros(1, dimension, 1))

    def forward(self, input):
        channel = input.size(1)
        time_step = input.size(2)
        step_sum = input.sum(1)
        step_pow_sum = input.pow(2).sum(1)
        cum_sum = torch.cumsum(step_sum, dim=1)
        cum_pow_sum = torch.cumsum(step_pow_sum, dim=1)
        entry_cnt = torch.arange(channel, channel * (time_step + 1), channel, device=input.device).type(cum_sum.type())
        entry_cnt = entry_cnt.view(1, -1).expand_as(cum_sum)
        cum_mean = cum_sum / entry_cnt
        cum_var = (cum_pow_sum - 2 * cum_mean * cum_sum) / entry_cnt + cum_mean.pow(2)
        cum_std = (cum_var + self.eps).sqrt()
        cum_mean = cum_mean.unsqueeze(1)
        cum_std = cum_std.unsqueeze(1)
        x = (input - cum_mean.expand_as(input)) / cum_std.expand_as(input)
        return x * self.gain.expand_as(x).type(x.type()) + self.bias.expand_as(x).type(x.type())


def chose_norm(norm_type, channel_size):
    if norm_type == "gLN":
        return GlobalLayerNorm(channel_size)
    if norm_type == "cLN":
        return ChannelwiseLayerNorm(channel_size)
    if norm_type == "cumulative":
        return CumulativeLayerNorm(channel_size)
    return nn.BatchNorm1d(channel_size)


class DepthwiseSeparableConv(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, dilation, norm_type, causal):
        super(DepthwiseSeparableConv, self).__init__()
        depthwise_conv = nn.Conv1d(
            in_channels,
            in_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=in_channels,
            bias=False,
        )
        if causal:
            chomp = Chomp1d(padding)
        prelu = nn.PReLU()
        norm = chose_norm(norm_type, in_channels)
        pointwise_conv = nn.Conv1d(in_channels, out_channels, 1, bias=False)
        if causal:
            self.net = nn.Sequential(depthwise_conv, chomp, prelu, norm, pointwise_conv)
        else:
            self.net = nn.Sequential(depthwise_conv, prelu, norm, pointwise_conv)

    def forward(self, x):
        return self.net(x)


class TemporalBlock(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, dilation, norm_type, causal):
        super(TemporalBlock, self).__init__()
        conv1x1 = nn.Conv1d(in_channels, out_channels, 1, bias=False)
        prelu = nn.PReLU()
        norm = chose_norm(norm_type, out_channels)
        dsconv = DepthwiseSeparableConv(
            out_channels, in_channels, kernel_size, stride, padding, dilation, norm_type, causal
        )
        self.net = nn.Sequential(conv1x1, prelu, norm, dsconv)

    def forward(self, x):
        residual = x
        out = self.net(x)
        return out + residual


class TemporalConvNet(nn.Module):
    def __init__(self, N, B, H, P, X, R, C, norm_type, causal, mask_nonlinear):
        super(TemporalConvNet, self).__init__()
        self.C = C
        self.mask_nonlinear = mask_nonlinear
        layer_norm = ChannelwiseLayerNorm(N)
        bottleneck_conv1x1 = nn.Conv1d(N, B, 1, bias=False)
        repeats = []
        for r in range(R):
            blocks = []
            for x in range(X):
                dilation = 2**x
                padding = (P - 1) * dilation if causal else (P - 1) * dilation // 2
                blocks += [
                    TemporalBlock(
                        B, H, P, stride=1, padding=padding, dilation=dilation, norm_type=norm_type, causal=causal
                    )
                ]
            repeats += [nn.Sequential(*blocks)]
        temporal_conv_net = nn.Sequential(*repeats)
        mask_conv1x1 = nn.Conv1d(B, C * N, 1, bias=False)
        self.network = nn.Sequential(layer_norm, bottleneck_conv1x1, temporal_conv_net, mask_conv1x1)

    def forward(self, mixture_w):
        M, N, K = mixture_w.size()
        score = self.network(mixture_w)
        score = score.view(M, self.C, N, K)
        if self.mask_nonlinear == "softmax":
            est_mask = F.softmax(score, dim=1)
        elif self.mask_nonlinear == "relu":
            est_mask = F.relu(score)
        else:
            raise ValueError("Unsupported mask non-linear function")
        return est_mask


class ConvTasNet(nn.Module):
    def __init__(self, N=16, L=8, B=12, H=16, P=3, X=3, R=2, C=2, norm_type="cLN", causal=True, mask_nonlinear="relu"):
        super(ConvTasNet, self).__init__()
        self.encoder = Encoder(L, N)
        self.separator = TemporalConvNet(N, B, H, P, X, R, C, norm_type, causal, mask_nonlinear)
        self.decoder = Decoder(N, L)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_normal_(p)

    def forward(self, mixture):
        mixture_w = self.encoder(mixture)
        est_mask = self.separator(mixture_w)
        est_source = self.decoder(mixture_w, est_mask)
        # T changed after conv1d in encoder, fix it here
        T_origin = mixture.size(-1)
        T_conv = est_source.size(-1)
        est_source = F.pad(est_source, (0, T_origin - T_conv))
        return est_source


class TasNet(nn.Module):
    """Luo 2018: segments of L samples, normalised one by one, a deep LSTM over them, overlap-free synthesis."""

    def __init__(self, L=8, N=16, H=20, C=2):
        super().__init__()
        self.L, self.N, self.C = L, N, C
        self.conv_u = nn.Conv1d(1, N, L, stride=L)
        self.conv_v = nn.Conv1d(1, N, L, stride=L)
        self.ln = nn.LayerNorm(N)
        self.rnn = nn.LSTM(N, H, 2, batch_first=True)
        self.fc = nn.Linear(H, C * N)
        self.basis = nn.Linear(N, L, bias=False)

    def forward(self, mixture):
        norm = mixture.unfold(-1, self.L, self.L)
        coef = torch.norm(norm, p=2, dim=2, keepdim=True) + EPS
        x = mixture.unsqueeze(1)
        w = F.relu(self.conv_u(x)) * torch.sigmoid(self.conv_v(x))
        w = w.transpose(1, 2) / coef
        out, _ = self.rnn(self.ln(w))
        B, K, _ = out.shape
        mask = F.softmax(self.fc(out).view(B, K, self.C, self.N), dim=2)
        s = self.basis(w.unsqueeze(2) * mask * coef.unsqueeze(-1))
        return s.permute(0, 2, 1, 3).contiguous().view(B, self.C, K * self.L)


_MIX = {"mixture": "float32[batch,time]"}
_ORIGIN = "Luo 2019, kaituoxu/Conv-TasNet"

ROWS = (
    # windows of 8 every 4 look floor(7 / 4) = 1 frame ahead: 4 samples
    Published("conv-tasnet", ConvTasNet, _MIX, _ORIGIN, Streams(4), frames=90, exported=True),
    Published(
        "conv-tasnet-cumulative",
        lambda: ConvTasNet(norm_type="cumulative"),
        _MIX,
        "Luo 2019, naplab/Conv-TasNet",
        Streams(4),
        frames=90,
    ),
    Published(
        "conv-tasnet-global",
        lambda: ConvTasNet(norm_type="gLN", causal=False),
        _MIX,
        _ORIGIN,
        Refused("gLN takes mean and variance of all frames before the first answer", "whole sequence"),
        frames=90,
    ),
    # calls of eight samples, none ahead
    Published("tasnet-lstm", TasNet, _MIX, "Luo 2018, TasNet with LSTM", Streams(), frames=90),
)
