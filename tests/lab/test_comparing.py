"""Experiments and their results: order, names, budgets, JSON, results side by side. No figure is judged here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeseq.errors import ModelFileError, UsageError
from edgeseq.lab import floors
from edgeseq.lab.budgets import Budgets, judge, slower
from edgeseq.lab.comparing import _made, compare
from edgeseq.lab.comparison import Comparison, Subject, compare_all, read_any
from edgeseq.lab.joining import joined, unlike
from edgeseq.lab.raw import raw_bytes
from edgeseq.lab.selfcheck import checking
from edgeseq.lab.selfcheck.stored import place, sentence, store, stored_for
from edgeseq.lab.variants import variants_of
from edgeseq.runtime.measuring import alternating
from edgeseq.runtime.measuring.alternating import rounds
from edgeseq.runtime.measuring.capacity import next_try
from edgeseq.runtime.measuring.gathering import gather
from edgeseq.runtime.measuring.latency import Latency
from edgeseq.runtime.measuring.processes import Report
from edgeseq.runtime.measuring.samples import Raw
from edgeseq.runtime.measuring.series import make_series
from edgeseq.runtime.measuring.settings import Settings
from tests import handmade


def latency(name: str, p50: int, runs: int = 10, **settings: object) -> Latency:
    """A result of processes whose steps take about ``p50`` nanoseconds."""
    series = [[p50 + run * p50 // 500 + step % 7 for step in range(100)] for run in range(runs)]
    return Latency(
        file={"name": name, "sha256": name, "bytes": 100, "digest": None},
        machine={"cpu": "one", "usable_cores": 2},
        versions={"onnxruntime": "1.31.1"},
        settings={"runs": runs, "batch": 1, "threads": 1, "device": "cpu", **settings},
        series=(make_series("back_to_back", series), make_series("paced", series, 10**7)),
        load_ns=(1,) * runs,
        first_step_ns=(1,) * runs,
        peak_rss_bytes=(10**6,) * runs,
        state_bytes=8,
    )


def comparison(*p50: int, runs: int = 10) -> Comparison:
    subjects = tuple(Subject(f"{place}.onnx", latency(f"{place}.onnx", ns, runs)) for place, ns in enumerate(p50))
    return Comparison(subjects, compare_all(subjects))


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("comparing")
    return [handmade.gru().save(folder / "a.onnx"), handmade.attention(64).save(folder / "b.onnx")]


@pytest.fixture(scope="module")
def measured(paths: list[str]) -> Comparison:
    variants = variants_of(paths, {"batch": (1, 2)}, default_period=0.001, steps=20)
    return compare(variants, runs=1, deadline=0.001, floor=False)


def test_every_round_has_every_subject_in_an_order_of_its_own() -> None:
    found = rounds("abcd", 40, seed=3)
    assert all(sorted(order) == list("abcd") for order in found)
    assert len({tuple(order) for order in found}) > 10
    assert found == rounds("abcd", 40, seed=3) != rounds("abcd", 40, seed=4)


def test_an_experiment(measured: Comparison) -> None:
    names = [subject.name for subject in measured.subjects]
    assert names == ["a.onnx, batch 1", "a.onnx, batch 2", "b.onnx, batch 1", "b.onnx, batch 2"]
    bases = {one.subject: one.base for one in measured.differences}
    assert bases == {names[1]: names[0], names[2]: names[0], names[3]: names[1]}
    assert all(subject.latency.deadline is not None for subject in measured.subjects)
    assert Comparison.from_json(measured.to_json()) == measured
    assert raw_bytes(measured)[:2] == b"PK"
    assert unlike(measured)[0] == "a.onnx, batch 2: batch 2, 1 in a.onnx, batch 1"


def test_single_steps_are_not_in_a_file(measured: Comparison) -> None:
    with pytest.raises(UsageError, match=r"^the single steps are not there at a.onnx, batch 1, back_to_back"):
        raw_bytes(Comparison.from_json(measured.to_json()))


def test_each_of_several_files_is_timed_at_the_positions_that_it_has(paths: list[str]) -> None:
    found = variants_of(paths, at=[10, 64, 65])
    assert [one.settings.at for one in found] == [(10, 64, 65), (10, 64)]
    with pytest.raises(UsageError, match=r"^there are no steps to time around that position"):
        variants_of(paths[1:], at=[10, 65])


def test_the_same_file_twice_is_refused(paths: list[str]) -> None:
    with pytest.raises(UsageError, match=r"^the same thing stands twice"):
        variants_of([paths[0], paths[0]])


def test_a_result_of_one_file_can_be_compared() -> None:
    found = read_any(latency("m.onnx", 1_000).to_json())
    assert [subject.name for subject in found.subjects] == ["m.onnx"]
    with pytest.raises(UsageError, match=r"^this is not a comparison"):
        read_any("[]")
    with pytest.raises(UsageError, match=r"^broken comparison: KeyError: 'no subject'"):
        read_any(
            replace(comparison(1_000), differences=()).to_json().replace('"subjects": [', '"subjects": [], "_": [')
        )
    with pytest.raises(UsageError, match=r"^broken comparison: KeyError: 'subjects'"):
        read_any('{"format": "edgeseq.comparison", "version": 1}')


def test_results_side_by_side_are_not_paired() -> None:
    both = joined([comparison(1_000), comparison(1_500)])
    assert [subject.name for subject in both.subjects] == ["0.onnx (1)", "0.onnx (2)"]
    assert not both.together
    difference = both.difference("0.onnx (2)", "paced")
    assert difference is not None
    assert (difference.paired, difference.visible) == (False, True)
    assert difference.ratio == pytest.approx(1.5, rel=0.02)


def swept(p50: int, name: str = "m.onnx") -> Comparison:
    """One experiment: a file in batches of one and of sixteen, which take ten times as long."""
    found = [(batch, latency(name, p50 * factor, batch=batch)) for batch, factor in ((1, 1), (16, 10))]
    subjects = tuple(Subject(f"{name}, batch {batch}", one) for batch, one in found)
    return Comparison(subjects, compare_all(subjects))


def test_a_sweep_beside_an_earlier_one_is_held_against_its_like() -> None:
    both = joined([swept(1_000), swept(1_000)])
    one, sixteen = "m.onnx, batch 1", "m.onnx, batch 16"
    bases = {difference.subject: difference.base for difference in both.differences}
    assert bases == {f"{sixteen} (1)": f"{one} (1)", f"{one} (2)": f"{one} (1)", f"{sixteen} (2)": f"{sixteen} (1)"}


def test_a_larger_batch_of_the_first_file_is_no_failure() -> None:
    with pytest.raises(UsageError, match=r"^there is nothing that could be slower"):
        slower(swept(1_000), 0.1)
    with pytest.raises(UsageError, match=r"^no median step to compare"):
        slower(replace(comparison(1_000, 2_000), differences=()), 0.1)


def test_versions_that_differ_are_told() -> None:
    here = comparison(1_000)
    other = replace(here.subjects[0], latency=replace(here.subjects[0].latency, versions={"onnxruntime": "1.20.0"}))
    both = joined([here, Comparison((other,))])
    assert unlike(both) == ("0.onnx (2): onnxruntime version 1.20.0, 1.31.1 in 0.onnx (1)",)


def test_results_of_other_machines_are_refused() -> None:
    here = comparison(1_000)
    other = replace(here.subjects[0], latency=replace(here.subjects[0].latency, machine={"cpu": "two"}))
    with pytest.raises(UsageError) as caught:
        joined([here, Comparison((other,))])
    assert str(caught.value) == (
        "the results are of different machines (got cpu one and two, usable_cores 2 and None, wanted results of one "
        "machine). Measure both here, or set them side by side all the same with --other-machines."
    )
    assert len(joined([here, Comparison((other,))], other_machines=True).subjects) == 2


def test_what_is_slower_by_more_than_it_may() -> None:
    found = comparison(1_000, 1_150, 1_005)
    assert [(one.subject, one.kept) for one in slower(found, 0.1)] == [("1.onnx", False), ("2.onnx", True)]
    assert slower(found, 0.1)[0].sentence.startswith("1.onnx is more than 10 % slower than 0.onnx: ")
    assert [one.kept for one in slower(found, 0.2)] == [True, True]
    assert slower(found, None) == ()
    with pytest.raises(UsageError, match=r"^too few processes to tell whether a step is slower"):
        slower(comparison(1_000, 2_000, runs=3), 0.1)


def test_streams_per_core_are_those_of_one_thread(paths: list[str]) -> None:
    with pytest.raises(UsageError, match=r"^streams per core are those of one thread"):
        compare(variants_of(paths[:1], period=0.01, threads=2), streams=True)


def test_sizes_are_judged() -> None:
    (verdict,) = judge(comparison(1_000), Budgets(max_size_bytes=99))
    assert (verdict.kept, verdict.sentence) == (
        False,
        "0.onnx is over its budget: the file has 100 bytes, at most 99 may be",
    )
    assert [one.kept for one in judge(comparison(1_000), Budgets(max_size_bytes=100, max_memory_bytes=10))] == [
        True,
        False,
    ]


@pytest.mark.parametrize("wanted", [0, 1, 7, 30, 999])
def test_the_search_for_the_most_streams_ends_close(wanted: int) -> None:
    kept, missed, tried = 0, None, 40
    for _ in range(100):
        kept, missed = (tried, missed) if tried <= wanted else (kept, tried)
        following = next_try(kept, missed)
        if following is None:
            break
        tried = following
    assert 0.95 * wanted - 1 <= kept <= wanted


def test_the_smallest_difference_that_would_be_seen() -> None:
    assert checking.visible_share([0.95] * 20) == pytest.approx(0.053)
    assert checking.visible_share([0.99] * 19 + [0.5]) == pytest.approx(0.011)
    assert checking.visible_share([0.4] * 20) is None


def test_a_self_check_tells_delays_from_none(monkeypatch: pytest.MonkeyPatch, paths: list[str]) -> None:
    (variant,) = variants_of(paths[:1], default_period=0.001)
    random = np.random.default_rng(0)

    def run_once(settings: Settings) -> Report:
        step = round((100_000 + settings.delay_ns) * np.exp(random.normal(0, 0.02)))
        return Report({}, {mode: Raw(np.full(settings.steps, step)) for mode in ("back_to_back", "paced")})

    monkeypatch.setattr(checking, "run_once", run_once)
    monkeypatch.setattr(alternating, "run_once", run_once)
    found = checking.self_check(variant.settings, rounds=60)
    assert set(found["modes"]) == {"back_to_back", "paced"}
    for judged in found["modes"].values():
        assert judged["called_different"] <= 0.05
        assert list(judged["found"]) == ["0.05", "0.1", "0.2"]
        assert judged["found"]["0.1"] == judged["found"]["0.2"] == 1
        assert judged["ratio"]["0.2"] == pytest.approx(1.2, rel=0.03)
        assert 0.01 < judged["visible_share"] < 0.1
    with pytest.raises(UsageError, match=r"^too few processes to tell anything apart \(got 7 of 9 rounds"):
        checking.self_check(variant.settings, runs=7, rounds=9)


def test_a_self_check_is_kept_for_its_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    machine, versions = {"cpu": "one", "usable_cores": 2}, {"onnxruntime": "1.31.1"}
    assert stored_for(machine, versions) is None
    modes = {"back_to_back": {"visible_share": 0.031}, "paced": {"visible_share": None}}
    found = {"machine": machine, "versions": versions, "runs": 10, "date": "2026-01-01", "file": "m", "modes": modes}
    assert store(found) == place() == tmp_path / "edgeseq" / "self-check.json"
    assert stored_for(machine, versions) == json.loads(json.dumps(found))
    assert stored_for({**machine, "cpu": "two"}, versions) is None
    assert sentence(found) == (
        "differences in p50 below 3.1 % (back to back) and 100 % (paced) are not visible on this machine in 10 "
        "processes (self-check of 2026-01-01 with m)"
    )
    place().write_text("[")
    assert stored_for(machine, versions) is None


def test_a_file_that_changes_meanwhile_is_noticed(paths: list[str]) -> None:
    settings = variants_of(paths[:1], steps=2)[0].settings
    report = Report({"digest": "sha256:of another"}, {})
    with pytest.raises(ModelFileError, match=r"^the file was changed while it was measured"):
        gather(settings, [report], None)


def test_the_floor_of_a_pool_is_that_of_all_its_streams(monkeypatch: pytest.MonkeyPatch, paths: list[str]) -> None:
    asked: list[tuple[object, ...]] = []

    def none(*given: object) -> list[object]:
        asked.append(given)
        return []

    monkeypatch.setattr(floors, "measure_floors", none)
    pool = variants_of(paths[:1], streams=16, pool=True, steps=100)[0].settings
    turns = replace(pool, pool=False)
    with pytest.raises(ValueError, match="zip"):
        floors.floors_of([pool])
    with pytest.raises(ValueError, match="zip"):
        floors.floors_of([turns])
    assert [given[1:3] for given in asked] == [([50], 16), ([3], 1)]


def test_the_floor_of_a_duration_is_amid_the_steps_that_were_made(paths: list[str]) -> None:
    settings = variants_of(paths[:1], duration=1.0)[0].settings
    reports = [Report({}, {"back_to_back": Raw(np.zeros(count, np.int64))}) for count in (7_123, 7_171, 90_000)]
    assert _made(settings, reports).steps == 7_200
    assert _made(replace(settings, duration_ns=None), reports).steps == settings.steps
