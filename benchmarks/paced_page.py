"""The tables of docs/deadlines.md, from benchmarks/results/paced.json.

python -m benchmarks.paced_page
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks.alternate import Comparison
from benchmarks.page import made_by, wrapped
from benchmarks.result import Result, shown

ROOT = Path(__file__).resolve().parent.parent
PAGE, STORED = ROOT / "docs" / "deadlines.md", ROOT / "benchmarks" / "results" / "paced.json"
BEGIN, END = "<!-- measured: python -m benchmarks.paced_page -->", "<!-- end of what was measured -->"

WAYS = {
    "none": "none",
    "touch": "`Touch()`",
    "spin": "`Spin()`",
    "dummy": "`Dummy()`",
    "always_spin": "`Spin(lead=inf)`",
}
NEIGHBOURS = {
    "process": ("process, the default", "small_none", "busy_process"),
    "process_slice": ("the same with Linux's own slices, `slice_ns=None`", "system_slice", "busy_process_slice"),
    "process_fifo": ("the same under SCHED_FIFO, `fifo=50`", "system_fifo", "busy_process_fifo"),
    "process_dummy": ("process, `keep_warm=Dummy()`", "small_dummy", "busy_process_dummy"),
    "thread": ('`where="thread"`', "thread", "busy_thread"),
    "thread_switch": ("the same, `sys.setswitchinterval(0.0005)`", "thread", "busy_thread_switch"),
    "by_hand": ("a loop by hand: sleep, step", "by_hand", "busy_by_hand"),
}
REQUESTS = {
    "none": "as it is: slices of 0.1 ms, timer slack 1 ns, what was loaded frozen for the collector",
    "slice": "slices as Linux has them, milliseconds: `slice_ns=None`",
    "slack": "timer slack as Linux has it, 50 us: `timer_slack_ns=None`",
    "one_core": "pinned to one core: `cores=(1,)`",
    "fifo": "SCHED_FIFO: `fifo=50`",
    "locked": "mlockall: `lock_memory=True`",
    "collected": 'Python\'s collector as it is: `garbage="collect"`',
    "uncollected": 'no collector: `garbage="disable"`',
}


def tables(result: Result) -> str:
    """Everything between the marks."""
    found = Comparison(result.values)
    steps = f"{result.settings['steps']:,} steps in every process, {result.settings['runs']} of each"
    parts = [
        made_by(result.machine, result.versions, result.others_cores, result.date),
        wrapped(
            f"{result.about} {steps}; medians over processes, ranges in brackets. A p99 takes 1,000 steps."
            " Again: `python -m benchmarks.paced`."
        )
        + "\n",
        *(_warm(found, model, words) for model, words in (("small", "GRU 1x128"), ("large", "GRU 2x512"))),
        _neighbours(found),
        _requests(result, found),
        _doubts(result),
    ]
    return "\n".join(parts)


def _warm(found: Comparison, model: str, words: str) -> str:
    base = f"{model}_back_to_back.step_p50_us"
    rows = [["back to back", _us(found, base), "1x", "", "", "", "100 %"]]
    for way, label in WAYS.items():
        name = f"{model}_{way}"
        if f"{name}.due_p50_us" in found.values:
            rows.append(
                [
                    label,
                    _us(found, f"{name}.step_p50_us"),
                    _times(found, f"{name}.step_p50_us", base),
                    _us(found, f"{name}.due_p50_us"),
                    _times(found, f"{name}.due_p50_us", base),
                    _us(found, f"{name}.due_p99_us"),
                    _cores(found, name),
                ]
            )
    heads = (
        f"{words}, keep warm",
        "step p50",
        "/ back to back",
        "due to answer p50",
        "/ back to back",
        "p99",
        "of a core",
    )
    return _table(heads, rows)


def _neighbours(found: Comparison) -> str:
    rows = [
        [
            label,
            _us(found, f"{alone}.due_p50_us"),
            _us(found, f"{busy}.due_p50_us"),
            _us(found, f"{alone}.due_p99_us"),
            _us(found, f"{busy}.due_p99_us"),
            _times(found, f"{busy}.due_p99_us", f"{alone}.due_p99_us"),
        ]
        for label, alone, busy in NEIGHBOURS.values()
    ]
    return _table(
        ("GRU 1x128, stepped in", "p50 alone", "p50, busy thread", "p99 alone", "p99, busy thread", "ratio"), rows
    )


def _requests(result: Result, found: Comparison) -> str:
    rows = []
    for request, label in REQUESTS.items():
        name = "small_none" if request == "none" else f"system_{request}"
        there = f"{name}.due_p50_us" in found.values
        figures = [_us(found, f"{name}.{what}_us") for what in ("wake_p50", "due_p50", "due_p99")]
        rows.append([label, *(figures if there else ["not available", "", ""])])
    governor = result.machine.get("governor")
    rows.append(["clock governor", f"`{governor}` throughout" if governor else "not available", "", ""])
    return _table(("GRU 1x128, process, no keep-warm", "wake p50", "due to answer p50", "p99"), rows)


def _doubts(result: Result) -> str:
    unsteady = sum("times as long as another" in doubt for doubt in result.doubts)
    others = [doubt for doubt in result.doubts if "times as long as another" not in doubt]
    times = sum(name.endswith("_us") for name in result.values)
    words = [f"- Doubtful: {doubt}" for doubt in others]
    if unsteady:
        words.append(f"- {unsteady} of {times} times differ by more than a quarter between processes")
    return "\n".join(words)


def _us(found: Comparison, name: str) -> str:
    if name not in found.values:
        return "-"
    spread = found.of(name)
    return f"{shown(spread.median)} us ({shown(spread.least)} to {shown(spread.most)})"


def _times(found: Comparison, name: str, base: str) -> str:
    if name not in found.values or base not in found.values:
        return "-"
    return f"{shown(found.ratio(name, base).median)}x"


def _cores(found: Comparison, name: str) -> str:
    return f"{shown(found.of(f'{name}.cpu_percent').median)} %"


def _table(heads: Iterable[str], rows: Iterable[list[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def page(text: str, result: Result) -> str:
    """The page with its tables made anew. ValueError where it has not both marks."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{tables(result).rstrip()}\n{END}{after}"


def main() -> None:
    """Write the page."""
    result = Result.from_json(STORED.read_text(encoding="utf-8"))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), result), encoding="utf-8")


if __name__ == "__main__":
    main()
