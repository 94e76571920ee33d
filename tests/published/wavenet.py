"""WaveNet in four spellings, and the locuslab TCN."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import weight_norm

from tests.published.row import Published, Refused, Streams


class CausalConv1d(nn.Conv1d):
    """Pads on both sides and drops the end."""

    def __init__(self, in_channels, out_channels, kernel_size, dilation=1, **kwargs):
        super().__init__(
            in_channels, out_channels, kernel_size, padding=(kernel_size - 1) * dilation, dilation=dilation, **kwargs
        )

    def forward(self, x):
        out = super().forward(x)
        if self.padding[0] != 0:
            out = out[:, :, : -self.padding[0]]
        return out


class ResidualBlock(nn.Module):
    def __init__(self, res_channels, skip_channels, dilation):
        super().__init__()
        self.dilated = CausalConv1d(res_channels, res_channels, 2, dilation=dilation, bias=False)
        self.conv_res = nn.Conv1d(res_channels, res_channels, 1)
        self.conv_skip = nn.Conv1d(res_channels, skip_channels, 1)
        self.gate_tanh = nn.Tanh()
        self.gate_sigmoid = nn.Sigmoid()

    def forward(self, x, skip_size):
        output = self.dilated(x)
        gated = self.gate_tanh(output) * self.gate_sigmoid(output)
        output = self.conv_res(gated)
        input_cut = x[:, :, -output.size(2) :]
        output += input_cut
        skip = self.conv_skip(gated)
        skip = skip[:, :, -skip_size:]
        return output, skip


class WaveNet(nn.Module):
    """One-hot input of all samples; skip connections cut to one size and added (golbin/WaveNet)."""

    def __init__(self, layer_size=4, stack_size=2, in_channels=16, res_channels=12):
        super().__init__()
        self.causal = CausalConv1d(in_channels, res_channels, 2, bias=False)
        dilations = [2**i for _ in range(stack_size) for i in range(layer_size)]
        self.res_blocks = nn.ModuleList([ResidualBlock(res_channels, in_channels, d) for d in dilations])
        self.conv1 = nn.Conv1d(in_channels, in_channels, 1)
        self.conv2 = nn.Conv1d(in_channels, in_channels, 1)

    def forward(self, x):
        output = x.transpose(1, 2)
        output_size = int(output.size(2))
        output = self.causal(output)
        skip_connections = []
        for block in self.res_blocks:
            output, skip = block(output, output_size)
            skip_connections.append(skip)
        output = torch.sum(torch.stack(skip_connections), dim=0)
        output = F.relu(output)
        output = F.relu(self.conv1(output))
        output = self.conv2(output)
        return output.transpose(1, 2).contiguous()


class ValidWaveNet(nn.Module):
    """No padding at all: the answer begins after the receptive field (vincentherrmann/pytorch-wavenet)."""

    def __init__(self, layers=4, blocks=2, channels=8, skip_channels=12, classes=16):
        super().__init__()
        self.start_conv = nn.Conv1d(classes, channels, 1)
        self.filter_convs = nn.ModuleList()
        self.gate_convs = nn.ModuleList()
        self.residual_convs = nn.ModuleList()
        self.skip_convs = nn.ModuleList()
        receptive_field = 1
        for _ in range(blocks):
            additional_scope = 1
            new_dilation = 1
            for _ in range(layers):
                self.filter_convs.append(nn.Conv1d(channels, channels, 2, dilation=new_dilation))
                self.gate_convs.append(nn.Conv1d(channels, channels, 2, dilation=new_dilation))
                self.residual_convs.append(nn.Conv1d(channels, channels, 1))
                self.skip_convs.append(nn.Conv1d(channels, skip_channels, 1))
                receptive_field += additional_scope
                additional_scope *= 2
                new_dilation *= 2
        self.receptive_field = receptive_field
        self.end_conv_1 = nn.Conv1d(skip_channels, skip_channels, 1)
        self.end_conv_2 = nn.Conv1d(skip_channels, classes, 1)

    def forward(self, input):
        x = self.start_conv(input)
        skip = 0
        for i in range(len(self.filter_convs)):
            residual = x
            filter = torch.tanh(self.filter_convs[i](residual))
            gate = torch.sigmoid(self.gate_convs[i](residual))
            x = filter * gate
            s = self.skip_convs[i](x)
            try:
                skip = skip[:, :, -s.size(2) :]
            except TypeError:
                skip = 0
            skip = s + skip
            x = self.residual_convs[i](x)
            x = x + residual[:, :, -x.size(2) :]
        x = F.relu(skip)
        x = F.relu(self.end_conv_1(x))
        return self.end_conv_2(x)


class ConditionedWaveNet(nn.Module):
    """Mel frames, upsampled by transposed convolutions, condition every layer (NVIDIA's nv-wavenet reference)."""

    def __init__(self, n_in=16, residual=8, skip=12, layers=4, n_mel=5, hop=4):
        super().__init__()
        self.upsample = nn.ConvTranspose1d(n_mel, n_mel, 8, hop)
        self.cond_layers = nn.Conv1d(n_mel, 2 * residual * layers, 1, bias=False)
        self.embed = nn.Embedding(n_in, residual)
        self.dilate_layers = nn.ModuleList()
        self.res_layers = nn.ModuleList()
        self.skip_layers = nn.ModuleList()
        for i in range(layers):
            self.dilate_layers.append(nn.Conv1d(residual, 2 * residual, 2, dilation=2**i))
            self.res_layers.append(nn.Conv1d(residual, residual, 1))
            self.skip_layers.append(nn.Conv1d(residual, skip, 1))
        self.residual = residual
        self.conv_out = nn.Conv1d(skip, n_in, 1, bias=False)

    def forward(self, features, forward_input):
        cond_input = self.upsample(features)
        assert cond_input.size(2) >= forward_input.size(1)
        if cond_input.size(2) > forward_input.size(1):
            cond_input = cond_input[:, :, : forward_input.size(1)]
        forward_input = self.embed(forward_input.long())
        forward_input = forward_input.transpose(1, 2)
        cond_acts = self.cond_layers(cond_input)
        cond_acts = cond_acts.view(cond_acts.size(0), len(self.dilate_layers), -1, cond_acts.size(2))
        for i in range(len(self.dilate_layers)):
            padded = F.pad(forward_input, (2**i, 0))
            in_act = self.dilate_layers[i](padded)
            in_act = in_act + cond_acts[:, i, :, :]
            t_act = torch.tanh(in_act[:, : self.residual, :])
            s_act = torch.sigmoid(in_act[:, self.residual :, :])
            acts = t_act * s_act
            res_acts = self.res_layers[i](acts)
            if i == 0:
                output = self.skip_layers[i](acts)
            else:
                output = self.skip_layers[i](acts) + output
            forward_input = res_acts + forward_input
        output = F.relu(output)
        output = self.conv_out(output)
        # Remove last probabilities because they've seen all the data, put a row of zeros in front
        last = output[:, :, -1].unsqueeze(2)
        last = last * 0.0
        output = output[:, :, :-1]
        output = torch.cat((last, output), dim=2)
        return output


class GuitarWaveNet(nn.Module):
    """Amplifier models (PedalNetRT): a causal stack, activations gathered along channels."""

    def __init__(self, num_channels=6, dilation_depth=4, kernel_size=3):
        super().__init__()
        dilations = [2**d for d in range(dilation_depth)]
        internal_channels = int(num_channels * 2)
        self.hidden = nn.ModuleList(
            [CausalConv1d(num_channels, internal_channels, kernel_size, dilation=d) for d in dilations]
        )
        self.residuals = nn.ModuleList([nn.Conv1d(num_channels, num_channels, 1) for _ in dilations])
        self.input_layer = CausalConv1d(1, num_channels, 1)
        self.linear_mix = nn.Conv1d(num_channels * dilation_depth, 1, 1)
        self.num_channels = num_channels

    def forward(self, x):
        out = x
        skips = []
        out = self.input_layer(out)
        for hidden, residual in zip(self.hidden, self.residuals):
            res = out
            out_hidden = hidden(out)
            out_hidden_split = torch.split(out_hidden, self.num_channels, dim=1)
            out = torch.tanh(out_hidden_split[0]) * torch.sigmoid(out_hidden_split[1])
            skips.append(out)
            out = residual(out)
            out = out + res[:, :, -out.size(2) :]
        out = torch.cat([s[:, :, -out.size(2) :] for s in skips], dim=1)
        out = self.linear_mix(out)
        return out


class Chomp1d(nn.Module):
    def __init__(self, chomp_size):
        super(Chomp1d, self).__init__()
        self.chomp_size = chomp_size

    def forward(self, x):
        return x[:, :, : -self.chomp_size].contiguous()


class TemporalBlock(nn.Module):
    def __init__(self, n_inputs, n_outputs, kernel_size, stride, dilation, padding, dropout=0.2):
        super(TemporalBlock, self).__init__()
        self.conv1 = weight_norm(
            nn.Conv1d(n_inputs, n_outputs, kernel_size, stride=stride, padding=padding, dilation=dilation)
        )
        self.chomp1 = Chomp1d(padding)
        self.relu1 = nn.ReLU()
        self.dropout1 = nn.Dropout(dropout)
        self.conv2 = weight_norm(
            nn.Conv1d(n_outputs, n_outputs, kernel_size, stride=stride, padding=padding, dilation=dilation)
        )
        self.chomp2 = Chomp1d(padding)
        self.relu2 = nn.ReLU()
        self.dropout2 = nn.Dropout(dropout)
        self.net = nn.Sequential(
            self.conv1, self.chomp1, self.relu1, self.dropout1, self.conv2, self.chomp2, self.relu2, self.dropout2
        )
        self.downsample = nn.Conv1d(n_inputs, n_outputs, 1) if n_inputs != n_outputs else None
        self.relu = nn.ReLU()
        self.init_weights()

    def init_weights(self):
        self.conv1.weight.data.normal_(0, 0.01)
        self.conv2.weight.data.normal_(0, 0.01)
        if self.downsample is not None:
            self.downsample.weight.data.normal_(0, 0.01)

    def forward(self, x):
        out = self.net(x)
        res = x if self.downsample is None else self.downsample(x)
        return self.relu(out + res)


class TemporalConvNet(nn.Module):
    def __init__(self, num_inputs, num_channels, kernel_size=2, dropout=0.2):
        super(TemporalConvNet, self).__init__()
        layers = []
        num_levels = len(num_channels)
        for i in range(num_levels):
            dilation_size = 2**i
            in_channels = num_inputs if i == 0 else num_channels[i - 1]
            out_channels = num_channels[i]
            layers += [
                TemporalBlock(
                    in_channels,
                    out_channels,
                    kernel_size,
                    stride=1,
                    dilation=dilation_size,
                    padding=(kernel_size - 1) * dilation_size,
                    dropout=dropout,
                )
            ]
        self.network = nn.Sequential(*layers)

    def forward(self, x):
        return self.network(x)


class TCN(nn.Module):
    """locuslab/TCN, word_cnn: every position answers; with ``last``, mnist_pixel: the last one."""

    def __init__(self, input_size=8, output_size=20, num_channels=(12, 12, 12), kernel_size=3, last=False):
        super(TCN, self).__init__()
        self.tcn = TemporalConvNet(input_size, num_channels, kernel_size)
        self.decoder = nn.Linear(num_channels[-1], output_size)
        self.last = last

    def forward(self, inputs):
        y1 = self.tcn(inputs.transpose(1, 2))
        if self.last:
            return F.log_softmax(self.decoder(y1[:, :, -1]), dim=1)
        return self.decoder(y1.transpose(1, 2))


_X = {"inputs": "float32[batch,time,8]"}

ROWS = (
    Published("wavenet-chomp", WaveNet, {"x": "float32[batch,time,16]"}, "van den Oord 2016, golbin", Streams()),
    # every layer answers where its window is whole: answer 0 comes with sample 30
    Published(
        "wavenet-valid",
        ValidWaveNet,
        {"input": "float32[batch,16,time]"},
        "van den Oord 2016, vincentherrmann/pytorch-wavenet",
        Streams(30),
        frames=50,
    ),
    Published(
        "wavenet-conditioned",
        ConditionedWaveNet,
        {"features": "float32[batch,5,time]", "forward_input": "int64[batch,4*time]"},
        "van den Oord 2016, NVIDIA/nv-wavenet",
        Refused(
            "its first answer is the last one times zero, which is zero only where that is finite", "whole sequence"
        ),
    ),
    Published("wavenet-guitar", GuitarWaveNet, {"x": "float32[batch,1,time]"}, "Wright 2020, PedalNetRT", Streams()),
    Published("tcn", TCN, _X, "Bai 2018, locuslab/TCN", Streams(), exported=True),
    Published("tcn-last", lambda: TCN(last=True), _X, "Bai 2018, locuslab/TCN, mnist_pixel", Streams()),
)
