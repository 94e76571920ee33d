"""Denoisers in time and frequency: CRN, DPCRN, GTCRN, DPRNN, DCCRN."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from tests.published.row import Published, Refused, Streams


class CRN(nn.Module):
    """Tan and Wang 2018: strided convolutions over [B, 1, T, F], a two-layer LSTM, transposed convolutions back."""

    def __init__(self):
        super(CRN, self).__init__()
        self.conv1 = nn.Conv2d(1, 4, kernel_size=(1, 3), stride=(1, 2))
        self.conv2 = nn.Conv2d(4, 8, kernel_size=(1, 3), stride=(1, 2))
        self.conv3 = nn.Conv2d(8, 8, kernel_size=(1, 3), stride=(1, 2))
        self.LSTM1 = nn.LSTM(input_size=8 * 3, hidden_size=8 * 3, num_layers=2, batch_first=True)
        self.convT1 = nn.ConvTranspose2d(16, 8, kernel_size=(1, 3), stride=(1, 2))
        self.convT2 = nn.ConvTranspose2d(16, 4, kernel_size=(1, 3), stride=(1, 2))
        self.convT3 = nn.ConvTranspose2d(8, 1, kernel_size=(1, 3), stride=(1, 2))
        self.bn1 = nn.BatchNorm2d(4)
        self.bn2 = nn.BatchNorm2d(8)
        self.bn3 = nn.BatchNorm2d(8)
        self.bnT1 = nn.BatchNorm2d(8)
        self.bnT2 = nn.BatchNorm2d(4)
        self.bnT3 = nn.BatchNorm2d(1)
        self.elu = nn.ELU(inplace=True)
        self.softplus = nn.Softplus()

    def forward(self, x):
        out = x.unsqueeze(dim=1)
        e1 = self.elu(self.bn1(self.conv1(out)[:, :, :, :].contiguous()))
        e2 = self.elu(self.bn2(self.conv2(e1)[:, :, :, :].contiguous()))
        e3 = self.elu(self.bn3(self.conv3(e2)[:, :, :, :].contiguous()))
        out = e3.contiguous().transpose(1, 2)
        q1 = out.size(2)
        q2 = out.size(3)
        out = out.contiguous().view(out.size(0), out.size(1), -1)
        out, _ = self.LSTM1(out)
        out = out.contiguous().view(out.size(0), out.size(1), q1, q2)
        out = out.contiguous().transpose(1, 2)
        out = torch.cat((out, e3), dim=1)
        d3 = self.elu(torch.cat((self.bnT1(self.convT1(out)), e2), dim=1))
        d2 = self.elu(torch.cat((self.bnT2(self.convT2(d3)), e1), dim=1))
        d1 = self.softplus(self.bnT3(self.convT3(d2)))
        out = torch.squeeze(d1, dim=1)
        return out


class CausalConvBlock(nn.Module):
    """haoxiangsnr's CRN: kernel (3, 2) over [F, T], padded by one frame on both sides, the last frame dropped."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=(3, 2), stride=(2, 1), padding=(0, 1))
        self.norm = nn.BatchNorm2d(out_channels)
        self.activation = nn.ELU()

    def forward(self, x):
        x = self.conv(x)
        x = x[:, :, :, :-1]
        x = self.norm(x)
        x = self.activation(x)
        return x


class CausalTransConvBlock(nn.Module):
    def __init__(self, in_channels, out_channels, is_last=False, output_padding=(0, 0)):
        super().__init__()
        self.conv = nn.ConvTranspose2d(
            in_channels, out_channels, kernel_size=(3, 2), stride=(2, 1), output_padding=output_padding
        )
        self.norm = nn.BatchNorm2d(out_channels)
        self.activation = nn.ReLU() if is_last else nn.ELU()

    def forward(self, x):
        x = self.conv(x)
        x = x[:, :, :, :-1]
        x = self.norm(x)
        x = self.activation(x)
        return x


class CRN2(nn.Module):
    def __init__(self):
        super(CRN2, self).__init__()
        self.conv_block_1 = CausalConvBlock(1, 6)
        self.conv_block_2 = CausalConvBlock(6, 8)
        self.lstm_layer = nn.LSTM(input_size=8 * 5, hidden_size=8 * 5, num_layers=2, batch_first=True)
        self.tran_conv_block_1 = CausalTransConvBlock(8 + 8, 6)
        self.tran_conv_block_2 = CausalTransConvBlock(6 + 6, 1, is_last=True)

    def forward(self, x):
        self.lstm_layer.flatten_parameters()
        e_1 = self.conv_block_1(x)
        e_2 = self.conv_block_2(e_1)
        batch_size, n_channels, n_f_bins, n_frame_size = e_2.shape
        lstm_in = e_2.reshape(batch_size, n_channels * n_f_bins, n_frame_size).permute(0, 2, 1)
        lstm_out, _ = self.lstm_layer(lstm_in)
        lstm_out = lstm_out.permute(0, 2, 1).reshape(batch_size, n_channels, n_f_bins, n_frame_size)
        d_1 = self.tran_conv_block_1(torch.cat((lstm_out, e_2), 1))
        d_2 = self.tran_conv_block_2(torch.cat((d_1, e_1), 1))
        return d_2


class DPRNNBlock(nn.Module):
    """DPCRN: a bidirectional GRU along frequency, a causal one along time, each with linear, norm and residual."""

    def __init__(self, numUnits, width, channel):
        super(DPRNNBlock, self).__init__()
        self.numUnits = numUnits
        self.width = width
        self.intra_rnn = nn.GRU(channel, numUnits // 2, batch_first=True, bidirectional=True)
        self.intra_fc = nn.Linear(numUnits, channel)
        self.intra_ln = nn.LayerNorm([width, channel], eps=1e-8)
        self.inter_rnn = nn.GRU(channel, numUnits, batch_first=True)
        self.inter_fc = nn.Linear(numUnits, channel)
        self.inter_ln = nn.LayerNorm([width, channel], eps=1e-8)

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        if not x.is_contiguous():
            x = x.contiguous()
        intra_x = x.view(x.shape[0] * x.shape[1], x.shape[2], x.shape[3])
        intra_x = self.intra_rnn(intra_x)[0]
        intra_x = self.intra_fc(intra_x)
        intra_x = intra_x.view(x.shape[0], -1, self.width, x.shape[3])
        intra_x = self.intra_ln(intra_x)
        intra_out = torch.add(x, intra_x)
        x = intra_out.permute(0, 2, 1, 3)
        if not x.is_contiguous():
            x = x.contiguous()
        inter_x = x.view(x.shape[0] * x.shape[1], x.shape[2], x.shape[3])
        inter_x = self.inter_rnn(inter_x)[0]
        inter_x = self.inter_fc(inter_x)
        inter_x = inter_x.view(x.shape[0], self.width, -1, x.shape[3])
        inter_x = inter_x.permute(0, 2, 1, 3)
        inter_x = self.inter_ln(inter_x)
        inter_out = torch.add(intra_out, inter_x)
        return inter_out.permute(0, 3, 1, 2)


class DPCRN(nn.Module):
    """Le 2021: [B, 2, T, F] complex spectrum, convolutions of two frames, two dual-path blocks, complex mask."""

    def __init__(self, freq=17):
        super(DPCRN, self).__init__()
        self.pad1 = nn.ConstantPad2d((0, 0, 1, 0), value=0.0)
        self.conv1 = nn.Conv2d(2, 6, kernel_size=(2, 5), stride=(1, 2), padding=(0, 2))
        self.conv2 = nn.Conv2d(6, 8, kernel_size=(2, 3), stride=(1, 2), padding=(0, 1))
        self.bn1, self.bn2 = nn.BatchNorm2d(6), nn.BatchNorm2d(8)
        self.act = nn.PReLU()
        self.dprnn1 = DPRNNBlock(8, 5, 8)
        self.dprnn2 = DPRNNBlock(8, 5, 8)
        self.deconv1 = nn.ConvTranspose2d(16, 6, kernel_size=(2, 3), stride=(1, 2), padding=(0, 1))
        self.deconv2 = nn.ConvTranspose2d(12, 2, kernel_size=(2, 5), stride=(1, 2), padding=(0, 2))
        self.bn3 = nn.BatchNorm2d(6)

    def forward(self, spec):
        x1 = self.act(self.bn1(self.conv1(self.pad1(spec))))
        x2 = self.act(self.bn2(self.conv2(self.pad1(x1))))
        y = self.dprnn2(self.dprnn1(x2))
        y = self.act(self.bn3(self.deconv1(torch.cat([y, x2], 1))[:, :, :-1, :]))
        m = self.deconv2(torch.cat([y, x1], 1))[:, :, :-1, :]
        real = spec[:, 0] * m[:, 0] - spec[:, 1] * m[:, 1]
        imag = spec[:, 0] * m[:, 1] + spec[:, 1] * m[:, 0]
        return torch.stack([real, imag], dim=1)


class SFE(nn.Module):
    """Subband feature extraction: unfold along frequency."""

    def __init__(self, kernel_size=3, stride=1):
        super().__init__()
        self.kernel_size = kernel_size
        self.unfold = nn.Unfold(kernel_size=(1, kernel_size), stride=(1, stride), padding=(0, (kernel_size - 1) // 2))

    def forward(self, x):
        xs = self.unfold(x).reshape(x.shape[0], x.shape[1] * self.kernel_size, x.shape[2], x.shape[3])
        return xs


class TRA(nn.Module):
    """Temporal recurrent attention."""

    def __init__(self, channels):
        super().__init__()
        self.att_gru = nn.GRU(channels, channels * 2, 1, batch_first=True)
        self.att_fc = nn.Linear(channels * 2, channels)
        self.att_act = nn.Sigmoid()

    def forward(self, x):
        zt = torch.mean(x.pow(2), dim=-1)
        at = self.att_gru(zt.transpose(1, 2))[0]
        at = self.att_fc(at).transpose(1, 2)
        at = self.att_act(at)
        At = at[..., None]
        return x * At


class GTConvBlock(nn.Module):
    """Group temporal convolution: half of the channels through a dilated depthwise convolution, then shuffled."""

    def __init__(self, in_channels, hidden_channels, kernel_size, dilation, use_deconv=False):
        super().__init__()
        self.use_deconv = use_deconv
        self.pad_size = (kernel_size[0] - 1) * dilation[0]
        conv_module = nn.ConvTranspose2d if use_deconv else nn.Conv2d
        padding = (self.pad_size, dilation[1]) if use_deconv else (0, dilation[1])
        self.sfe = SFE(kernel_size=3, stride=1)
        self.point_conv1 = conv_module(in_channels // 2 * 3, hidden_channels, 1)
        self.point_bn1 = nn.BatchNorm2d(hidden_channels)
        self.point_act = nn.PReLU()
        self.depth_conv = conv_module(
            hidden_channels, hidden_channels, kernel_size, padding=padding, dilation=dilation, groups=hidden_channels
        )
        self.depth_bn = nn.BatchNorm2d(hidden_channels)
        self.depth_act = nn.PReLU()
        self.point_conv2 = conv_module(hidden_channels, in_channels // 2, 1)
        self.point_bn2 = nn.BatchNorm2d(in_channels // 2)
        self.tra = TRA(in_channels // 2)

    def shuffle(self, x1, x2):
        x = torch.stack([x1, x2], dim=1)
        x = x.transpose(1, 2).contiguous()
        b, c, g, t, f = x.shape
        return x.view(b, c * g, t, f)

    def forward(self, x):
        x1, x2 = torch.chunk(x, chunks=2, dim=1)
        x1 = self.sfe(x1)
        h1 = self.point_act(self.point_bn1(self.point_conv1(x1)))
        h1 = nn.functional.pad(h1, [0, 0, self.pad_size, 0])
        h1 = self.depth_act(self.depth_bn(self.depth_conv(h1)))
        h1 = self.point_bn2(self.point_conv2(h1))
        h1 = self.tra(h1)
        return self.shuffle(h1, x2)


class GRNN(nn.Module):
    """Grouped RNN: two GRUs, half of the channels each."""

    def __init__(self, input_size, hidden_size, num_layers=1, batch_first=True, bidirectional=False):
        super().__init__()
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.rnn1 = nn.GRU(
            input_size // 2, hidden_size // 2, num_layers, batch_first=batch_first, bidirectional=bidirectional
        )
        self.rnn2 = nn.GRU(
            input_size // 2, hidden_size // 2, num_layers, batch_first=batch_first, bidirectional=bidirectional
        )

    def forward(self, x, h=None):
        if h is None:
            if self.bidirectional:
                h = torch.zeros(self.num_layers * 2, x.shape[0], self.hidden_size, device=x.device)
            else:
                h = torch.zeros(self.num_layers, x.shape[0], self.hidden_size, device=x.device)
        x1, x2 = torch.chunk(x, chunks=2, dim=-1)
        h1, h2 = torch.chunk(h, chunks=2, dim=-1)
        h1, h2 = h1.contiguous(), h2.contiguous()
        y1, h1 = self.rnn1(x1, h1)
        y2, h2 = self.rnn2(x2, h2)
        y = torch.cat([y1, y2], dim=-1)
        h = torch.cat([h1, h2], dim=-1)
        return y, h


class DPGRNN(nn.Module):
    def __init__(self, input_size, width, hidden_size):
        super().__init__()
        self.width = width
        self.hidden_size = hidden_size
        self.intra_rnn = GRNN(input_size=input_size, hidden_size=hidden_size // 2, bidirectional=True)
        self.intra_fc = nn.Linear(hidden_size, hidden_size)
        self.intra_ln = nn.LayerNorm((width, hidden_size), eps=1e-8)
        self.inter_rnn = GRNN(input_size=input_size, hidden_size=hidden_size, bidirectional=False)
        self.inter_fc = nn.Linear(hidden_size, hidden_size)
        self.inter_ln = nn.LayerNorm(((width, hidden_size)), eps=1e-8)

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        intra_x = x.reshape(x.shape[0] * x.shape[1], x.shape[2], x.shape[3])
        intra_x = self.intra_rnn(intra_x)[0]
        intra_x = self.intra_fc(intra_x)
        intra_x = intra_x.reshape(x.shape[0], -1, self.width, self.hidden_size)
        intra_x = self.intra_ln(intra_x)
        intra_out = torch.add(x, intra_x)
        x = intra_out.permute(0, 2, 1, 3)
        inter_x = x.reshape(x.shape[0] * x.shape[1], x.shape[2], x.shape[3])
        inter_x = self.inter_rnn(inter_x)[0]
        inter_x = self.inter_fc(inter_x)
        inter_x = inter_x.reshape(x.shape[0], self.width, -1, self.hidden_size)
        inter_x = inter_x.permute(0, 2, 1, 3)
        inter_x = self.inter_ln(inter_x)
        inter_out = torch.add(intra_out, inter_x)
        return inter_out.permute(0, 3, 1, 2)


class GTCRN(nn.Module):
    """Rong 2024 (Xiaobin-Rong/gtcrn), on spectra [B, F, T, 2]; the ERB filter bank is a matrix over frequency."""

    def __init__(self, freq=33, erb=17, channels=8):
        super().__init__()
        self.erb_fc = nn.Linear(freq, erb, bias=False)
        self.ierb_fc = nn.Linear(erb, freq, bias=False)
        self.sfe = SFE(3, 1)
        self.en0 = nn.Conv2d(9, channels, (1, 5), stride=(1, 2), padding=(0, 2))
        self.en_bn = nn.BatchNorm2d(channels)
        self.en1 = GTConvBlock(channels, channels, (3, 3), dilation=(1, 1))
        self.en2 = GTConvBlock(channels, channels, (3, 3), dilation=(2, 1))
        self.dpgrnn1 = DPGRNN(channels, 9, channels)
        self.dpgrnn2 = DPGRNN(channels, 9, channels)
        self.de2 = GTConvBlock(channels, channels, (3, 3), dilation=(2, 1), use_deconv=True)
        self.de1 = GTConvBlock(channels, channels, (3, 3), dilation=(1, 1), use_deconv=True)
        self.de0 = nn.ConvTranspose2d(channels, 2, (1, 5), stride=(1, 2), padding=(0, 2))

    def forward(self, spec):
        spec_ref = spec
        spec_real = spec[..., 0].permute(0, 2, 1)
        spec_imag = spec[..., 1].permute(0, 2, 1)
        spec_mag = torch.sqrt(spec_real**2 + spec_imag**2 + 1e-12)
        feat = torch.stack([spec_mag, spec_real, spec_imag], dim=1)
        feat = self.erb_fc(feat)
        feat = self.sfe(feat)
        e0 = F.prelu(self.en_bn(self.en0(feat)), torch.tensor(0.25))
        e1 = self.en1(e0)
        e2 = self.en2(e1)
        y = self.dpgrnn2(self.dpgrnn1(e2))
        y = self.de2(y + e2)
        y = self.de1(y + e1)
        m_feat = torch.tanh(self.de0(y + e0))
        m = self.ierb_fc(m_feat)
        spec_ref = spec_ref.permute(0, 3, 2, 1)
        s_real = spec_ref[:, 0] * m[:, 0] - spec_ref[:, 1] * m[:, 1]
        s_imag = spec_ref[:, 1] * m[:, 0] + spec_ref[:, 0] * m[:, 1]
        s = torch.stack([s_real, s_imag], dim=1)
        return s.permute(0, 3, 2, 1)


class DPRNN(nn.Module):
    """Luo 2020: the sequence cut into half-overlapping chunks of K frames; one RNN inside, one across chunks."""

    def __init__(self, input_size=8, hidden_size=12, K=8):
        super().__init__()
        self.K = K
        self.row_rnn = nn.LSTM(input_size, hidden_size, batch_first=True, bidirectional=True)
        self.row_fc = nn.Linear(2 * hidden_size, input_size)
        self.col_rnn = nn.LSTM(input_size, hidden_size, batch_first=True)
        self.col_fc = nn.Linear(hidden_size, input_size)
        self.row_norm = nn.GroupNorm(1, input_size, eps=1e-8)
        self.col_norm = nn.GroupNorm(1, input_size, eps=1e-8)

    def pad_segment(self, input, segment_size):
        batch_size, dim, seq_len = input.shape
        segment_stride = segment_size // 2
        rest = segment_size - (segment_stride + seq_len % segment_size) % segment_size
        if rest > 0:
            pad = torch.zeros(batch_size, dim, rest).type(input.type())
            input = torch.cat([input, pad], 2)
        pad_aux = torch.zeros(batch_size, dim, segment_stride).type(input.type())
        input = torch.cat([pad_aux, input, pad_aux], 2)
        return input, rest

    def split_feature(self, input, segment_size):
        input, rest = self.pad_segment(input, segment_size)
        batch_size, dim, seq_len = input.shape
        segment_stride = segment_size // 2
        segments1 = input[:, :, :-segment_stride].contiguous().view(batch_size, dim, -1, segment_size)
        segments2 = input[:, :, segment_stride:].contiguous().view(batch_size, dim, -1, segment_size)
        segments = torch.cat([segments1, segments2], 3).view(batch_size, dim, -1, segment_size).transpose(2, 3)
        return segments.contiguous(), rest

    def merge_feature(self, input, rest):
        batch_size, dim, segment_size, _ = input.shape
        segment_stride = segment_size // 2
        input = input.transpose(2, 3).contiguous().view(batch_size, dim, -1, segment_size * 2)
        input1 = input[:, :, :, :segment_size].contiguous().view(batch_size, dim, -1)[:, :, segment_stride:]
        input2 = input[:, :, :, segment_size:].contiguous().view(batch_size, dim, -1)[:, :, :-segment_stride]
        output = input1 + input2
        if rest > 0:
            output = output[:, :, :-rest]
        return output.contiguous()

    def forward(self, x):
        output, rest = self.split_feature(x, self.K)
        batch_size, N, dim1, dim2 = output.shape
        row_input = output.permute(0, 3, 2, 1).contiguous().view(batch_size * dim2, dim1, -1)
        row_output = self.row_fc(self.row_rnn(row_input)[0])
        row_output = row_output.view(batch_size, dim2, dim1, -1).permute(0, 3, 2, 1).contiguous()
        row_output = self.row_norm(row_output)
        output = output + row_output
        col_input = output.permute(0, 2, 3, 1).contiguous().view(batch_size * dim1, dim2, -1)
        col_output = self.col_fc(self.col_rnn(col_input)[0])
        col_output = col_output.view(batch_size, dim1, dim2, -1).permute(0, 3, 1, 2).contiguous()
        col_output = self.col_norm(col_output)
        output = output + col_output
        return self.merge_feature(output, rest)


class ComplexConv2d(nn.Module):
    """DCCRN: real and imaginary halves of the channels, padded in front along time (axis 3)."""

    def __init__(self, in_channels, out_channels, kernel_size=(5, 2), stride=(2, 1), padding=(2, 1), causal=True):
        super(ComplexConv2d, self).__init__()
        self.in_channels = in_channels // 2
        self.out_channels = out_channels // 2
        self.padding = padding
        self.causal = causal
        self.real_conv = nn.Conv2d(self.in_channels, self.out_channels, kernel_size, stride, padding=[padding[0], 0])
        self.imag_conv = nn.Conv2d(self.in_channels, self.out_channels, kernel_size, stride, padding=[padding[0], 0])

    def forward(self, inputs):
        if self.padding[1] != 0 and self.causal:
            inputs = F.pad(inputs, [self.padding[1], 0, 0, 0])
        else:
            inputs = F.pad(inputs, [self.padding[1], self.padding[1], 0, 0])
        real, imag = torch.chunk(inputs, 2, 1)
        real2real = self.real_conv(real)
        imag2imag = self.imag_conv(imag)
        real2imag = self.imag_conv(real)
        imag2real = self.real_conv(imag)
        real = real2real - imag2imag
        imag = real2imag + imag2real
        return torch.cat([real, imag], 1)


class NavieComplexLSTM(nn.Module):
    def __init__(self, input_size, hidden_size, projection_dim):
        super(NavieComplexLSTM, self).__init__()
        self.input_dim = input_size // 2
        self.rnn_units = hidden_size // 2
        self.real_lstm = nn.LSTM(self.input_dim, self.rnn_units, num_layers=1, batch_first=False)
        self.imag_lstm = nn.LSTM(self.input_dim, self.rnn_units, num_layers=1, batch_first=False)
        self.r_trans = nn.Linear(self.rnn_units, projection_dim // 2)
        self.i_trans = nn.Linear(self.rnn_units, projection_dim // 2)

    def forward(self, inputs):
        real, imag = inputs
        r2r_out = self.real_lstm(real)[0]
        r2i_out = self.imag_lstm(real)[0]
        i2r_out = self.real_lstm(imag)[0]
        i2i_out = self.imag_lstm(imag)[0]
        real_out = r2r_out - i2i_out
        imag_out = i2r_out + r2i_out
        return [self.r_trans(real_out), self.i_trans(imag_out)]


class DCCRN(nn.Module):
    """Hu 2020 without its fixed STFT layers: [B, 2, F, T] in, the spectrum masked by magnitude and phase out."""

    def __init__(self, freq=16, channels=8):
        super().__init__()
        self.enc1 = ComplexConv2d(2, channels)
        self.enc2 = ComplexConv2d(channels, channels)
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.act1, self.act2 = nn.PReLU(), nn.PReLU()
        self.hidden = freq // 4
        self.rnn = NavieComplexLSTM(self.hidden * channels, 16, self.hidden * channels)
        self.dec2 = nn.ConvTranspose2d(2 * channels, channels, (5, 2), (2, 1), padding=(2, 0), output_padding=(1, 0))
        self.dec1 = nn.ConvTranspose2d(2 * channels, 2, (5, 2), (2, 1), padding=(2, 0), output_padding=(1, 0))

    def forward(self, specs):
        e1 = self.act1(self.bn1(self.enc1(specs)))
        e2 = self.act2(self.bn2(self.enc2(e1)))
        batch_size, channels, dims, lengths = e2.size()
        out = e2.permute(3, 0, 1, 2)
        r_rnn_in = out[:, :, : channels // 2]
        i_rnn_in = out[:, :, channels // 2 :]
        r_rnn_in = torch.reshape(r_rnn_in, [lengths, batch_size, channels // 2 * dims])
        i_rnn_in = torch.reshape(i_rnn_in, [lengths, batch_size, channels // 2 * dims])
        r_rnn_in, i_rnn_in = self.rnn([r_rnn_in, i_rnn_in])
        r_rnn_in = torch.reshape(r_rnn_in, [lengths, batch_size, channels // 2, dims])
        i_rnn_in = torch.reshape(i_rnn_in, [lengths, batch_size, channels // 2, dims])
        out = torch.cat([r_rnn_in, i_rnn_in], 2)
        out = out.permute(1, 2, 3, 0)
        out = self.dec2(torch.cat([out, e2], 1))
        out = out[..., 1:]
        out = self.dec1(torch.cat([out, e1], 1))
        out = out[..., 1:]
        mask_real = out[:, 0]
        mask_imag = out[:, 1]
        real, imag = specs[:, 0], specs[:, 1]
        spec_mags = torch.sqrt(real**2 + imag**2 + 1e-8)
        spec_phase = torch.atan2(imag, real)
        mask_mags = (mask_real**2 + mask_imag**2) ** 0.5
        real_phase = mask_real / (mask_mags + 1e-8)
        imag_phase = mask_imag / (mask_mags + 1e-8)
        mask_phase = torch.atan2(imag_phase, real_phase)
        mask_mags = torch.tanh(mask_mags)
        est_mags = mask_mags * spec_mags
        est_phase = spec_phase + mask_phase
        return torch.stack([est_mags * torch.cos(est_phase), est_mags * torch.sin(est_phase)], dim=1)


ROWS = (
    Published("crn", CRN, {"x": "float32[batch,time,31]"}, "Tan and Wang 2018, JupiterEthan/CRN-causal", Streams()),
    Published(
        "crn-two-frames",
        CRN2,
        {"x": "float32[batch,1,23,time]"},
        "Tan and Wang 2018, haoxiangsnr",
        Streams(),
        exported=True,
    ),
    Published("dpcrn", DPCRN, {"spec": "float32[batch,2,time,17]"}, "Le 2021", Streams()),
    Published(
        "gtcrn", GTCRN, {"spec": "float32[batch,33,time,2]"}, "Rong 2024, Xiaobin-Rong/gtcrn", Streams(), exported=True
    ),
    # the first of a chunk's frames meets its last, and GroupNorm takes statistics of the whole sequence
    Published(
        "dprnn",
        DPRNN,
        {"x": "float32[batch,8,time]"},
        "Luo 2020, ShiZiqiang/dual-path-RNNs",
        Refused("GroupNorm's statistics are those of all chunks", "whole sequence"),
    ),
    # out[..., 1:] after two-frame transposed convolutions drops the first frame, not the last: each looks one ahead
    Published("dccrn", DCCRN, {"specs": "float32[batch,2,16,time]"}, "Hu 2020, huyanxin/DeepComplexCRN", Streams(2)),
)
