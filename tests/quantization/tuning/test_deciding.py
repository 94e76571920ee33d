"""Which candidate is taken, for made-up figures: what is visible, ties, limits, and what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeseq.errors import UsageError
from edgeseq.quantization import Float16, Int4Weights, Int8Dynamic
from edgeseq.quantization.configs import Config
from edgeseq.quantization.tuning.candidates import FLOAT, Candidate, Opening, configs, openings
from edgeseq.quantization.tuning.deciding import Decision, decide, hopeless
from edgeseq.quantization.tuning.figures import Figures, ratio
from edgeseq.quantization.tuning.wishes import in_words, wishes

BASE = Figures(FLOAT, 4_000_000, None, (100.0, 102.0, 101.0), (150.0, 160.0, 155.0), (70, 71, 72))
EIGHT = Int8Dynamic(kernel="rows", one_frame=True)
FOUR = Int4Weights(one_frame=True)
SPEED = wishes("p50")


def figures(
    config: Config | None, *p50: float, size: int = 1_000_000, sqnr: float | None = 40.0, **more: object
) -> Figures:
    """A candidate with one thread, unless ``opening`` says otherwise."""
    opening = more.pop("opening", Opening())
    assert isinstance(opening, Opening)
    return replace(Figures(Candidate(config, opening), size, sqnr, p50), **more)  # type: ignore[arg-type]


def outcomes(decision: Decision) -> list[str]:
    return [verdict.outcome for verdict in decision.verdicts]


def test_the_fastest_wins() -> None:
    found = [BASE, figures(EIGHT, 60, 61, 62), figures(FOUR, 40, 41, 42), figures(Float16(), 120, 121, 122)]
    decision = decide(found, SPEED)
    assert decision.winner == Candidate(FOUR)
    assert outcomes(decision) == ["worse", "better", "won", "worse"]
    assert decision.sentence == (
        "int4-weights, 1 frame, 1 thread is best: p50 41 us against 101 us of the float file at one thread, "
        "2.49 times less"
    )
    assert [verdict.why for verdict in decision.verdicts] == [
        "slower than what won",
        "faster than float, slower than what won",
        "faster than float",
        "slower than float",
    ]


def test_float_is_best() -> None:
    decision = decide([BASE, figures(EIGHT, 110, 111, 112)], SPEED)
    assert decision.winner == FLOAT
    assert outcomes(decision) == ["won", "worse"]
    assert decision.sentence == "the float file at one thread is already best"


def test_one_process_among_the_others_makes_a_difference_invisible() -> None:
    """However much faster the others are."""
    decision = decide([BASE, figures(EIGHT, 10, 10, 100.5)], SPEED)
    assert decision.winner == FLOAT
    assert outcomes(decision) == ["won", "not visible"]
    assert decision.sentence == (
        "the float file at one thread stays: the difference in p50 to int8-dynamic rows, 1 frame, 1 thread is not "
        "visible on this machine in 3 processes"
    )


TIES: dict[str, tuple[Figures, Figures]] = {
    "float before quantized": (
        figures(None, 51, 52, 53, size=4_000_000, sqnr=None, opening=Opening(2)),
        figures(EIGHT, 50, 51, 52),
    ),
    "one thread before two": (figures(EIGHT, 51, 52, 53), figures(EIGHT, 50, 51, 52, opening=Opening(2))),
    "cores left alone before busy ones": (
        figures(EIGHT, 51, 52, 53, opening=Opening(2, False)),
        figures(EIGHT, 50, 51, 52, opening=Opening(2)),
    ),
    "high SQNR before low": (figures(EIGHT, 51, 52, 53, sqnr=40.0), figures(FOUR, 50, 51, 52, sqnr=20.0)),
    "no error before some": (figures(Float16(), 51, 52, 53, sqnr=None), figures(EIGHT, 50, 51, 52, sqnr=90.0)),
}


@pytest.mark.parametrize("case", TIES)
@pytest.mark.parametrize("turned", [False, True])
def test_of_those_that_cannot_be_told_apart_the_simplest_wins(case: str, turned: bool) -> None:
    simple, other = TIES[case]
    decision = decide([BASE, *((other, simple) if turned else (simple, other))], SPEED)
    assert decision.winner == simple.candidate
    assert sorted(outcomes(decision)) == ["better", "won", "worse"]
    assert decision.sentence.endswith(f"; {other.candidate} cannot be told apart from it, it is the simplest")


def test_what_is_simpler_but_visibly_slower_does_not_win() -> None:
    decision = decide([BASE, figures(EIGHT, 60, 61, 62), figures(FOUR, 50, 51, 52)], SPEED)
    assert decision.winner == Candidate(FOUR)


def test_limits_drop_candidates() -> None:
    asked = wishes("p50", {"size": 2e6, "sqnr": 30, "p99": 0.0002})
    late = figures(EIGHT, 60, 61, 62, p99_us=(199.0, 201.0, 150.0))
    noisy = figures(FOUR, 40, 41, 42, sqnr=20.0)
    right = figures(Float16(), 90, 91, 92, p99_us=(199.0, 198.0, 150.0))
    decision = decide([BASE, late, noisy, right], asked)
    assert decision.winner == Candidate(Float16())
    assert outcomes(decision) == ["dropped", "dropped", "dropped", "won"]
    assert [verdict.why for verdict in decision.verdicts[:3]] == [
        "size 4 MB, at most 2 MB wanted",
        "p99 201 us, at most 200 us wanted",
        "sqnr 20 dB, at least 30 dB wanted",
    ]
    assert decision.sentence.endswith("1.11 times less; the float file is out: size 4 MB, at most 2 MB wanted")


def test_a_slower_file_wins_where_the_float_one_is_too_large() -> None:
    decision = decide([BASE, figures(EIGHT, 150, 151, 152)], wishes("p50", {"size": 2e6}))
    assert decision.winner == Candidate(EIGHT)
    assert "1.50 times as much; the float file is out" in decision.sentence


def test_what_failed_is_dropped() -> None:
    decision = decide([BASE, figures(EIGHT, 10, 10, 10, failed="the law of neighbours fails")], SPEED)
    assert decision.winner == FLOAT
    assert decision.verdicts[1].why == "the law of neighbours fails"


def test_no_candidate_keeps_the_limits() -> None:
    found = [
        BASE,
        figures(EIGHT, size=2_100_000),
        figures(FOUR, size=1_000_000, sqnr=10.0),
        figures(Float16(), size=9_000_000),
    ]
    with pytest.raises(UsageError) as caught:
        decide(found, wishes("p50", {"size": 2e6, "sqnr": 30}))
    assert str(caught.value) == (
        "no candidate keeps the limits: the nearest are: int8-dynamic rows, 1 frame, 1 thread has size 2.1 MB, at "
        "most 2 MB wanted; float, 1 thread has size 4 MB, at most 2 MB wanted; int4-weights, 1 frame, 1 thread has "
        "sqnr 10 dB, at least 30 dB wanted (wanted least p50 with size at most 2 MB, sqnr at least 30 dB). Ask for "
        "less, or let quantize keep single nodes in more bits: min_sqnr= (--min-sqnr)."
    )
    with pytest.raises(UsageError, match=r"size at most 1\.5 KB\)\. Ask for less\.$"):
        decide(found, wishes("p50", {"size": 1500}))


def test_size_is_exact_and_needs_no_processes() -> None:
    decision = decide([BASE, figures(EIGHT, 300, size=999_999), figures(FOUR, 300)], wishes("size"))
    assert decision.winner == Candidate(EIGHT)
    assert [verdict.why for verdict in decision.verdicts] == [
        "larger than what won",
        "smaller than float",
        "smaller than float, larger than what won",
    ]


def test_memory_is_that_of_processes() -> None:
    found = [BASE, figures(EIGHT, memory_bytes=(60, 61, 71)), figures(FOUR, memory_bytes=(65, 66, 67))]
    assert decide(found, wishes("memory")).winner == Candidate(FOUR)
    assert outcomes(decide(found, wishes("memory"))) == ["worse", "not visible", "won"]


def test_what_is_not_told_cannot_be_minimized() -> None:
    with pytest.raises(
        UsageError, match=r"^memory cannot be measured here\. Minimize another: p50, p99, size, memory\.$"
    ):
        decide([replace(BASE, memory_bytes=())], wishes("memory"))


def test_the_hopeless_are_given_up() -> None:
    slow = figures(EIGHT, 154, 155)
    assert hopeless(slow, BASE, SPEED)
    assert not hopeless(replace(slow, p50_us=(152.0, 155.0)), BASE, SPEED)
    assert not hopeless(replace(slow, p50_us=(1000.0,)), BASE, SPEED)
    assert not hopeless(slow, BASE, wishes("size"))
    assert not hopeless(slow, BASE, wishes("p50", {"size": 2e6})), "the float file is out"


def test_the_ratio_is_that_of_rounds() -> None:
    drifting = replace(BASE, p50_us=(100.0, 200.0, 400.0))
    assert ratio(drifting, figures(EIGHT, 50, 100, 100), "p50") == 2.0
    assert ratio(BASE, figures(EIGHT), "p50") is None


@pytest.mark.parametrize(
    ("cores", "wanted"),
    [
        (1, ["1 thread"]),
        (2, ["1 thread", "2 threads", "2 threads, no spinning"]),
        (6, ["1 thread", *(f"{n} threads{how}" for n in (2, 4, 6) for how in ("", ", no spinning"))]),
    ],
)
def test_threads_that_are_tried(cores: int, wanted: list[str]) -> None:
    assert [str(opening) for opening in openings(cores)] == wanted


def test_forms_that_are_tried() -> None:
    assert [Candidate(config).form for config in configs(one_frame=False, calibrated=True)] == [
        "int8-dynamic rows",
        "int8-dynamic blocks",
        "int8-static",
        "int8-weights",
        "int4-weights",
        "fp16",
    ]
    recurrent = [Candidate(config).form for config in configs(one_frame=True, calibrated=False)]
    assert recurrent == [
        *(f"{form}, 1 frame" for form in ("int8-dynamic rows", "int8-dynamic blocks", "int8-weights", "int4-weights")),
        *(f"{form}, chunks" for form in ("int8-dynamic rows", "int8-dynamic blocks", "int8-weights", "int4-weights")),
        "fp16",
    ]


@pytest.mark.parametrize(
    ("minimize", "limits", "message"),
    [
        ("p95", {}, "cannot minimize that (got 'p95', wanted one of p50, p99, size, memory)."),
        ("p50", {"sizes": 1}, "unknown constraint (got 'sizes', wanted one of size, sqnr, memory, p50, p99)."),
        ("p50", {"size": 0}, "the limit of size must be a number above 0 (got 0)."),
        ("p50", {"sqnr": float("inf")}, "the limit of sqnr must be a number above 0 (got inf)."),
        ("p50", {"sqnr": True}, "the limit of sqnr must be a number above 0 (got True)."),
    ],
)
def test_wishes_that_mean_nothing(minimize: str, limits: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        wishes(minimize, limits)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("size", 2_607_191, "2.607 MB"),
        ("memory", 512_000, "512 KB"),
        ("p50", 31.82, "31.82 us"),
        ("p99", 1234.5, "1.234 ms"),
        ("sqnr", 39.71, "39.71 dB"),
    ],
)
def test_quantities_in_words(name: str, value: float, text: str) -> None:
    assert in_words(name, value) == text
