"""What the readers of the study alone make of the real data sets, where they are there."""

from __future__ import annotations

import os

import numpy as np
import pytest

from benchmarks.study.catalogue import QUESTIONS
from benchmarks.tasks.dataset import data_folder

#: Windows of 64 days of four stocks; 2,088,628, 217,646 and 245,569 words in windows of 128.
SIZES = {"stocks": (1_879, 28, 32), "wikitext": (16_317, 1_700, 1_918)}


@pytest.mark.skipif(not os.environ.get("EDGESEQ_DATA"), reason="EDGESEQ_DATA names no folder with the data sets")
@pytest.mark.parametrize("name", SIZES)
def test_real_data_has_its_published_parts(name: str) -> None:
    question = QUESTIONS[name]
    data = question.data(data_folder())
    assert (len(data.train), len(data.valid), len(data.test)) == SIZES[name]
    for split in (data.train, data.valid, data.test):
        assert split.inputs.shape[1] == split.targets.shape[1] == question.crop
    if question.words:
        assert int(data.train.inputs.max()) == question.words - 1
    else:
        assert np.nanstd(data.train.targets) == pytest.approx(1, abs=0.05)
