"""The page says what the numbers say, and something else when they are others."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.study import answers, charts, deciding
from benchmarks.study.literature import literature_sentences
from benchmarks.study.page import page, write_page
from benchmarks.study.reading import Results, read_results
from edgeseq.errors import UsageError
from tests.study.results import experiment, fixed, flat, model, subject, typical, write


def results(tmp_path: Path, documents: dict[str, dict[str, Any]] | None = None) -> Results:
    return read_results(write(tmp_path / "study", documents or typical()))


def test_the_first_position_is_named_from_which_a_transformer_is_slower(tmp_path: Path) -> None:
    said = answers.cost_sentences(results(tmp_path).experiments["position"])
    assert said == [
        "From position 16 to 512 the Transformer's step becomes 13.3 times as long.",
        "It is slower than the GRU from position 64 on: 10.0 times at 512.",
        "It is slower than the Transformer, last 64 from position 64 on: 8.9 times at 512.",
    ]


@pytest.mark.parametrize(
    ("slow_us", "said"),
    [
        (60.0, "It is slower than the GRU at every measured position, 16 the first: 1.5 times at 512."),
        (40.0, "It is not slower than the GRU at 512 (no visible difference)."),
        (20.0, "It is not slower than the GRU at 512 (0.50 times)."),
    ],
)
def test_other_numbers_make_other_sentences(slow_us: float, said: str, tmp_path: Path) -> None:
    found = experiment(
        "position", subject("gru", flat(40.0), fixed(1)), subject("transformer", flat(slow_us), fixed(1))
    )
    assert (
        answers.cost_sentences(results(tmp_path, {**typical(), "position": found}).experiments["position"])[1] == said
    )


def test_too_few_processes_tell_nothing(tmp_path: Path) -> None:
    few = [subject(name, flat(step), fixed(1), runs=3) for name, step in (("gru", 40.0), ("transformer", 80.0))]
    found = results(tmp_path, {**typical(), "position": experiment("position", *few)}).experiments["position"]
    assert answers.cost_sentences(found)[1] == "Against the GRU: 2.0 times at 512, of too few processes to tell."


def test_memory_bits_streams_and_window(tmp_path: Path) -> None:
    found = results(tmp_path)
    assert answers.memory_sentences(found.experiments["position"]) == [
        "At position 512 a stream carries from 2.0 KiB (GRU) to 1.9 MiB (Transformer), 977 times as much. It grows "
        "with the stream in Transformer; in all others it is fixed."
    ]
    assert answers.quantized_sentences(found.experiments["quantized"]) == [
        "GRU, int8: 2.00 times as fast, file 1/4.0, quality 0.900 to 0.890.",
        "GRU, int4: no visible difference in time, file 1/8.0, quality 0.900 to 0.800.",
    ]
    assert answers.streams_sentences(found.experiments["streams"])[0].startswith("At the pace of its frames one core")
    assert answers.sliding_sentences(found) == [
        "At position 16 the window's step: 1.50 times as long, 244 KiB in place of 39.1 KiB.",
        "At position 512 the window's step: 8.89 times as fast, 244 KiB in place of 1.9 MiB.",
        "Quality, whole to window: ecg 0.95 to 0.94, ett 0.04 to 0.041.",
    ]


def test_forecasts_are_held_against_no_change(tmp_path: Path) -> None:
    found = typical()
    found["training"]["baselines"] = {"ett": 0.05}
    for one in found["training"]["models"]:
        if one["task"] == "ett":
            one["direction"] = 0.6 if one["kind"] == "gru" else 0.5
    assert answers.forecast_sentences(results(tmp_path, found)) == [
        "ETT: the next 24 hours: no change would have an error of 0.05, the models have from 0.03 (GRU) to 0.041 "
        "(Transformer, last 64); up or down is right in 50.0% to 60.0%."
    ]


def test_a_second_engine_says_how_much_a_gpt_grows_in_it(tmp_path: Path) -> None:
    def timed(engine: str, case: str, step_ns: int) -> dict[str, Any]:
        return {"engine": engine, "case": case, "series": {"back_to_back": {"p50": {"runs_ns": [step_ns] * 3}}}}

    late, early = timed("openvino", "gpt-6x384-at-4096", 900_000), timed("openvino", "gpt-6x384-at-64", 300_000)
    refused = {"engine": "other", "case": "gpt-6x384-at-64", "series": {}}
    subjects = [late, refused, early, timed("other", "gru-1x128", 5)]
    peers = {"engines": {"openvino": {"name": "OpenVINO"}, "other": {"name": "another"}}, "subjects": subjects}
    found = replace(results(tmp_path), peers=peers)
    assert answers.peers_sentences(found) == [
        "Of the GPT in [other engines](peers.md) a step at 4,096 takes, of that at 64, 3.0 times (OpenVINO) to 3.0 "
        "times (OpenVINO): it grows in every engine.",
        "OpenVINO 300 to 900 us.",
    ]
    assert answers.peers_sentences(results(tmp_path)) == []


def test_decisions_follow_deadline_memory_and_history(tmp_path: Path) -> None:
    taken = {(one.deadline_us, one.memory, one.history): one.kinds for one in deciding.choices(results(tmp_path))}
    small, large = 64 * 1024, 1024 * 1024
    assert taken[50, small, 64] == {"ecg": "gru", "ett": "gru"}  # neither window nor cache fits
    assert taken[50, large, 64] == {"ecg": "sliding", "ett": "gru"}  # within 2 % of the best, and faster
    assert taken[1_000, None, 512]["ecg"] == "sliding"
    slow = copy.deepcopy(typical())
    for one in slow["position"]["comparison"]["subjects"]:
        one["latency"]["series"] = [
            {**s, "quantiles": {"p50": {"runs_ns": []}, "p90": {"runs_ns": []}, "p99": {"runs_ns": []}}}
            for s in one["latency"]["series"]
        ]
    assert deciding.choices(results(tmp_path, slow))[0].kinds == {"ecg": None, "ett": None}


def test_a_files_own_quality_counts_before_its_modules(tmp_path: Path) -> None:
    scored = experiment("quality-ecg", subject("gru", flat(1.0), fixed(1), quality=0.7))
    found = results(tmp_path, {**typical(), "quality-ecg": scored})
    assert found.metrics("ecg") == {"gru": 0.7, "transformer": 0.95, "sliding": 0.94}


def test_what_looks_ahead_is_scored_as_module_and_as_file(tmp_path: Path) -> None:
    found = typical()
    found["training"]["models"].append(model("ecg", "bert", 0.9))
    assert answers.approximation_sentences(results(tmp_path, found)) == []
    scored = experiment("quality-ecg", *(subject(name, flat(1.0), fixed(1), quality=0.7) for name in ("gru", "bert")))
    assert answers.approximation_sentences(results(tmp_path, {**found, "quality-ecg": scored})) == [
        "BERT encoder, whole module to streamed file, which looks ahead only so far: ecg 0.9 to 0.7."
    ]


def test_a_page_is_whole_and_the_same_for_the_same_numbers(tmp_path: Path) -> None:
    folder = write(tmp_path / "study", typical())
    write_page(folder, tmp_path / "docs")
    text = (tmp_path / "docs" / "study.md").read_text()
    assert max(map(len, (line for line in text.splitlines() if not line.startswith("|")))) <= 120
    for image in {line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")}:
        drawn = (tmp_path / "docs" / image).read_text()
        assert "</svg>" in drawn
        assert len(drawn) < 100_000
    assert "GRU: 200,000 parameters reach 0.910" not in text  # no experiment at equal quality, no section
    assert "- No self-check of this machine yet" in text
    first = (tmp_path / "docs" / "study" / "position.svg").read_text()
    assert charts.cost(read_results(folder).experiments["position"]) == first


def test_equal_quality_names_who_reaches_it_and_who_does_not(tmp_path: Path) -> None:
    found = typical()
    names = ("gru-x0.5", "transformer")
    again = experiment("equal-quality", *(subject(name, flat(40.0), fixed(1)) for name in names))
    text = page(results(tmp_path, {**found, "equal-quality": again})).replace("\n  ", " ")
    assert "- GRU: 200,000 parameters reach 0.910, 0.860 being wanted." in text
    assert "- RNN: 0.860 is reached at no size, 0.500 at best; left out." in text
    assert "not slower than the GRU (x0.5) at 512" in text


def row(task: str, kind: str, metric: float, spread: float) -> dict[str, Any]:
    value = {"mean": metric, "least": metric - spread, "most": metric + spread}
    epochs = {"mean": 4.0 if task == "imdb" else 0.5, "least": 0.0, "most": 4.0}
    return {"task": task, "kind": kind, "metric": value, "loss": value, "minutes": value, "epochs": epochs}


def test_the_literature_is_held_against_seeds_and_their_spread() -> None:
    setting = {"width": 128, "rate": 0.001, "dropout": 0.5, "seeds": [0, 1], "share": 1}
    rows = [row("imdb", "rnn", 0.60, 0.01), row("imdb", "lstm", 0.85, 0.01), row("imdb", "gru", 0.78, 0.01)]
    said = literature_sentences({"setting": setting, "rows": rows})[1]
    assert said.startswith("IMDB accuracy agrees for LSTM; at best 85 (84 to 86) (LSTM) here.")
    assert said.endswith("The order of the literature (LSTM before GRU before RNN) is the same.")
    close = [row("ptb", kind, value, 5) for kind, value in (("rnn", 900), ("lstm", 903), ("gru", 905))]
    said = literature_sentences({"setting": setting, "rows": close})[1]
    assert said.startswith("PTB perplexity agrees for none;")
    assert "is RNN before LSTM before GRU here; the seeds of different kinds overlap, so that no order is told." in said
    assert said.endswith("Trained for 0.50 epochs, which is too few to contradict a better value.")


def test_nothing_to_write_a_page_of_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is nothing to write a page of"):
        read_results(tmp_path)
    (tmp_path / "training.json").write_text('{"format": "other"}')
    with pytest.raises(UsageError, match="no result of the study"):
        read_results(tmp_path)
