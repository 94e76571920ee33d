"""Activity, heart and other sensors: DeepConvLSTM, InceptionTime, LSTM-FCN, ECG networks, ROCKET-free classifiers."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.published.row import Published, Refused, Streams


class DeepConvLSTM(nn.Module):
    """Ordonez 2016: four valid convolutions along time on [B, 1, T, sensors], two LSTMs, the last frame's class."""

    def __init__(self, channels=5, classes=6, filters=8, hidden=16, kernel=5, last=True):
        super(DeepConvLSTM, self).__init__()
        self.conv1 = nn.Conv2d(1, filters, (kernel, 1))
        self.conv2 = nn.Conv2d(filters, filters, (kernel, 1))
        self.conv3 = nn.Conv2d(filters, filters, (kernel, 1))
        self.conv4 = nn.Conv2d(filters, filters, (kernel, 1))
        self.relu = nn.ReLU(inplace=True)
        self.lstm = nn.LSTM(filters * channels, hidden, num_layers=2)
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(hidden, classes)
        self.last = last

    def forward(self, x):
        x = x.unsqueeze(1)
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        x = self.relu(self.conv3(x))
        x = self.relu(self.conv4(x))
        x = x.permute(2, 0, 3, 1)
        x = x.reshape(x.shape[0], x.shape[1], -1)
        x, (h, c) = self.lstm(x)
        if self.last:
            x = x[-1, :, :]
            return self.classifier(self.dropout(x))
        return self.classifier(self.dropout(x)).transpose(0, 1)


class Inception(nn.Module):
    def __init__(self, in_channels, n_filters, kernel_sizes=(9, 19, 39), bottleneck_channels=4):
        super(Inception, self).__init__()
        self.bottleneck = nn.Conv1d(in_channels, bottleneck_channels, kernel_size=1, stride=1, bias=False)
        self.convs = nn.ModuleList(
            [nn.Conv1d(bottleneck_channels, n_filters, k, stride=1, padding=k // 2, bias=False) for k in kernel_sizes]
        )
        self.max_pool = nn.MaxPool1d(kernel_size=3, stride=1, padding=1)
        self.conv_from_maxpool = nn.Conv1d(in_channels, n_filters, kernel_size=1, padding=0, bias=False)
        self.batch_norm = nn.BatchNorm1d(4 * n_filters)
        self.activation = nn.ReLU()

    def forward(self, X):
        Z_bottleneck = self.bottleneck(X)
        Z_maxpool = self.max_pool(X)
        Z = [conv(Z_bottleneck) for conv in self.convs]
        Z.append(self.conv_from_maxpool(Z_maxpool))
        return self.activation(self.batch_norm(torch.cat(Z, axis=1)))


class InceptionTime(nn.Module):
    """Fawaz 2019 after okrasolar/pytorch-timeseries: a residual over three modules, averaged over time."""

    def __init__(self, in_channels=3, n_filters=4, classes=5):
        super().__init__()
        self.inception_1 = Inception(in_channels, n_filters)
        self.inception_2 = Inception(4 * n_filters, n_filters)
        self.inception_3 = Inception(4 * n_filters, n_filters)
        self.residual = nn.Sequential(
            nn.Conv1d(in_channels, 4 * n_filters, 1, bias=False), nn.BatchNorm1d(4 * n_filters)
        )
        self.gap = nn.AdaptiveAvgPool1d(output_size=1)
        self.linear = nn.Linear(4 * n_filters, classes)

    def forward(self, X):
        Z = self.inception_3(self.inception_2(self.inception_1(X)))
        Z = F.relu(Z + self.residual(X))
        Z = self.gap(Z)
        Z = Z.flatten(1)
        return self.linear(Z)


class LSTMFCN(nn.Module):
    """Karim 2017: a fully convolutional branch pooled, and an LSTM's last output, joined."""

    def __init__(self, features=3, classes=5):
        super().__init__()
        self.lstm = nn.LSTM(features, 12, batch_first=True)
        self.drop = nn.Dropout(0.8)
        self.conv1 = nn.Conv1d(features, 8, 8, padding="same")
        self.conv2 = nn.Conv1d(8, 12, 5, padding="same")
        self.conv3 = nn.Conv1d(12, 8, 3, padding="same")
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm1d(8), nn.BatchNorm1d(12), nn.BatchNorm1d(8)
        self.fc = nn.Linear(20, classes)

    def forward(self, x):
        x1, (ht, ct) = self.lstm(x)
        x1 = self.drop(x1[:, -1, :])
        x2 = x.transpose(2, 1)
        x2 = F.relu(self.bn1(self.conv1(x2)))
        x2 = F.relu(self.bn2(self.conv2(x2)))
        x2 = F.relu(self.bn3(self.conv3(x2)))
        x2 = torch.mean(x2, 2)
        x_all = torch.cat((x1, x2), dim=1)
        return F.log_softmax(self.fc(x_all), dim=1)


class ECGCNNLSTM(nn.Module):
    """Beat detection: conv and max pooling three times, an LSTM, a class for every frame that is left."""

    def __init__(self, leads=2, classes=4):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv1d(leads, 8, 7, padding=3),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(8, 12, 5, padding=2),
            nn.BatchNorm1d(12),
            nn.ReLU(),
            nn.MaxPool1d(kernel_size=3, stride=2, padding=1),
            nn.Conv1d(12, 12, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool1d(2, 2),
        )
        self.lstm = nn.LSTM(12, 16, num_layers=2, batch_first=True, dropout=0.2)
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = self.cnn(x)
        x = x.permute(0, 2, 1)
        x, _ = self.lstm(x)
        return self.fc(x)


class ECGResNet(nn.Module):
    """Ribeiro 2020 in small: a fixed window of 128 samples, flattened into a dense layer."""

    def __init__(self, leads=2, seq_len=128, classes=4):
        super().__init__()
        self.conv1 = nn.Conv1d(leads, 8, 17, padding=8, bias=False)
        self.conv2 = nn.Conv1d(8, 8, 17, stride=4, padding=8, bias=False)
        self.skip = nn.Sequential(nn.MaxPool1d(4, stride=4), nn.Conv1d(8, 8, 1, bias=False))
        self.bn1, self.bn2 = nn.BatchNorm1d(8), nn.BatchNorm1d(8)
        self.lin = nn.Linear(8 * seq_len // 4, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)) + self.skip(x))
        x = x.view(x.size(0), -1)
        return self.lin(x)


class SelfAttentionHAR(nn.Module):
    """Attention pooling over an LSTM's outputs: softmax over time, a weighted sum, a class."""

    def __init__(self, channels=5, hidden=16, classes=6):
        super().__init__()
        self.lstm = nn.LSTM(channels, hidden, batch_first=True)
        self.attn = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))
        self.fc = nn.Linear(hidden, classes)

    def forward(self, x):
        out, _ = self.lstm(x)
        weights = F.softmax(self.attn(out).squeeze(-1), dim=1)
        context = torch.bmm(weights.unsqueeze(1), out).squeeze(1)
        return self.fc(context)


class SqueezeExciteHAR(nn.Module):
    """Squeeze and excitation along a sequence: every frame is scaled by a mean over all of them."""

    def __init__(self, channels=5, hidden=12):
        super().__init__()
        self.conv = nn.Conv1d(channels, hidden, 3, padding=1)
        self.fc = nn.Sequential(nn.Linear(hidden, 4), nn.ReLU(), nn.Linear(4, hidden), nn.Sigmoid())

    def forward(self, x):
        x = self.conv(x)
        b, c, _ = x.size()
        y = F.adaptive_avg_pool1d(x, 1).view(b, c)
        y = self.fc(y).view(b, c, 1)
        return x * y.expand_as(x)


class BiLSTMTagger(nn.Module):
    def __init__(self, channels=5, hidden=12, classes=4):
        super().__init__()
        self.lstm = nn.LSTM(channels, hidden, 2, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * hidden, classes)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out)


_X = {"x": "float32[batch,time,5]"}

ROWS = (
    Published("deepconvlstm", DeepConvLSTM, _X, "Ordonez and Roggen 2016", Streams(None)),
    # four valid windows of five: answer 0 comes with frame 16
    Published(
        "deepconvlstm-frames", lambda: DeepConvLSTM(last=False), _X, "Ordonez and Roggen 2016, dense", Streams(16)
    ),
    Published(
        "inceptiontime",
        InceptionTime,
        {"X": "float32[batch,3,time]"},
        "Fawaz 2019, okrasolar/pytorch-timeseries",
        Streams(None),
        frames=90,
    ),
    Published("lstm-fcn", LSTMFCN, {"x": "float32[batch,time,3]"}, "Karim 2017", Streams(None)),
    # what is needed lies 18 samples ahead; every layer with a state waits for whole calls of eight
    Published(
        "ecg-cnn-lstm",
        ECGCNNLSTM,
        {"x": "float32[batch,2,time]"},
        "Hannun 2019, small ports",
        Streams(24),
        exported=True,
    ),
    Published(
        "ecg-resnet-window",
        ECGResNet,
        {"x": "float32[batch,2,time]"},
        "Ribeiro 2020",
        Refused(
            "its dense layer takes a window of 128 samples, no other length",
            "every layer must take any number of frames",
        ),
    ),
    Published("har-attention-pooling", SelfAttentionHAR, _X, "Zeng 2018, attention over an LSTM", Streams()),
    Published(
        "har-squeeze-excite",
        SqueezeExciteHAR,
        {"x": "float32[batch,5,time]"},
        "Hu 2018, one-dimensional ports",
        Refused("the mean of all frames scales the first", "whole sequence"),
    ),
    Published("bilstm-tagger", BiLSTMTagger, _X, "Graves 2005", Refused("an LSTM from the end too", "bidirectional")),
)
