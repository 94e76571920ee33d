"""``edgeseq run``: arrays and sound through a stream."""

from __future__ import annotations

import json
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result

from edgeseq.cli import main
from edgeseq.cli.arrays import shape_sound
from edgeseq.contract import Contract, Length, Port
from edgeseq.errors import UsageError
from edgeseq.io.wav import read_wav
from tests import handmade

Array = npt.NDArray[Any]

CONVERT = "(wanted 16-, 24- or 32-bit PCM). Convert it to a .wav of 16-bit PCM, or give the samples as .npy."


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["run", *map(str, arguments)])


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def saved(path: Path, array: Array) -> Path:
    np.save(path, array)
    return path


@pytest.fixture
def conv(tmp_path: Path) -> Path:
    return Path(handmade.centred_conv().save(tmp_path / "m.onnx"))


def echo(shape: tuple[int | str, ...] = ("batch", "time"), **changes: Any) -> handmade.Handmade:
    """A file that gives back what it is given."""
    axes = ",".join(map(str, shape))
    time = shape.index("time")
    ports = (
        Port("x", "frame", "float32", shape, time_axis=time),
        Port("y", "output", "float32", shape, time_axis=time, length=Length()),
    )
    graph = f"echo (float[{axes}] x) => (float[{axes}] y) {{ y = Identity(x) }}"
    return handmade.Handmade(graph, {}, Contract(ports=ports, states=(), **changes), lambda x: (x,))


def write_sound(path: Path, samples: Array, rate: int = 16000, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(samples.shape[1] if samples.ndim > 1 else 1)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        sound.writeframes(samples.astype(f"<i{width}").tobytes())
    return path


@pytest.mark.parametrize("chunk", [[], ["--chunk", "3"], ["--chunk", "100"]], ids=" ".join)
def test_array_with_a_batch(conv: Path, tmp_path: Path, chunk: list[str]) -> None:
    x = noise(2, 7, 2)
    result = invoke(conv, saved(tmp_path / "x.npy", x), "-o", tmp_path / "y.npy", *chunk)
    assert result.exit_code == 0, result.output
    assert result.output == f"7 frames in, y [2, 7, 2] -> {tmp_path / 'y.npy'}\n"
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), handmade.centred_conv().whole(x)[0], rtol=1e-5, atol=1e-6)


def test_array_without_a_batch(conv: Path, tmp_path: Path) -> None:
    x = noise(7, 2)
    result = invoke(conv, saved(tmp_path / "x.npy", x), "-o", tmp_path / "y.npy")
    assert result.exit_code == 0, result.output
    expected = handmade.centred_conv().whole(x[None])[0][0]
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=1e-5, atol=1e-6)


def test_a_length_that_fills_no_multiple(tmp_path: Path) -> None:
    made = handmade.strided_conv()
    x = noise(1, 8, 2)
    made.save(tmp_path / "m.onnx")
    result = invoke(tmp_path / "m.onnx", saved(tmp_path / "x.npy", x), "-o", tmp_path / "y.npy", "--chunk", 3)
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), made.whole(x)[0], rtol=1e-5, atol=1e-6)


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    made = handmade.scaled_sum()
    made.save(tmp_path / "m.onnx")
    a, b, scale = noise(1, 5, 2), noise(1, 5, 2, seed=1), noise(1, 2, seed=2)
    named = [
        f"--input={name}={saved(tmp_path / f'{name}.npy', array)}"
        for name, array in {"b": b[0], "scale": scale[0]}.items()
    ]
    result = invoke(
        tmp_path / "m.onnx", saved(tmp_path / "a.npy", a[0]), *named, "-o", tmp_path / "y.npz", "--json", "-"
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "format": "edgeseq.run",
        "version": 1,
        "path": str(tmp_path / "m.onnx"),
        "output": str(tmp_path / "y.npz"),
        "frames": 5,
        "shapes": {"y": [1, 5, 2], "sum": [1, 2]},
    }
    y, total = made.whole(a, b, scale)
    with np.load(tmp_path / "y.npz") as outputs:
        np.testing.assert_allclose(outputs["y"], y[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(outputs["sum"], total[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [("batch", "time"), ("batch", "time", 1), ("batch", 1, "time")], ids=str)
def test_sound_comes_back_as_it_was(shape: tuple[int | str, ...], tmp_path: Path) -> None:
    echo(shape).save(tmp_path / "m.onnx")
    samples = np.random.default_rng(0).integers(-32768, 32768, 50)
    result = invoke(tmp_path / "m.onnx", write_sound(tmp_path / "x.wav", samples), "-o", tmp_path / "y.wav")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "y.wav").read_bytes() == (tmp_path / "x.wav").read_bytes()


def test_sound_with_two_channels(tmp_path: Path) -> None:
    echo(("batch", "time", 2)).save(tmp_path / "m.onnx")
    samples = np.random.default_rng(0).integers(-32768, 32768, (50, 2))
    result = invoke(tmp_path / "m.onnx", write_sound(tmp_path / "x.wav", samples), "-o", tmp_path / "y.wav")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "y.wav").read_bytes() == (tmp_path / "x.wav").read_bytes()


def test_sound_is_read_between_minus_one_and_one(tmp_path: Path) -> None:
    samples, rate = read_wav(write_sound(tmp_path / "x.wav", np.array([-32768, 0, 16384, 32767]), rate=8000))
    np.testing.assert_array_equal(samples[:, 0], np.array([-1, 0, 0.5, 32767 / 32768], np.float32))
    assert rate == 8000


@pytest.mark.parametrize(
    ("period", "rate", "wanted"),
    [
        (1 / 16000, 8000, "16,000 Hz"),
        (1 / 48000, 47952, "48,000 Hz"),
        (1 / 44100, 44056, "44,100 Hz"),
        (22.7e-6, 44100, "44,052.9 Hz"),
        (0.008, 16000, "125 Hz"),
    ],
)
def test_sound_of_another_rate_is_refused(
    period: float, rate: int, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    echo(frame_period=period).save(Path("m.onnx"))
    result = invoke("m.onnx", write_sound(Path("x.wav"), np.zeros(4), rate), "-o", "y.wav")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: wrong sample rate at x.wav (got {rate:,} Hz, wanted {wanted}). Resample it to {wanted}.\n"
    )
    assert not Path("y.wav").exists()


@pytest.mark.parametrize(
    ("period", "rate"), [(1 / 44100, 44100), (22.676e-6, 44100), (62.5e-6, 16000), (None, 8000), (1 / 11025, 11025)]
)
def test_sound_of_the_right_rate_is_taken(period: float | None, rate: int, tmp_path: Path) -> None:
    echo(frame_period=period).save(tmp_path / "m.onnx")
    sound = write_sound(tmp_path / "x.wav", np.arange(4), rate)
    result = invoke(tmp_path / "m.onnx", sound, "-o", tmp_path / "y.wav")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "y.wav").read_bytes() == sound.read_bytes()


def doubled(**changes: Any) -> handmade.Handmade:
    """A file whose input and output have two samples per base frame."""
    ports = (
        Port("x", "frame", "float32", ("batch", "time"), time_axis=1, ratio=Fraction(2)),
        Port("y", "output", "float32", ("batch", "time"), 1, Fraction(2), length=Length(frames=2)),
    )
    graph = "echo (float[batch,time] x) => (float[batch,time] y) { y = Identity(x) }"
    return handmade.Handmade(graph, {}, Contract(ports=ports, states=(), **changes), lambda x: (x,))


def test_the_rate_is_that_of_the_input_not_of_its_base_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    doubled(frame_period=1 / 8000).save(Path("m.onnx"))
    samples = np.random.default_rng(0).integers(-32768, 32768, 50)
    assert invoke("m.onnx", write_sound(Path("x.wav"), samples), "-o", "y.wav").exit_code == 0
    assert Path("y.wav").read_bytes() == Path("x.wav").read_bytes()
    refused = invoke("m.onnx", write_sound(Path("x.wav"), samples, 8000), "-o", "y.wav")
    assert "wrong sample rate at x.wav (got 8,000 Hz, wanted 16,000 Hz)" in refused.stderr


def test_sounds_of_different_rates_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ports = (
        Port("a", "frame", "float32", ("batch", "time"), time_axis=1),
        Port("b", "frame", "float32", ("batch", "time"), time_axis=1),
        Port("y", "output", "float32", ("batch", "time"), time_axis=1, length=Length()),
    )
    graph = "sum (float[batch,time] a, float[batch,time] b) => (float[batch,time] y) { y = Add(a, b) }"
    handmade.Handmade(graph, {}, Contract(ports=ports, states=()), lambda a, b: (a + b,)).save(Path("m.onnx"))
    write_sound(Path("a.wav"), np.zeros(4), 8000)
    write_sound(Path("b.wav"), np.zeros(4), 44100)
    result = invoke("m.onnx", "--input=a=a.wav", "--input=b=b.wav", "-o", "y.npy")
    assert result.stderr == (
        "error: sounds of sample rates that do not fit together (got a.wav 8,000 Hz, b.wav 44,100 Hz). Resample them.\n"
    )


def test_an_array_has_no_rate(tmp_path: Path) -> None:
    echo(frame_period=1 / 16000).save(tmp_path / "m.onnx")
    result = invoke(tmp_path / "m.onnx", saved(tmp_path / "x.npy", noise(1, 4)), "-o", tmp_path / "y.npy")
    assert result.exit_code == 0, result.output


def test_sound_for_a_port_that_takes_features() -> None:
    port = Port("x", "frame", "float32", ("batch", "time", 64), time_axis=1)
    with pytest.raises(UsageError) as caught:
        shape_sound(np.zeros((10, 1), np.float32), port, "x.wav")
    assert str(caught.value) == (
        "input 'x' does not take this sound at x.wav (got 1 channel for float32[batch,time,64], wanted one float32 "
        "sample per frame and channel). Make the frames yourself and give them as .npy."
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"cannot read sound at x.wav: the file is cut short {CONVERT}"),
        (b"not sound at all", f"cannot read sound at x.wav: file does not start with RIFF id {CONVERT}"),
        (None, "no such input file (got x.wav)."),
    ],
)
def test_what_is_no_sound(content: bytes | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    echo().save(tmp_path / "m.onnx")
    if content is not None:
        Path("x.wav").write_bytes(content)
    result = invoke("m.onnx", "x.wav", "-o", "y.wav")
    assert (result.exit_code, result.stderr) == (2, f"error: {message}\n")


def test_sound_of_eight_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    echo().save(tmp_path / "m.onnx")
    write_sound(Path("x.wav"), np.zeros(4), width=1)
    result = invoke("m.onnx", "x.wav", "-o", "y.wav")
    assert result.stderr == (
        "error: cannot read sound at x.wav (got 8-bit samples, wanted 16-, 24- or 32-bit PCM). "
        "Convert it to a .wav of 16-bit PCM, or give the samples as .npy.\n"
    )


def test_the_suffix_of_sound_may_be_in_capitals(tmp_path: Path) -> None:
    echo().save(tmp_path / "m.onnx")
    result = invoke(tmp_path / "m.onnx", write_sound(tmp_path / "X.WAV", np.zeros(4)), "-o", tmp_path / "y.npy")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.npy", "-o", "y.txt"], "cannot write outputs (got .txt, wanted .npy, .npz or .wav)."),
        (["x.npy", "-o", "y.wav"], "cannot write sound: the input is no sound (wanted a .npy file)."),
        (["x.npy", "-o", "nowhere/y.npy"], "no such folder (got nowhere)."),
        (["x.txt", "-o", "y.npy"], "cannot read an input at x.txt (got .txt, wanted .npy or .wav)."),
        (["gone.npy", "-o", "y.npy"], "no such input file (got gone.npy)."),
        (["-o", "y.npy"], "an input is missing (got none, wanted x)."),
        (["--input", "z=x.npy", "-o", "y.npy"], "no such input (got z, wanted x)."),
        (["x.npy", "--input", "x=x.npy", "-o", "y.npy"], "two files for input 'x' (got x.npy and x.npy)."),
        (["none.npy", "-o", "y.npy"], "the input holds no frames at none.npy (wanted at least one)."),
        (
            ["flat.npy", "-o", "y.npy"],
            "input 'x' has the wrong rank at flat.npy (got [3], wanted [batch, time, 2], with or without batch).",
        ),
    ],
    ids=lambda case: " ".join(case) if isinstance(case, list) else "",
)
def test_says_what_is_wrong(
    arguments: list[str], message: str, conv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(Path("x.npy"), noise(5, 2))
    saved(Path("none.npy"), noise(0, 2))
    saved(Path("flat.npy"), noise(3))
    Path("x.txt").write_text("1 2 3")
    result = invoke(conv, *arguments)
    assert (result.exit_code, result.stderr) == (2, f"error: {message}\n")


def test_a_wrong_dtype_is_the_runtimes_to_refuse(conv: Path, tmp_path: Path) -> None:
    result = invoke(conv, saved(tmp_path / "x.npy", noise(5, 2).astype(np.float64)), "-o", tmp_path / "y.npy")
    assert result.exit_code == 1
    assert "x.astype(np.float32)" in result.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.onnx", "x.npy"]


def test_two_outputs_need_an_archive(tmp_path: Path) -> None:
    handmade.scaled_sum().save(tmp_path / "m.onnx")
    a = saved(tmp_path / "a.npy", noise(5, 2))
    named = [f"--input=b={a}", f"--input=scale={saved(tmp_path / 's.npy', noise(2))}"]
    result = invoke(tmp_path / "m.onnx", a, *named, "-o", tmp_path / "y.npy")
    assert result.stderr == "error: 2 outputs do not fit into one array (got y.npy, wanted a .npz file).\n"


def test_inputs_of_different_lengths(tmp_path: Path) -> None:
    handmade.scaled_sum().save(tmp_path / "m.onnx")
    named = [f"--input={name}={saved(tmp_path / f'{name}.npy', noise(n, 2))}" for name, n in (("a", 5), ("b", 4))]
    result = invoke(tmp_path / "m.onnx", *named, "-o", tmp_path / "y.npz")
    assert result.stderr == "error: inputs of different lengths (got a 5, b 4).\n"


def test_the_shape_that_is_wrong_is_that_of_the_file(conv: Path, tmp_path: Path) -> None:
    path = saved(tmp_path / "x.npy", noise(77, 3))
    result = invoke(conv, path, "-o", tmp_path / "y.npy")
    assert result.exit_code == 2
    assert (
        f"input 'x' has the wrong shape at {path} (got [1, 77, 3], wanted [batch, time, 2], with or without batch)."
        in (result.stderr)
    )


def test_conditioning_that_is_missing_names_the_option(tmp_path: Path) -> None:
    path = handmade.scaled_sum().save(tmp_path / "m.onnx")
    files = [f"--input={name}={saved(tmp_path / f'{name}.npy', noise(1, 4, 2))}" for name in ("a", "b")]
    result = invoke(path, *files, "-o", tmp_path / "y.npz")
    assert result.exit_code == 2
    assert "input 'scale' is missing. Give it with --input scale=FILE.npy." in result.stderr
    assert not (tmp_path / "y.npz").exists()
