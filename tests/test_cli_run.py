"""``edgeseq run``: arrays and sound through a stream."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result

from edgeseq.cli import main
from edgeseq.cli.arrays import shape_sound
from edgeseq.cli.sound import read_wav
from edgeseq.contract import Contract, Length, Port
from edgeseq.errors import UsageError
from tests import handmade

Array = npt.NDArray[Any]


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


def test_sound_of_another_rate_is_refused(tmp_path: Path) -> None:
    echo(frame_period=1 / 16000).save(tmp_path / "m.onnx")
    result = invoke(tmp_path / "m.onnx", write_sound(tmp_path / "x.wav", np.zeros(4), 8000), "-o", tmp_path / "y.wav")
    assert result.exit_code == 2
    assert result.stderr == "error: wrong sample rate (got 8000 Hz, wanted 16000 Hz).\n"


def test_sound_for_a_port_that_takes_features() -> None:
    port = Port("x", "frame", "float32", ("batch", "time", 64), time_axis=1)
    with pytest.raises(UsageError) as caught:
        shape_sound(np.zeros((10, 1), np.float32), port)
    assert str(caught.value) == (
        "input 'x' does not take this sound (got 1 channel for float32[batch,time,64], wanted one float32 sample per "
        "frame and channel). Make the frames yourself and give them as .npy."
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot read sound at x.wav: the file is cut short."),
        (b"not sound at all", "cannot read sound at x.wav: file does not start with RIFF id."),
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
    assert result.stderr == "error: cannot read sound at x.wav (got 8-bit samples, wanted 16-bit PCM).\n"


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
        (["none.npy", "-o", "y.npy"], "the input holds no frames (wanted at least one)."),
        (
            ["flat.npy", "-o", "y.npy"],
            "input 'x' has the wrong rank (got [3], wanted [batch, time, 2], with or without batch).",
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
    result = invoke(conv, saved(tmp_path / "x.npy", noise(77, 3)), "-o", tmp_path / "y.npy")
    assert result.exit_code == 2
    assert "input 'x' has the wrong shape (got [1, 77, 3], wanted [batch, time, 2], with or without batch)." in (
        result.stderr
    )


def test_conditioning_that_is_missing_names_the_option(tmp_path: Path) -> None:
    path = handmade.scaled_sum().save(tmp_path / "m.onnx")
    files = [f"--input={name}={saved(tmp_path / f'{name}.npy', noise(1, 4, 2))}" for name in ("a", "b")]
    result = invoke(path, *files, "-o", tmp_path / "y.npz")
    assert result.exit_code == 2
    assert "input 'scale' is missing. Give it with --input scale=FILE.npy." in result.stderr
    assert not (tmp_path / "y.npz").exists()
