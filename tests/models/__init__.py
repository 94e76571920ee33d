"""Ordinary sequence models, written as their users write them, and the table of what streaming owes each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tests.models import (
    causal,
    classifiers,
    convolutional,
    decoders,
    denoisers,
    rates,
    recurrent,
    running,
    seq2seq,
    stateful,
    structure,
)


@dataclass(frozen=True)
class Model:
    """A row of the table.

    ``delay``: base frames that the answer lags, worked out from the layers' look-ahead in the comment beside it.
    ``multiple``: base frames per call, the product of the strides. ``below``: integer inputs are drawn below it.
    ``frames``: the length streamed, a multiple of nothing. ``folded``: an output folds time into another axis.
    """

    id: str
    make: Callable[[], nn.Module]
    inputs: Mapping[str, Any]
    why: str
    delay: int = 0
    multiple: int = 1
    below: int = 0
    frames: int = 53
    folded: bool = False

    def build(self) -> nn.Module:
        """The model with weights that are always the same, in eval mode."""
        torch.manual_seed(1)
        model = self.make()
        _pretend_training(model)
        return model.eval()


def _pretend_training(model: nn.Module) -> None:
    """Move norms and biases off the zeros and ones that they start from, which would hide a mistake."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0.0, 0.3)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)


MODELS = (
    Model(
        "elman-tagger",
        recurrent.ElmanTagger,
        {"sentence": "int64[batch,time]"},
        "nn.RNN with tanh, two layers, over an embedding",
        below=50,
    ),
    Model(
        "relu-regressor",
        recurrent.ReluRegressor,
        {"x": "float32[time,batch,6]"},
        "nn.RNN with relu, time first, output without a feature axis",
    ),
    Model(
        "stacked-lstm",
        recurrent.StackedLSTM,
        {"x": "float32[batch,time,10]"},
        "three layers; zero states made from x.size(0)",
    ),
    Model(
        "lstm-projected",
        recurrent.ProjectedAcousticModel,
        {"features": "float32[batch,time,9]"},
        "proj_size, for which ONNX has no op",
    ),
    Model(
        "lstm-unbiased",
        recurrent.UnbiasedLSTM,
        {"x": "float32[time,batch,12]"},
        "bias=False, time first, a residual around a recurrence",
    ),
    Model(
        "deep-gru",
        recurrent.DeepGRU,
        {"x": "float32[batch,time,8]"},
        "a loop over one-layer GRUs with skip connections; the output multiplies the input",
    ),
    Model(
        "gru-with-state",
        stateful.GruWithState,
        {"x": "float32[batch,time,8]", "h0": "float32[2,batch,16]"},
        "takes and returns its hidden state",
    ),
    Model(
        "gru-state-left-out",
        stateful.GruWithState,
        {"x": "float32[batch,time,8]"},
        "the same model, its optional state not given",
    ),
    Model(
        "lstm-with-state",
        stateful.LstmWithState,
        {"x": "float32[batch,time,8]", "state": ("float32[1,batch,16]", "float32[1,batch,16]")},
        "takes and returns a tuple of states",
    ),
    Model(
        "char-rnn",
        stateful.CharRNN,
        {"text": "int64[batch,time]", "hidden": "float32[2,batch,24]"},
        "one-hot characters, a GRU and its state",
        below=30,
    ),
    Model(
        "word-lm",
        stateful.WordLanguageModel,
        {"tokens": "int64[time,batch]", "hidden": ("float32[2,batch,16]", "float32[2,batch,16]")},
        "time first, tied weights, the output folded by view(-1, words)",
        below=40,
        folded=True,
    ),
    Model(
        "learned-start",
        stateful.LearnedStart,
        {"x": "float32[batch,time,6]"},
        "the initial state is a parameter, repeated for the batch",
    ),
    Model(
        "state-without-layers",
        stateful.StateWithoutLayers,
        {"x": "float32[batch,time,6]", "top": "float32[batch,10]", "below": "float32[2,batch,10]"},
        "states in the layouts that people choose: unsqueezed, and sliced from a stack",
    ),
    Model(
        "placed-words",
        recurrent.PlacedWords,
        {"tokens": "int64[batch,time]"},
        "arange(t) repeated for the batch",
        below=30,
    ),
    Model(
        "sentiment-last-step",
        classifiers.SentimentLast,
        {"tokens": "int64[batch,time]"},
        "out[:, -1, :]: a summary",
        below=60,
    ),
    Model(
        "sentiment-hidden",
        classifiers.SentimentHidden,
        {"text": "int64[time,batch]"},
        "hidden[-1]: the final state of the top layer as a summary",
        below=60,
    ),
    Model(
        "concat-pooling",
        classifiers.ConcatPooling,
        {"tokens": "int64[batch,time]"},
        "last step, mean and max over time meet in one vector",
        below=60,
    ),
    Model(
        "text-cnn",
        classifiers.TextCNN,
        {"tokens": "int64[batch,time]"},
        "max over time of convolutions of several widths; without padding none looks past the newest frame",
        below=60,
    ),
    Model(
        "fully-convolutional",
        classifiers.FullyConvolutional,
        {"x": "float32[batch,3,time]"},
        "AdaptiveAvgPool1d(1): a mean over all time of a value that looks ahead",
        delay=5,  # (7 - 1) / 2 + (5 - 1) / 2
    ),
    Model(
        "forecaster",
        classifiers.Forecaster,
        {"past": "float32[batch,time,3]"},
        "several future values from the last step, reshaped",
    ),
    Model(
        "ecg-conv-gru",
        convolutional.EcgNet,
        {"ecg": "float32[batch,2,time]"},
        "time last; centred convolutions with batch norm in front of a GRU",
        delay=5,  # 3 + 2
    ),
    Model(
        "keyword-spotter",
        convolutional.KeywordSpotter,
        {"mel": "float32[batch,time,20]"},
        "strided 2-d convolutions and a fold of channels and frequency in front of a GRU",
        # Frame j reads frames up to 2j + 1 of the first layer, that reads up to 2(2j + 1) + 2 = 4j + 4: one call of 4.
        delay=4,
        multiple=4,
    ),
    Model(
        "residual-front-end",
        convolutional.ResidualFrontEnd,
        {"x": "float32[batch,time,10]"},
        "branches of look-ahead 0, 1, 3 and 7 meet, and the input meets the output",
        delay=7,  # 1 + 2 + 4
    ),
    Model(
        "strided-encoder",
        convolutional.StridedEncoder,
        {"wave": "float32[batch,time]"},
        "strides 5, 2, 2 over raw samples without padding",
        # Frame j reads samples up to 20j + 29: it comes with the call that holds 20j + 20 to 20j + 39.
        delay=20,
        multiple=20,
        frames=143,
    ),
    Model(
        "same-front-end",
        convolutional.SameFrontEnd,
        {"x": "float32[time,batch,6]"},
        "padding='same', an even dilated kernel, time first",
        delay=5,  # 2 + (4 - 1) * 2 / 2
    ),
    Model(
        "depthwise-separable",
        convolutional.SeparableStack,
        {"x": "float32[batch,6,time]"},
        "groups, batch norm and PReLU over channels, residuals over look-ahead",
        delay=4,  # 2 + 2
    ),
    Model(
        "gated-convolutions",
        convolutional.GatedConvolutions,
        {"tokens": "int64[batch,time]"},
        "F.pad in front, even kernels with groups, GLU",
        below=40,
    ),
    Model(
        "valid-residual",
        convolutional.ValidResidual,
        {"x": "float32[batch,time,8]"},
        "no padding: the residual is cut by x[:, 2:] and y[:, 1:-1], the output is shorter than the input",
        delay=4,  # 2 + 2
    ),
    Model(
        "spectrogram-convs",
        convolutional.SpectrogramConvs,
        {"spectrogram": "float32[batch,16,time]"},
        "2-d convolutions with time last; strided over frequency, which is not time",
        delay=3,  # 1 + 2
    ),
    Model(
        "unbatched-smoother",
        convolutional.Smoother,
        {"wave": "float32[time]"},
        "no batch axis at all, look-ahead, a transposed output and a maximum",
        delay=3,  # (7 - 1) / 2
    ),
    Model("tcn", causal.tcn, {"x": "float32[batch,time,5]"}, "padded on both sides and chomped, new weight norm"),
    Model("tcn-old-weight-norm", causal.old_tcn, {"x": "float32[batch,time,5]"}, "the old weight norm: a hook"),
    Model(
        "wavenet",
        causal.WaveNet,
        {"samples": "int64[batch,time]"},
        "pads of different dilations, gates by chunk, skips summed from zeros_like",
        below=32,
    ),
    Model(
        "wavenet-without-padding",
        causal.ValidWaveNet,
        {"x": "float32[batch,6,time]"},
        "residuals and skips cropped by x[:, :, -y.size(2):]",
        delay=7,  # frame j is of the newest T - 7 frames: it reads up to j + 7
    ),
    Model(
        "causal-denoiser",
        causal.CausalDenoiser,
        {"spectrum": "float32[batch,12,time]"},
        "a Conv1d subclass, GroupNorm over features of folded frames, a mask on the input",
    ),
    Model(
        "gpt",
        decoders.GPT,
        {"idx": "int64[batch,time]"},
        "nn.Embedding(arange(t)), three heads of size eight, tied weights, an assertion on the length",
        below=48,
    ),
    Model(
        "trajectory-decoder",
        decoders.TrajectoryDecoder,
        {"x": "float32[batch,time,4]"},
        "positions as a parameter cut to length, one head of size five without a head axis",
    ),
    Model(
        "hybrid-decoder",
        decoders.HybridDecoder,
        {"x": "float32[batch,time,6]"},
        "convolution, GRU and attention in one model; frames and the argmax of the last one",
    ),
    Model(
        "multi-task",
        structure.MultiTask,
        {"x": "float32[batch,time,6]"},
        "a named tuple of outputs with different delays",
        delay=2,  # the later of 0 and (5 - 1) / 2
    ),
    Model(
        "dict-outputs",
        structure.DictOutputs,
        {"x": "float32[batch,time,6]"},
        "a dict with a list inside: frames and summaries from one call",
    ),
    Model(
        "added-inputs",
        structure.AddedInputs,
        {"x": "float32[batch,time,6]", "z": "float32[batch,time,4]"},
        "two inputs with time; one is convolved, so the other must wait",
        delay=1,
    ),
    Model(
        "concatenated-inputs",
        structure.ConcatenatedInputs,
        {"tokens": "int64[batch,time]", "durations": "float32[batch,time,2]"},
        "two inputs with time and different types, concatenated",
        below=20,
    ),
    Model(
        "speaker-conditioned",
        structure.SpeakerConditioned,
        {"x": "float32[batch,time,8]", "speaker": "float32[batch,5]"},
        "a vector without time, expanded over time and as scale and shift",
    ),
    Model(
        "time-distributed",
        structure.TimeDistributed,
        {"x": "float32[batch,time,9]"},
        "reshape(-1, features) around an MLP with batch norm",
    ),
    Model(
        "dual-path",
        structure.DualPath,
        {"x": "float32[batch,time,4,6]"},
        "a bidirectional GRU over frequency, which is not time, and a GRU over time with bands in the batch",
    ),
    Model(
        "frequency-attention",
        structure.FrequencyAttention,
        {"x": "float32[batch,time,5,8]"},
        "attention that is not causal, over an axis that is not time",
    ),
    Model(
        "channel-norms",
        structure.ChannelNorms,
        {"x": "float32[batch,12,time]"},
        "norm, softmax and deviation over channels, time last",
    ),
    Model(
        "derivatives",
        structure.Derivatives,
        {"x": "float32[batch,time,5]"},
        "x[:, 1:] - x[:, :-1]",
        delay=1,
    ),
    Model(
        "video-lstm",
        structure.PixelNet,
        {"video": "float32[batch,time,1,10,10]"},
        "a 2-d network on frames folded into the batch, then an LSTM",
    ),
    Model(
        "vocoder",
        rates.Vocoder,
        {"mel": "float32[batch,time,6]", "wave": "float32[batch,4*time]"},
        "two inputs at two rates; the slow one is repeated, and smoothed with look-ahead",
        delay=1,  # (5 - 1) / 2 samples, of which four are a frame
    ),
    Model(
        "lip-reader",
        rates.LipReader,
        {"audio": "float32[batch,4*time,3]", "video": "float32[batch,time,4,4]"},
        "two inputs at two rates, the fast one first; strides bring it down",
        # Frame j reads sound up to 2(2j + 1) + 2 = 4j + 4, the first sample of the next frame.
        delay=1,
    ),
    Model(
        "three-to-two",
        rates.ThreeToTwo,
        {"fast": "float32[batch,3*time,4]", "slow": "float32[batch,2*time,5]"},
        "two rates of which neither is the base, folded by reshapes",
    ),
    Model(
        "single-row",
        rates.SingleRow,
        {"x": "float32[1,time,3]"},
        "a batch of one that the model takes away",
        delay=1,  # (3 - 1) / 2
    ),
    Model(
        "conv-tasnet-block",
        running.Separator,
        {"x": "float32[batch,6,time]"},
        "cumulative layer norm: running sums over an arange whose end is the length",
    ),
    Model(
        "min-gru",
        running.MinGRU,
        {"x": "float32[batch,time,5]"},
        "a recurrence in parallel form: its state is concatenated in front and cut off again",
    ),
    Model("min-lstm", running.MinLSTM, {"x": "float32[batch,time,5]"}, "the same with a learned start"),
    Model("heinsen-gru", running.HeinsenGRU, {"x": "float32[batch,time,6]"}, "cumsum and logcumsumexp of logarithms"),
    Model(
        "linear-attention",
        running.LinearAttention,
        {"x": "float32[batch,time,8]"},
        "running sums of outer products with time as the third axis",
    ),
    Model("pair", rates.Pair, {"ears": "float32[2,time,4]"}, "a fixed batch of two, which the model mixes"),
    Model("unbatched-gru", rates.Unbatched, {"x": "float32[time,3]"}, "nn.GRU without a batch axis"),
    Model(
        "masked-memory",
        rates.MaskedMemory,
        {"x": "float32[batch,time,6]", "src": "float32[batch,words,5]", "mask": "bool[batch,words]"},
        "two inputs without time that share an axis of any size",
    ),
    Model(
        "aligned-decoder",
        rates.AlignedDecoder,
        {"alignment": "float32[batch,time,words]", "words": "float32[batch,words,6]"},
        "frames with an axis whose size an input without time tells",
    ),
    Model(
        "translation-tutorial",
        seq2seq.TutorialSeq2Seq,
        {"src": "int64[batch,source]", "tgt": "int64[batch,time]"},
        "encoder and decoder GRU, the last hidden state between them",
        below=40,
    ),
    Model(
        "cho-2014",
        seq2seq.Cho2014,
        {"src": "int64[batch,source]", "tgt": "int64[batch,time]"},
        "a summary of the source beside every input, repeated over time",
        below=40,
    ),
    Model(
        "sutskever-2014",
        seq2seq.Sutskever2014,
        {"src": "int64[batch,source]", "tgt": "int64[batch,time]"},
        "the states of two LSTM layers handed over; the source is flipped",
        below=40,
    ),
    Model(
        "luong-attention",
        seq2seq.LuongSeq2Seq,
        {"src": "int64[batch,source]", "tgt": "int64[batch,time]"},
        "a bidirectional encoder, a bridge, and attention by bmm with masked padding",
        below=40,
    ),
    Model(
        "transformer-seq2seq",
        seq2seq.TransformerSeq2Seq,
        {"src": "int64[batch,source]", "tgt": "int64[batch,time]"},
        "encoder and decoder layers; keys and values of the source are computed once",
        below=40,
    ),
    Model(
        "torch-transformer",
        seq2seq.TorchTransformer,
        {"src": "int64[batch,source]", "tgt": "int64[batch,time]"},
        "nn.Transformer whole, with a causal mask for the target and a padding mask from the source",
        below=40,
    ),
    Model(
        "film-tcn",
        seq2seq.FilmTCN,
        {"x": "float32[batch,time,5]", "speaker": "float32[batch,4]"},
        "dilated convolutions scaled and shifted by a speaker vector",
    ),
    Model(
        "multi-speaker",
        seq2seq.MultiSpeaker,
        {"mel": "float32[batch,time,6]", "speaker_id": "int64[batch]"},
        "an embedded speaker beside every frame, and the states of two layers",
        below=9,
    ),
    Model(
        "show-and-tell",
        seq2seq.ShowAndTell,
        {"features": "float32[batch,10]", "captions": "int64[batch,time]"},
        "a picture in front of the words: one frame more comes out than went in",
        below=30,
    ),
    Model(
        "show-attend-tell",
        seq2seq.ShowAttendTell,
        {"encoder_out": "float32[batch,4,4,10]", "captions": "int64[batch,time]"},
        "an LSTM started from a picture's mean, attention to its regions",
        below=30,
    ),
    Model(
        "sentence-vae",
        seq2seq.SentenceVAE,
        {"z": "float32[batch,5]", "input_sequence": "int64[batch,time]"},
        "a code viewed as the states of two layers",
        below=30,
    ),
    Model(
        "speech-translation",
        seq2seq.SpeechTranslation,
        {"speech": "float32[batch,source,6]", "tokens": "int64[batch,time]"},
        "the memory is a quarter as long as the source; its mean is an output",
        below=30,
    ),
    Model(
        "dpcrn",
        denoisers.DPCRN,
        {"audio": "float32[batch,time]"},
        "stft and istft with a complex mask; LSTMs over frequency and over time, each in the batch of the other",
        delay=8,  # a window reaches 16 samples, of which 8 lie before its frame, and its first weight is zero
        multiple=8,
        frames=93,
    ),
    Model(
        "gtcrn",
        denoisers.GTCRN,
        {"spec": "float32[batch,17,time,2]"},
        "neighbouring bins unfolded, grouped GRUs along frequency and time, attention over frames",
    ),
    Model(
        "full-sub-net",
        denoisers.FullSubNet,
        {"magnitude": "float32[batch,1,9,time]"},
        "a recurrence for every bin, cut out by a kernel as long as the sequence",
    ),
)
BY_ID = {model.id: model for model in MODELS}
