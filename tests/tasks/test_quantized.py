"""What quantization costs on tasks: the verdicts and their reasons, the page, and that a model is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import edgeseq
from benchmarks.quantized_tasks import PAGE, RESULT, measured
from benchmarks.tasks import evaluating
from benchmarks.tasks.catalogue import TASKS
from benchmarks.tasks.models import KINDS
from benchmarks.tasks.quantized import Row, Tasks, Weights
from benchmarks.tasks.quantized_page import page

NODES = (
    Weights("entry", "int4 (blocks, groups of 128)", 80_000, 10_000, 20.0, 30.0),
    Weights("head", "int4 (blocks, groups of 128)", 10_000, 2_000, 40.0, 14.0),
)
ROW = Row(
    task="imdb",
    model="gru",
    kind="int4-weights",
    metric="accuracy",
    lower_is_better=False,
    answers=1_000,
    before=0.8,
    after=0.79,
    lost=0.0125,
    snr_db=25.0,
    file_bytes_before=98_304,
    file_bytes_after=13_312,
    long_run="steady",
    nodes=NODES,
    groups=((144, 32),),
    left=(),
)
RESULTS = Tasks(
    rows=(ROW, replace(ROW, kind="int8-dynamic"), replace(ROW, kind="fp16"), replace(ROW, task="ett", snr_db=12.0)),
    settings={"int4-weights": {"only": ["*"], "one_frame": None, "group": 128}, "fp16": {"only": ["*"]}},
    machine={"cpu": "a processor", "architecture": "riscv", "usable_cores": 1, "cores": 2, "system": "a system"},
    versions={"edgeseq": "1.2.3", "numpy": "4.5.6"},
    others_cores=0.25,
    date="2026-01-02",
)


def test_a_row_that_holds_misses_nothing() -> None:
    assert ROW.missed == ()
    assert replace(ROW, kind="fp16", snr_db=3.0, lost=0.5).missed == ()
    assert replace(ROW, kind="int8-dynamic", lost=-0.1).missed == ()
    assert replace(ROW, kind="int8-dynamic", lost=0.005).missed == ()


def test_what_is_missed_names_the_node_that_costs_most() -> None:
    assert replace(ROW, kind="int8-dynamic").missed == ("accuracy loses 1.25%: head costs most, 14.0 dB alone",)
    assert replace(ROW, snr_db=14.9).missed == ("14.9 dB: head costs most, 14.0 dB alone",)


def test_a_loss_that_one_answer_makes_says_so() -> None:
    (told,) = replace(ROW, kind="int8-dynamic", answers=100).missed
    assert told.endswith("; one of 100 answers is 1.25%")


def test_a_file_that_is_too_large_says_what_is_in_it() -> None:
    told = replace(ROW, file_bytes_before=80_000, left=(("conv", "it is small"),)).missed
    assert told == (
        "6.01 times smaller: conv stays in float: it is small; head is 5.00 times smaller (144 inputs in groups of 32)"
        "; 1 of 13 KiB are no quantized weights",
    )


def test_a_result_is_read_as_it_was_written() -> None:
    assert Tasks.from_json(RESULTS.to_json()) == RESULTS
    with pytest.raises(ValueError, match=r"not a result of format 'edgeseq\.quantized_tasks', version 1"):
        Tasks.from_json('{"format": "edgeseq.benchmark", "version": 1}')


def test_the_page_holds_the_machine_a_table_per_task_and_what_is_missed() -> None:
    text = page(RESULTS)
    assert "- Machine: a processor, riscv, 1 of 2 cores, a system; other programs kept up to 0.2 cores busy" in text
    assert "- Versions: edgeseq 1.2.3, numpy 4.5.6\n- Date: 2026-01-02\n" in text
    assert "- Settings: int4-weights: group 128; fp16\n" in text
    assert "2 of 3 files:\n\n- imdb gru, int8-dynamic: accuracy loses 1.25%: head costs most, 14.0 dB alone\n" in text
    assert "- ett gru, int4-weights: 12.0 dB: head costs most, 14.0 dB alone\n" in text
    assert "## IMDB: whether a review is good\n\naccuracy, of which more is better, over 1,000 answers.\n" in text
    assert "| gru | int4-weights | 0.8000 | 0.7900 | 1.25% | 25.0 dB | 1/7.38 | steady | holds |\n" in text
    assert "| gru | int8-dynamic | 0.8000 | 0.7900 | 1.25% | 25.0 dB | 1/7.38 | steady | **missed** |\n" in text
    assert "| gru | fp16 | 0.8000 | 0.7900 | 1.25% | 25.0 dB | 1/7.38 | steady |  |\n" in text


def test_the_page_is_what_the_stored_result_gives() -> None:
    stored = Tasks.from_json(RESULT.read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == page(stored)
    assert {(row.task, row.model) for row in stored.rows} == {(task, kind) for task in TASKS for kind in KINDS}


def test_a_model_is_measured_with_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(TASKS["ett"], length=24, parameters=60_000, layers=1)
    monkeypatch.setitem(TASKS, "ett", small)
    folder = tmp_path / "ett" / "gru"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    edgeseq.export(small.make("gru"), small.inputs, folder / "float.onnx", golden=False)
    drawn = np.random.default_rng(0)
    frames = drawn.standard_normal((6, 24, small.features)).astype(np.float32)
    targets = drawn.standard_normal((6, 24, small.answers)).astype(np.float32)
    targets[:, :12] = np.nan
    evaluating.write_arrays(tmp_path / "ett" / "calibration.npz", {"frames": frames})
    evaluating.write_arrays(tmp_path / "ett" / "evaluation.npz", {"frames": frames, "targets": targets})
    rows = {row.kind: row for row in measured(tmp_path, "ett", "gru")}
    assert list(rows) == ["int8-dynamic", "int8-static", "int4-weights", "fp16"]
    assert {row.answers for row in rows.values()} == {6 * 12 * small.answers}
    assert all(row.lower_is_better and row.metric == "mse" for row in rows.values())
    noise = {kind: row.snr_db or 0.0 for kind, row in rows.items()}
    assert noise["fp16"] > noise["int8-dynamic"] > noise["int4-weights"] > 10
    assert rows["int4-weights"].groups != ()
    assert rows["int4-weights"].smaller > rows["int8-dynamic"].smaller > rows["fp16"].smaller > 1.5
