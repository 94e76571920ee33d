"""Readers, on files of a few rows in the formats of the data sets."""

from __future__ import annotations

import datetime
import io
import lzma
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tasks.dataset import IGNORED, Split, data_folder
from benchmarks.tasks.readers import ecg, ett, imdb, ptb, speech, stocks, vowels, wikitext
from edgeseq.errors import UsageError


def packed(path: Path, content: str | np.ndarray) -> None:
    if isinstance(content, str):
        path.write_bytes(lzma.compress(content.encode()))
        return
    buffer = io.BytesIO()
    np.save(buffer, content)
    path.write_bytes(lzma.compress(buffer.getvalue()))


def test_reviews_end_on_their_last_word(tmp_path: Path) -> None:
    rows = [f'{number},1,9,"Fine, a ""good"" film!<br />Really good"' for number in range(10)]
    packed(tmp_path / "train.csv.xz", "\n".join(["id,label,rating,text", *rows]) + "\n")
    packed(tmp_path / "test.csv.xz", 'id,label,rating,text\n0,0,1,"not good\nat all"\n')
    data = imdb.read(tmp_path)
    assert (len(data.train), len(data.valid), data.train.targets.tolist()) == (9, 1, [1] * 9)
    good = imdb.vocabulary(["Fine, a good film! Really good"])["good"]
    assert data.train.inputs[0, -1] == good == 2
    assert data.test.inputs[0, -4:].tolist() == [imdb.UNKNOWN, good, imdb.UNKNOWN, imdb.UNKNOWN]
    assert (data.test.inputs[0, :-4] == imdb.PADDING).all()
    assert data.test.targets.tolist() == [0]


def test_words_of_validation_and_test_are_not_learned() -> None:
    numbers = imdb.vocabulary(["a a b", "c"], size=4)
    assert numbers == {"a": 2, "b": 3}
    assert imdb.encoded(["c b a a"], numbers, length=3).tolist() == [[3, 2, 2]]


def test_the_target_is_the_next_word(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        packed(tmp_path / f"ptb.{name}.txt.xz", " the <unk> fell N points \n it rose \n" * 40)
    data = ptb.read(tmp_path)
    assert data.train.inputs.shape == data.train.targets.shape == (2, ptb.LENGTH)
    stream, wanted = data.train.inputs.ravel(), data.train.targets.ravel()
    assert np.array_equal(stream[1:], wanted[:-1])
    assert len(np.unique(stream)) == 8  # seven words and the end of a sentence


def test_beats_are_asked_for_after_their_wave(tmp_path: Path) -> None:
    signal = np.full((8 * ecg.LENGTH * 2, 2), 1024, np.int16)
    signal[8:16, 0] = 1224
    notes = "sample,symbol,aux\n0,+,(N\n8,N,\n800,V,\n1200,F,\n1600,L,\n4090,N,\n"
    for name in (*ecg.TRAIN, *ecg.VALID, *ecg.TEST):
        packed(tmp_path / f"{name}.npy.xz", signal)
        (tmp_path / f"{name}.ann.csv").write_text(notes)
    data = ecg.read(tmp_path)
    assert data.valid.inputs.shape == (2, ecg.LENGTH, ecg.FEATURES)
    assert data.valid.inputs[0, 1].tolist() == [1.0] * 8 + [1.0] + [0.0] * 7
    asked = {int(place): int(data.valid.targets[0, place]) for place in np.flatnonzero(data.valid.targets[0] >= 0)}
    assert asked == {1 + ecg.DECISION: 0, 100 + ecg.DECISION: 1}
    assert (data.valid.targets[1] == IGNORED).all()


def test_training_beats_are_disturbed_and_keep_their_class() -> None:
    signal = np.random.default_rng(0).standard_normal((3, ecg.LENGTH, ecg.FEATURES)).astype(np.float32)
    made = ecg.disturbed(Split(signal, np.zeros((3, ecg.LENGTH), np.int64)))
    gains = made.inputs[:, :, ecg.SAMPLES :] / signal[:, :, ecg.SAMPLES :]
    np.testing.assert_allclose(gains, np.broadcast_to(gains[:, :1, :1], gains.shape), rtol=1e-5)
    base = made.inputs[:, :, : ecg.SAMPLES] - gains[:, :1, :1] * signal[:, :, : ecg.SAMPLES]
    np.testing.assert_allclose(base, np.broadcast_to(base[:, :1, :1], base.shape), atol=1e-5)
    assert len(np.unique(gains[:, 0, 0])) == 3


def test_no_patient_is_in_two_parts() -> None:
    records = [*ecg.TRAIN, *ecg.VALID, *ecg.TEST]
    assert len(set(records)) == len(records) == 8


def test_forecasts_are_changes_scaled_by_training(tmp_path: Path) -> None:
    start = datetime.datetime(2016, 7, 1)
    rows = [
        f"{start + datetime.timedelta(hours=hour)},{','.join(str(hour % part) for part in range(2, 8))},{hour}"
        for hour in range(20 * ett.MONTH + 5)
    ]
    packed(tmp_path / "ETTh1.csv.xz", "\n".join(["date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT", *rows]) + "\n")
    data = ett.read(tmp_path)
    targets = data.test.targets.astype(np.float64)
    assert data.train.inputs.shape[1:] == (ett.LENGTH, ett.FEATURES)
    assert np.isnan(targets[:, : ett.START]).all()
    step = 1 / np.arange(12 * ett.MONTH).std()
    wanted = np.broadcast_to(step * np.arange(1, 25), targets[:, ett.START :].shape)
    np.testing.assert_allclose(targets[:, ett.START :], wanted, rtol=1e-3)
    assert np.ptp(data.valid.inputs[0, :, 0]) == 0  # the same change every hour
    assert np.allclose(data.valid.inputs[0, [6, 18], 1], [1, -1])


def test_tones_land_in_their_band() -> None:
    times = np.arange(speech.RATE_HZ) / speech.RATE_HZ
    waves = np.stack([np.sin(2 * np.pi * hertz * times) for hertz in (300, 3_000)]).astype(np.float32)
    found = speech.features(waves)
    assert found.shape == (2, speech.LENGTH, speech.BANDS) == (2, 98, 40)
    middles = speech.filters().argmax(axis=0) * speech.RATE_HZ / speech.TRANSFORM
    assert abs(middles[found[0].mean(axis=0).argmax()] - 300) < 60
    assert abs(middles[found[1].mean(axis=0).argmax()] - 3_000) < 200


def test_features_look_at_no_later_sample() -> None:
    wave = np.random.default_rng(0).standard_normal((1, 8_000)).astype(np.float32)
    later = wave.copy()
    later[:, 4_000:] = 0
    same = (4_000 - speech.WINDOW) // speech.HOP + 1
    one, other = speech.features(wave), speech.features(later)
    assert np.array_equal(one[:, :same], other[:, :same])
    assert not np.array_equal(one[:, same], other[:, same])


def test_clips_keep_to_the_split_of_their_speakers(tmp_path: Path) -> None:
    clips = np.random.default_rng(0).integers(-9_000, 9_000, (4, speech.RATE_HZ)).astype(np.int16)
    packed(tmp_path / "pcm16.npy.xz", clips)
    labels = ["0,train,yes,yes,a,f", "1,valid,no,no,b,f", "2,test,_silence_,_silence_,c,f", "3,train,_unknown_,up,d,f"]
    (tmp_path / "labels.csv").write_text("\n".join(["row,split,label,word,speaker,file", *labels]) + "\n")
    data = speech.read(tmp_path)
    assert data.train.targets.tolist() == [3, 1] * (speech.COPIES + 1)
    assert (data.valid.targets.tolist(), data.test.targets.tolist()) == ([2], [0])
    np.testing.assert_allclose(data.train.inputs[:2].mean(axis=(0, 1)), 0, atol=1e-4)


def test_lines_end_in_a_word_of_their_own(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        packed(tmp_path / f"{name}.txt.xz", " \n = A = \n It fell . \n" * 40)
    data = wikitext.read(tmp_path)
    assert data.train.inputs.shape == (2, wikitext.LENGTH)
    assert len(np.unique(data.train.inputs)) == 6  # = A It fell . and the end of a line


def test_the_next_return_is_of_adjusted_prices_and_scaled_by_training(tmp_path: Path) -> None:
    start, days = datetime.date(2007, 1, 1), 1_800
    prices = 100 * np.exp(np.random.default_rng(0).standard_normal(days).cumsum() * 0.01)
    rows = [
        f"{start + datetime.timedelta(days=day)},1,2,0.5,7,{1_000 + day % 7},{price!r}"
        for day, price in enumerate(prices.tolist())
    ]
    text = "\n".join(["Date,Open,High,Low,Close,Volume,Adj Close", *rows]) + "\n"
    for name in stocks.STOCKS:
        (tmp_path / f"{name}.csv").write_text(text)
    data = stocks.read(tmp_path)
    returns = np.diff(np.log(prices))
    trained = returns[: (datetime.date(2009, 1, 1) - start).days - 1]
    assert np.isnan(data.train.targets[:, : stocks.START]).all()
    wanted = returns[stocks.START + 1 : stocks.LENGTH + 1] / trained.std()
    np.testing.assert_allclose(data.train.targets[0, stocks.START :, 0], wanted, rtol=1e-3, atol=1e-5)
    seen = (returns[: stocks.LENGTH] - trained.mean()) / trained.std()
    np.testing.assert_allclose(data.train.inputs[0, :, 0], seen, rtol=1e-3, atol=1e-5)
    assert len(data.valid) == len(stocks.STOCKS) * ((730 - 1) // stocks.LENGTH)


def test_a_source_is_its_target_without_vowels(tmp_path: Path) -> None:
    line = (
        " The quick brown fox jumps over the lazy dog again and again , <unk> it is said of it that nobody saw it . \n"
    )
    for name in ("train", "valid", "test"):
        packed(tmp_path / f"{name}.txt.xz", " \n = Heading = \n" + line * 3)
    data = vowels.read(tmp_path)
    assert len(data.train) == 3
    texts = list(vowels.pieces(line))
    assert texts == ["The quick brown fox jumps over the lazy dog"]
    numbers = vowels.characters(texts * 3)
    found = vowels.encoded(["abe"], numbers)
    source, target = np.split(found.inputs[0], [vowels.SOURCE])
    assert source.tolist() == [0] * (vowels.SOURCE - 1) + [numbers["b"]]
    assert target[:5].tolist() == [vowels.START, numbers["a"], numbers["b"], numbers["e"], vowels.PADDING]
    assert found.targets[0, :4].tolist() == [*target[1:4].tolist(), IGNORED]
    assert vowels.encoded(["~"], numbers).targets[0, 0] == vowels.RARE


def test_an_even_choice_of_examples() -> None:
    split = Split(np.arange(10), np.arange(10))
    assert split.spread(4).inputs.tolist() == [0, 3, 6, 9]
    assert split.spread(20) is split


def test_a_folder_must_be_named_and_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGESEQ_DATA", raising=False)
    with pytest.raises(UsageError, match=r"no folder with data\. Give --data, or set EDGESEQ_DATA"):
        data_folder()
    with pytest.raises(UsageError, match="is not there"):
        data_folder(tmp_path / "nowhere")
    monkeypatch.setenv("EDGESEQ_DATA", str(tmp_path))
    assert data_folder() == tmp_path


@pytest.mark.parametrize(
    "read", [imdb.read, ptb.read, ecg.read, ett.read, speech.read, stocks.read, vowels.read, wikitext.read]
)
def test_a_missing_file_is_named(read: object, tmp_path: Path) -> None:
    assert callable(read)
    with pytest.raises(UsageError, match=r"a file of the data set is not there at .*\.(xz|csv)"):
        read(tmp_path)


def test_a_file_that_is_not_xz_is_named(tmp_path: Path) -> None:
    (tmp_path / "ptb.train.txt.xz").write_text("words")
    with pytest.raises(UsageError, match=r"not xz at .*ptb\.train"):
        ptb.read(tmp_path)
