"""Denoisers with their own STFT: FullSubNet, RNNoise, PercepNet-like, DeepFilterNet-like, NSNet2."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from tests.published.row import Published, Refused, Streams


class SequenceModel(nn.Module):
    def __init__(self, input_size, output_size, hidden_size, num_layers, bidirectional, output_activate_function):
        super().__init__()
        self.sequence_model = nn.LSTM(
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            batch_first=True,
            bidirectional=bidirectional,
        )
        self.fc_output_layer = nn.Linear(hidden_size, output_size)
        self.output_activate_function = output_activate_function
        if self.output_activate_function:
            self.activate_function = nn.ReLU()

    def forward(self, x):
        assert x.dim() == 3
        self.sequence_model.flatten_parameters()
        x = x.permute(0, 2, 1).contiguous()
        o, _ = self.sequence_model(x)
        o = self.fc_output_layer(o)
        if self.output_activate_function:
            o = self.activate_function(o)
        o = o.permute(0, 2, 1).contiguous()
        return o


def offline_laplace_norm(input):
    mu = torch.mean(input, dim=list(range(1, input.dim())), keepdim=True)
    return input / (mu + 1e-5)


def cumulative_laplace_norm(input):
    """Of [B, C, F, T]: divided by the mean of all frames so far."""
    batch_size, num_channels, num_freqs, num_frames = input.size()
    input = input.reshape(batch_size * num_channels, num_freqs, num_frames)
    step_sum = torch.sum(input, dim=1)
    cumulative_sum = torch.cumsum(step_sum, dim=-1)
    entry_count = torch.arange(num_freqs, num_freqs * num_frames + 1, num_freqs, dtype=input.dtype, device=input.device)
    entry_count = entry_count.reshape(1, num_frames)
    entry_count = entry_count.expand_as(cumulative_sum)
    cumulative_mean = cumulative_sum / entry_count
    cumulative_mean = cumulative_mean.reshape(batch_size * num_channels, 1, num_frames)
    normed = input / (cumulative_mean + 1e-5)
    return normed.reshape(batch_size, num_channels, num_freqs, num_frames)


class FullSubNet(nn.Module):
    """Hao 2021: a full-band model, then one model for every sub-band of neighbouring frequencies."""

    def __init__(self, num_freqs=9, look_ahead=2, num_neighbors=2, norm_type="offline_laplace_norm"):
        super().__init__()
        self.fb_model = SequenceModel(num_freqs, num_freqs, 16, 2, False, "ReLU")
        self.sb_model = SequenceModel((num_neighbors * 2 + 1) + 1, 2, 12, 2, False, False)
        self.num_neighbors = num_neighbors
        self.look_ahead = look_ahead
        self.norm = offline_laplace_norm if norm_type == "offline_laplace_norm" else cumulative_laplace_norm

    @staticmethod
    def freq_unfold(input, num_neighbors):
        assert input.dim() == 4
        batch_size, num_channels, num_freqs, num_frames = input.size()
        if num_neighbors < 1:
            return input.permute(0, 2, 1, 3).reshape(batch_size, num_freqs, num_channels, 1, num_frames)
        output = input.reshape(batch_size * num_channels, 1, num_freqs, num_frames)
        sub_band_unit_size = num_neighbors * 2 + 1
        output = F.pad(output, [0, 0, num_neighbors, num_neighbors], mode="reflect")
        output = F.unfold(output, (sub_band_unit_size, num_frames))
        output = output.reshape(batch_size, num_channels, sub_band_unit_size, num_frames, num_freqs)
        output = output.permute(0, 4, 1, 2, 3).contiguous()
        return output

    def forward(self, noisy_mag):
        assert noisy_mag.dim() == 4
        noisy_mag = F.pad(noisy_mag, [0, self.look_ahead])
        batch_size, num_channels, num_freqs, num_frames = noisy_mag.size()
        assert num_channels == 1
        fb_input = self.norm(noisy_mag).reshape(batch_size, num_channels * num_freqs, num_frames)
        fb_output = self.fb_model(fb_input).reshape(batch_size, 1, num_freqs, num_frames)
        noisy_mag_unfolded = self.freq_unfold(noisy_mag, num_neighbors=self.num_neighbors)
        noisy_mag_unfolded = noisy_mag_unfolded.reshape(batch_size, num_freqs, self.num_neighbors * 2 + 1, num_frames)
        fb_output_unfolded = fb_output.reshape(batch_size, num_freqs, 1, num_frames)
        sb_input = torch.cat([noisy_mag_unfolded, fb_output_unfolded], dim=2)
        sb_input = self.norm(sb_input)
        sb_input = sb_input.reshape(batch_size * num_freqs, self.num_neighbors * 2 + 2, num_frames)
        sb_mask = self.sb_model(sb_input)
        sb_mask = sb_mask.reshape(batch_size, num_freqs, 2, num_frames).permute(0, 2, 1, 3).contiguous()
        output = sb_mask[:, :, :, self.look_ahead :]
        return output


class RNNoise(nn.Module):
    """Valin 2018 after the torch port in xiph/rnnoise: two valid convolutions, three GRUs that all see each other."""

    def __init__(self, input_dim=13, output_dim=8, cond_size=12, gru_size=16):
        super(RNNoise, self).__init__()
        self.gru_size = gru_size
        self.conv1 = nn.Conv1d(input_dim, cond_size, kernel_size=3, padding="valid")
        self.conv2 = nn.Conv1d(cond_size, gru_size, kernel_size=3, padding="valid")
        self.gru1 = nn.GRU(self.gru_size, self.gru_size, batch_first=True)
        self.gru2 = nn.GRU(self.gru_size, self.gru_size, batch_first=True)
        self.gru3 = nn.GRU(self.gru_size, self.gru_size, batch_first=True)
        self.dense_out = nn.Linear(4 * self.gru_size, output_dim)
        self.vad_dense = nn.Linear(4 * self.gru_size, 1)

    def forward(self, features, states=None):
        device = features.device
        batch_size = features.size(0)
        if states is None:
            gru1_state = torch.zeros((1, batch_size, self.gru_size), device=device)
            gru2_state = torch.zeros((1, batch_size, self.gru_size), device=device)
            gru3_state = torch.zeros((1, batch_size, self.gru_size), device=device)
        else:
            gru1_state, gru2_state, gru3_state = states
        x = features.permute([0, 2, 1])
        x = torch.tanh(self.conv1(x))
        x = torch.tanh(self.conv2(x))
        x = x.permute([0, 2, 1])
        gru1_out, gru1_state = self.gru1(x, gru1_state)
        gru2_out, gru2_state = self.gru2(gru1_out, gru2_state)
        gru3_out, gru3_state = self.gru3(gru2_out, gru3_state)
        out_cat = torch.cat([x, gru1_out, gru2_out, gru3_out], dim=-1)
        gain = torch.sigmoid(self.dense_out(out_cat))
        vad = torch.sigmoid(self.vad_dense(out_cat))
        return gain, vad, [gru1_state, gru2_state, gru3_state]


class PercepNet(nn.Module):
    """Valin 2020 after jzi040941/PercepNet: padded convolutions that look two and one frames ahead."""

    def __init__(self, input_dim=14, bands=10, hidden=16):
        super(PercepNet, self).__init__()
        self.fc = nn.Sequential(nn.Linear(input_dim, 12), nn.ReLU())
        self.conv1 = nn.Sequential(nn.Conv1d(12, hidden, 5, stride=1, padding=4), nn.ReLU())
        self.conv2 = nn.Sequential(nn.Conv1d(hidden, hidden, 3, stride=1, padding=2), nn.Tanh())
        self.gru = nn.GRU(hidden, hidden, 3, batch_first=True)
        self.gru_gb = nn.GRU(hidden, hidden, 1, batch_first=True)
        self.gru_rb = nn.GRU(2 * hidden, 12, 1, batch_first=True)
        self.fc_gb = nn.Sequential(nn.Linear(hidden * 5, bands), nn.Sigmoid())
        self.fc_rb = nn.Sequential(nn.Linear(12, bands), nn.Sigmoid())

    def forward(self, x):
        x = self.fc(x)
        x = x.permute([0, 2, 1])
        x = self.conv1(x)
        x = x[:, :, :-4]
        convout = self.conv2(x)
        convout = convout[:, :, :-2]
        convout = convout.permute([0, 2, 1])
        gru1_out, gru1_state = self.gru(convout)
        gru2_out, gru2_state = self.gru(gru1_out)
        gru3_out, gru3_state = self.gru(gru2_out)
        gru_gb_out, gru_gb_state = self.gru_gb(gru3_out)
        concat_gb_layer = torch.cat((convout, gru1_out, gru2_out, gru3_out, gru_gb_out), -1)
        gb = self.fc_gb(concat_gb_layer)
        concat_rb_layer = torch.cat((gru3_out, convout), -1)
        rnn_rb_out, gru_rb_state = self.gru_rb(concat_rb_layer)
        rb = self.fc_rb(rnn_rb_out)
        return torch.cat((gb, rb), -1)


class DeepFilter(nn.Module):
    """Complex filters of ``order`` frames, of which ``look_ahead`` are to come; frames gathered by unfold."""

    def __init__(self, num_freqs, frame_size, lookahead=0):
        super().__init__()
        self.num_freqs = num_freqs
        self.frame_size = frame_size
        self.pad = nn.ConstantPad2d((0, 0, frame_size - 1 - lookahead, lookahead), 0.0)

    def forward(self, spec, coefs):
        spec_c = torch.view_as_complex(spec)
        padded = self.pad(spec_c).unfold(2, self.frame_size, 1)
        coefs = torch.view_as_complex(coefs)
        spec_f = padded.narrow(-2, 0, self.num_freqs)
        coefs = coefs.view(coefs.shape[0], -1, self.frame_size, *coefs.shape[2:])
        spec_f = torch.einsum("...tfn,...ntf->...tf", spec_f, coefs)
        spec_out = spec_c.clone()
        spec_out[..., : self.num_freqs] = spec_f
        return torch.view_as_real(spec_out)


class DeepFilterNetLike(nn.Module):
    """Schroeter 2022 in small: ERB gains from a GRU, filter coefficients from another, frames looked ahead by a pad."""

    def __init__(self, freqs=17, erb=6, df_bins=5, df_order=3, df_lookahead=1, conv_lookahead=1):
        super().__init__()
        self.df_bins, self.df_order = df_bins, df_order
        self.lookahead = nn.ConstantPad2d((0, 0, -conv_lookahead, conv_lookahead), 0.0)
        self.pad = nn.ConstantPad2d((0, 0, 2, 0), 0.0)
        self.erb_conv0 = nn.Conv2d(1, 4, (3, 3), padding=(0, 1), bias=False)
        self.df_conv0 = nn.Conv2d(2, 4, (3, 3), padding=(0, 1), bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.emb_gru = nn.GRU(4 * erb, 16, batch_first=True)
        self.erb_fc = nn.Linear(16, erb)
        self.df_gru = nn.GRU(4 * df_bins + 16, 16, batch_first=True)
        self.df_fc = nn.Linear(16, df_bins * df_order * 2)
        self.register_buffer("erb_inv_fb", torch.rand(erb, freqs) / erb)
        self.df_op = DeepFilter(df_bins, df_order, df_lookahead)

    def forward(self, spec, feat_erb, feat_spec):
        feat_erb = self.lookahead(feat_erb)
        feat_spec = self.lookahead(feat_spec.squeeze(1).permute(0, 3, 1, 2))
        e0 = torch.relu(self.bn(self.erb_conv0(self.pad(feat_erb))))
        c0 = torch.relu(self.df_conv0(self.pad(feat_spec)))
        emb, _ = self.emb_gru(e0.transpose(1, 2).flatten(2))
        m = torch.sigmoid(self.erb_fc(emb)).unsqueeze(1)
        spec = spec * m.matmul(self.erb_inv_fb).unsqueeze(-1)
        c, _ = self.df_gru(torch.cat([c0.permute(0, 2, 3, 1).flatten(2), emb], dim=-1))
        c = torch.tanh(self.df_fc(c))
        b, t, _ = c.shape
        c = c.view(b, t, self.df_bins, self.df_order, 2).permute(0, 3, 1, 2, 4)
        return self.df_op(spec, c.contiguous())


class NSNet2(nn.Module):
    """Braun 2020 on log spectra."""

    def __init__(self, freqs=33, hidden=16):
        super().__init__()
        self.fc1 = nn.Linear(freqs, hidden)
        self.rnn1 = nn.GRU(hidden, hidden, 1, batch_first=True)
        self.rnn2 = nn.GRU(hidden, hidden, 1, batch_first=True)
        self.fc2 = nn.Linear(hidden, 24)
        self.fc3 = nn.Linear(24, freqs)

    def forward(self, x):
        if x.ndim == 4:
            x = x.squeeze(1)
        x = x.permute(0, 2, 1)
        x = self.fc1(x)
        x, _ = self.rnn1(x)
        x, _ = self.rnn2(x)
        x = F.relu(self.fc2(x))
        x = torch.sigmoid(self.fc3(x))
        return x.permute(0, 2, 1)


class WaveDenoiser(nn.Module):
    """Waveform to waveform: torch.stft as most people call it, a mask from NSNet2, torch.istft of the same length."""

    def __init__(self, n_fft=64, hop_length=16):
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.register_buffer("window", torch.hann_window(n_fft))
        self.net = NSNet2(n_fft // 2 + 1)

    def forward(self, wav):
        spec = torch.stft(wav, self.n_fft, self.hop_length, window=self.window, return_complex=True)
        logpower = torch.log10(spec.abs() ** 2 + 1e-12)
        mask = self.net(logpower)
        est = spec * mask
        return torch.istft(est, self.n_fft, self.hop_length, window=self.window, length=wav.shape[-1])


class DTLN(nn.Module):
    """Westhausen 2020 after breizhn/DTLN's torch port: two cores, STFT by unfold and rfft, then a learned basis."""

    def __init__(self, frame_len=32, hop=8, hidden=16, encoder=24):
        super().__init__()
        self.frame_len, self.hop = frame_len, hop
        self.sep1 = nn.LSTM(frame_len // 2 + 1, hidden, 2, batch_first=True)
        self.mask1 = nn.Linear(hidden, frame_len // 2 + 1)
        self.encoder = nn.Conv1d(frame_len, encoder, 1, bias=False)
        self.norm_gamma = nn.Parameter(torch.ones(1, 1, encoder))
        self.norm_beta = nn.Parameter(torch.zeros(1, 1, encoder))
        self.sep2 = nn.LSTM(encoder, hidden, 2, batch_first=True)
        self.mask2 = nn.Linear(hidden, encoder)
        self.decoder = nn.Conv1d(encoder, frame_len, 1, bias=False)

    def instant_layer_norm(self, x):
        mean = torch.mean(x, dim=-1, keepdim=True)
        var = torch.mean(torch.square(x - mean), dim=-1, keepdim=True)
        return (x - mean) / torch.sqrt(var + 1e-7) * self.norm_gamma + self.norm_beta

    def forward(self, x):
        frames = x.unfold(-1, self.frame_len, self.hop)
        spec = torch.fft.rfft(frames, dim=-1)
        mag, phase = torch.abs(spec), torch.angle(spec)
        mask = torch.sigmoid(self.mask1(self.sep1(mag)[0]))
        est = mag * mask
        frames = torch.fft.irfft(est * torch.exp(1j * phase), n=self.frame_len, dim=-1)
        enc = self.encoder(frames.transpose(1, 2)).transpose(1, 2)
        mask2 = torch.sigmoid(self.mask2(self.sep2(self.instant_layer_norm(enc))[0]))
        dec = self.decoder((enc * mask2).transpose(1, 2))
        length = (dec.shape[-1] - 1) * self.hop + self.frame_len
        out = F.fold(dec, (1, length), kernel_size=(1, self.frame_len), stride=(1, self.hop))
        return out.squeeze(1).squeeze(1)


_MAG = {"noisy_mag": "float32[batch,1,9,time]"}
_ORIGIN = "Hao 2021, haoxiangsnr/FullSubNet"

ROWS = (
    Published(
        "fullsubnet",
        FullSubNet,
        _MAG,
        _ORIGIN,
        Refused("the mean of all frames divides the first one", "whole sequence"),
    ),
    # two frames of zeros put behind, two answers dropped in front
    Published("fullsubnet-cumulative", lambda: FullSubNet(norm_type="cumulative"), _MAG, _ORIGIN, Streams(2)),
    # two valid windows of three: answer 0 comes with frame 4
    Published("rnnoise", RNNoise, {"features": "float32[batch,time,13]"}, "Valin 2018, xiph/rnnoise", Streams(4)),
    Published(
        "percepnet",
        PercepNet,
        {"x": "float32[batch,time,14]"},
        "Valin 2020, jzi040941/PercepNet",
        Streams(),
        exported=True,
    ),
    # features one frame ahead, filters one more on the spectrum itself: the larger of the two
    Published(
        "deepfilternet",
        DeepFilterNetLike,
        {
            "spec": "float32[batch,1,time,17,2]",
            "feat_erb": "float32[batch,1,time,6]",
            "feat_spec": "float32[batch,1,time,5,2]",
        },
        "Schroeter 2022, Rikorose/DeepFilterNet",
        Streams(None),
    ),
    Published("nsnet2", NSNet2, {"x": "float32[batch,33,time]"}, "Braun 2020, microsoft/DNS-Challenge", Streams()),
    # centred windows of 64 every 16 look 64 / 2 samples ahead; the samples of a frame are whole 64 / 2 later
    Published(
        "stft-denoiser",
        WaveDenoiser,
        {"wav": "float32[batch,time]"},
        "torch.stft and istft as called",
        Streams(None),
        frames=200,
    ),
    Published("dtln", DTLN, {"x": "float32[batch,time]"}, "Westhausen 2020, breizhn/DTLN", Streams(None), frames=150),
)
