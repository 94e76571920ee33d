"""Speech enhancement: networks over time and frequency, folded into the batch by turns."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class DualPath(nn.Module):
    """An LSTM over the bins of each frame, both ways, then one over the frames of each bin."""

    def __init__(self, channels: int, bins: int, hidden: int) -> None:
        super().__init__()
        self.intra = nn.LSTM(channels, hidden // 2, batch_first=True, bidirectional=True)
        self.intra_fc = nn.Linear(hidden, channels)
        self.intra_norm = nn.LayerNorm((bins, channels))
        self.inter = nn.LSTM(channels, hidden, batch_first=True)
        self.inter_fc = nn.Linear(hidden, channels)
        self.inter_norm = nn.LayerNorm((bins, channels))

    def forward(self, x: torch.Tensor) -> Any:
        """``[batch, channels, time, bins]``, in and out."""
        x = x.permute(0, 2, 3, 1)
        batch, time, bins, channels = x.shape
        y = self.intra(x.reshape(batch * time, bins, channels))[0]
        x = x + self.intra_norm(self.intra_fc(y).reshape(batch, time, bins, channels))
        y = x.permute(0, 2, 1, 3).reshape(batch * bins, time, channels)
        y = self.inter_fc(self.inter(y)[0]).reshape(batch, bins, time, channels).permute(0, 2, 1, 3)
        return (x + self.inter_norm(y)).permute(0, 3, 1, 2)


class DPCRN(nn.Module):
    """Waveform in, waveform out: stft, a convolutional U over frequency around dual-path blocks, a complex mask."""

    def __init__(self, n_fft: int = 16, hop: int = 8) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.window = nn.Buffer(torch.hann_window(n_fft))
        self.down1 = nn.Sequential(nn.ZeroPad2d((1, 1, 1, 0)), nn.Conv2d(2, 4, (2, 3), (1, 2)), nn.PReLU(4))
        self.down2 = nn.Sequential(nn.ZeroPad2d((1, 1, 1, 0)), nn.Conv2d(4, 6, (2, 3), (1, 2)), nn.BatchNorm2d(6))
        self.middle = nn.Sequential(DualPath(6, 3, 8), DualPath(6, 3, 8))
        self.up1 = nn.Sequential(nn.ConvTranspose2d(12, 4, (2, 3), (1, 2), padding=(0, 1)), nn.BatchNorm2d(4))
        self.up2 = nn.ConvTranspose2d(8, 2, (2, 3), (1, 2), padding=(0, 1))

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """``[batch, samples]``, in and out."""
        z = torch.stft(audio, self.n_fft, self.hop, window=self.window, return_complex=True)
        a = self.down1(torch.stack([z.real, z.imag], 1).permute(0, 1, 3, 2))
        b = self.down2(a)
        up = torch.relu(self.up1(torch.cat([self.middle(b), b], 1))[:, :, :-1])
        mask = torch.tanh(self.up2(torch.cat([up, a], 1))[:, :, :-1]).permute(0, 1, 3, 2)
        z = z * torch.complex(mask[:, 0], mask[:, 1])
        return torch.istft(z, self.n_fft, self.hop, window=self.window, length=audio.shape[-1])


class GroupedGRU(nn.Module):
    """Two GRUs, each over half of the features."""

    def __init__(self, features: int, hidden: int, both_ways: bool = False) -> None:
        super().__init__()
        self.hidden, self.directions = hidden, 1 + both_ways
        self.first = nn.GRU(features // 2, hidden // 2, batch_first=True, bidirectional=both_ways)
        self.second = nn.GRU(features // 2, hidden // 2, batch_first=True, bidirectional=both_ways)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, features]`` to the same with ``directions * hidden`` features."""
        h = torch.zeros(self.directions, x.shape[0], self.hidden, device=x.device, dtype=x.dtype)
        h1, h2 = (part.contiguous() for part in torch.chunk(h, 2, dim=-1))
        x1, x2 = torch.chunk(x, 2, dim=-1)
        return torch.cat([self.first(x1, h1)[0], self.second(x2, h2)[0]], -1)


class GroupedTemporal(nn.Module):
    """GTCRN's block: neighbouring bins gathered, a grouped convolution, attention over frames, a channel shuffle."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        half = channels // 2
        self.pad = 2 * dilation
        self.gather = nn.Unfold(kernel_size=(1, 3), padding=(0, 1))
        self.point1 = nn.Conv2d(half * 3, channels, 1)
        self.depth = nn.Conv2d(channels, channels, (3, 3), padding=(0, 1), dilation=(dilation, 1), groups=channels)
        self.norm = nn.BatchNorm2d(channels)
        self.point2 = nn.Conv2d(channels, half, 1)
        self.gru = nn.GRU(half, 2 * half, batch_first=True)
        self.weigh = nn.Linear(2 * half, half)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, channels, time, bins]``, in and out."""
        x1, x2 = torch.chunk(x, 2, dim=1)
        y = self.gather(x1).reshape(x1.shape[0], x1.shape[1] * 3, x1.shape[2], x1.shape[3])
        y = functional.pad(torch.relu(self.point1(y)), [0, 0, self.pad, 0])
        y = self.point2(torch.relu(self.norm(self.depth(y))))
        energy = torch.mean(y.pow(2), dim=-1).transpose(1, 2)
        y = y * torch.sigmoid(self.weigh(self.gru(energy)[0]).transpose(1, 2))[..., None]
        shuffled = torch.stack([y, x2], dim=1).transpose(1, 2).contiguous()
        return shuffled.view(shuffled.shape[0], -1, shuffled.shape[3], shuffled.shape[4])


class GTCRN(nn.Module):
    """Grouped temporal convolutions and grouped dual-path GRUs on few bands, as in GTCRN."""

    def __init__(self, bins: int = 17, low: int = 5, high: int = 6) -> None:
        super().__init__()
        self.low, self.width = low, low + high
        self.to_bands, self.to_bins = nn.Linear(bins - low, high, bias=False), nn.Linear(high, bins - low, bias=False)
        self.enter = nn.Conv2d(3, 4, 1)
        self.blocks = nn.Sequential(GroupedTemporal(4, 1), GroupedTemporal(4, 2))
        self.intra, self.inter = GroupedGRU(4, 2, both_ways=True), GroupedGRU(4, 4)
        self.norm1, self.norm2 = nn.LayerNorm((self.width, 4)), nn.LayerNorm((self.width, 4))
        self.leave = nn.ConvTranspose2d(4, 2, (1, 3), padding=(0, 1))

    def forward(self, spec: torch.Tensor) -> torch.Tensor:
        """``[batch, bins, time, 2]``, in and out."""
        re, im = spec[..., 0].permute(0, 2, 1), spec[..., 1].permute(0, 2, 1)
        x = torch.stack([torch.sqrt(re**2 + im**2 + 1e-12), re, im], dim=1)
        x = torch.cat([x[..., : self.low], self.to_bands(x[..., self.low :])], dim=-1)
        x = self.blocks(self.enter(x)).permute(0, 2, 3, 1)
        y = x.reshape(x.shape[0] * x.shape[1], x.shape[2], x.shape[3])
        x = x + self.norm1(self.intra(y).reshape(x.shape[0], -1, self.width, 4))
        y = x.permute(0, 2, 1, 3)
        y = self.inter(y.reshape(y.shape[0] * y.shape[1], y.shape[2], y.shape[3]))
        x = x + self.norm2(y.reshape(x.shape[0], self.width, -1, 4).permute(0, 2, 1, 3))
        m = torch.tanh(self.leave(x.permute(0, 3, 1, 2)))
        m = torch.cat([m[..., : self.low], self.to_bins(m[..., self.low :])], dim=-1)
        return torch.stack([re * m[:, 0] - im * m[:, 1], im * m[:, 0] + re * m[:, 1]], dim=1).permute(0, 3, 2, 1)


class FullSubNet(nn.Module):
    """A full-band LSTM, then one LSTM for every bin and its neighbours, the bins folded into the batch."""

    def __init__(self, bins: int = 9, neighbours: int = 2) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.full, self.full_out = nn.LSTM(bins, 12, batch_first=True), nn.Linear(12, bins)
        self.sub, self.sub_out = nn.LSTM(2 * neighbours + 2, 8, batch_first=True), nn.Linear(8, 2)

    def around(self, x: torch.Tensor) -> Any:
        """``[batch, 1, bins, time]`` to ``[batch, bins, 1, neighbourhood, time]``, by one kernel over all of time."""
        batch, channels, bins, time = x.shape
        size = 2 * self.neighbours + 1
        padded = functional.pad(x.reshape(batch * channels, 1, bins, time), [0, 0, *[self.neighbours] * 2], "reflect")
        cut = functional.unfold(padded, (size, time))
        return cut.reshape(batch, channels, size, time, bins).permute(0, 4, 1, 2, 3).contiguous()

    def forward(self, magnitude: torch.Tensor) -> Any:
        """``[batch, 1, bins, time]`` to a mask ``[batch, 2, bins, time]``."""
        batch, channels, bins, time = magnitude.shape
        x = magnitude.reshape(batch, channels * bins, time).permute(0, 2, 1)
        x = torch.relu(self.full_out(self.full(x)[0])).permute(0, 2, 1).reshape(batch, bins, 1, time)
        near = self.around(magnitude).reshape(batch, bins, 2 * self.neighbours + 1, time)
        x = torch.cat([near, x], dim=2).reshape(batch * bins, 2 * self.neighbours + 2, time)
        x = self.sub_out(self.sub(x.permute(0, 2, 1))[0]).permute(0, 2, 1)
        return x.reshape(batch, bins, 2, time).permute(0, 2, 1, 3).contiguous()
