"""The corpus of published models: each streams exactly, is refused for the reason foreseen, or is owed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import edgeseq
from edgeseq.errors import EdgeseqError
from tests.published.corpus import BY_ID, ROWS
from tests.published.document import PAGE, line
from tests.published.owed import OWED, UNTRIED
from tests.published.row import Published, Refused, Streams
from tests.published.trial import one_thread, stream_and_compare

#: The models are the outside world: they call what torch has deprecated since, and torch warns of their options.
pytestmark = pytest.mark.filterwarnings("ignore")
#: They take the longest, up to ten seconds each, and others of their families are tried in every run.
LONG = {
    *("annotated-decoder", "annotated-translator", "bahdanau-seq2seq", "conv-tasnet-cumulative", "convlstm"),
    *("decision-transformer", "dtln", "encodec", "encodec-reflect", "gtcrn", "mamba-minimal", "qrnn", "rwkv-4", "sru"),
}
TESTED = [row for row in ROWS if row.id not in OWED and row.id not in UNTRIED]


def named(rows: list[Published]) -> list[object]:
    return [pytest.param(row, id=row.id, marks=[pytest.mark.thorough] if row.id in LONG else []) for row in rows]


@pytest.mark.parametrize("row", named([row for row in TESTED if isinstance(row.expected, Streams)]))
def test_the_model_streams_as_foreseen(row: Published) -> None:
    assert isinstance(row.expected, Streams)
    with one_thread():
        streamed = stream_and_compare(row)
    assert row.expected.delay in (None, streamed.contract.delay)
    assert line(row, streamed) in PAGE.read_text(encoding="utf-8"), "docs/models.md is out of date: make docs"


@pytest.mark.parametrize("row", named([row for row in TESTED if isinstance(row.expected, Refused)]))
def test_the_model_is_refused_for_its_reason(row: Published) -> None:
    assert isinstance(row.expected, Refused)
    with pytest.raises(EdgeseqError, match=re.escape(row.expected.says)):
        stream_and_compare(row)
    assert line(row, None) in PAGE.read_text(encoding="utf-8"), "docs/models.md is out of date: make docs"


@pytest.mark.thorough
@pytest.mark.parametrize("row", named([row for row in ROWS if row.id in OWED]))
def test_what_is_owed_is_still_refused(row: Published) -> None:
    """Fails as soon as the model streams, or is refused in other words: then the table of debts has to say so."""
    with pytest.raises(EdgeseqError, match=re.escape(OWED[row.id])), one_thread():
        stream_and_compare(row)


def test_every_debt_is_a_model_and_stands_once() -> None:
    assert {*OWED, *UNTRIED} <= set(BY_ID)
    assert not OWED.keys() & UNTRIED.keys()


@pytest.mark.thorough
@pytest.mark.parametrize("row", named([row for row in TESTED if row.exported]))
def test_the_model_exports(row: Published, tmp_path: Path) -> None:
    with one_thread():
        exported = edgeseq.export(row.build(), row.inputs, tmp_path / "m.onnx", golden=False)
    assert exported.verification.passed
