"""The audio loop writes what the gate makes of the whole recording, behind its lag."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.io.wav import read_wav
from edgeseq.io.windows import root_hann
from examples import audio_loop, gate


def test_the_loop_writes_what_the_whole_recording_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate.main(str(tmp_path), seconds=0.503)
    audio_loop.main(*(str(tmp_path / name) for name in ("gate.onnx", "noisy.wav", "clean.wav")))
    noisy, clean = (read_wav(tmp_path / name)[0][:, 0] for name in ("noisy.wav", "clean.wav"))
    window = root_hann(512)
    padded = np.pad(noisy.astype(np.float64), (256, 512))
    frames = np.stack([padded[j : j + 512] for j in range(0, len(noisy) + 256, 256)])
    spectra = np.fft.rfft(frames * window)
    mask = np.asarray(runtime.load(tmp_path / "gate.onnx").run(np.abs(spectra)[None].astype(np.float32)))
    wanted = np.zeros(len(padded))
    for j, frame in enumerate(np.fft.irfft(mask[0] * spectra) * window):
        wanted[256 * j : 256 * j + 512] += frame
    assert mask.max() - mask.min() > 0.3
    assert len(clean) == len(noisy) + 736
    assert not clean[:736].any()
    np.testing.assert_allclose(clean[736:], wanted[256 : 256 + len(noisy)], atol=1 / 32768)
    printed = capsys.readouterr().out
    assert "736 samples, 15.333 ms at 48,000 Hz (buffering 224 + overlap 256 + look-ahead 256); compute " in printed
    assert re.search(r"(?m)^50 blocks of 10 ms, \d+ missed$", printed)
