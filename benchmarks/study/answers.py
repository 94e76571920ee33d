"""The study's sentences, each made from the numbers."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.study.catalogue import QUESTIONS, kind_of
from benchmarks.study.reading import Measured, Result, Results
from benchmarks.study.words import amount, listed, number, pace, title


def slower_from(result: Result, slow: str, fast: str) -> int | None:
    """The first position from which ``slow`` visibly takes longer, there and at all later ones; None: from none."""
    first = None
    for position in sorted(result.files[slow].positions(), reverse=True):
        times = result.times(slow, fast, f"at_{position}")
        if times is None or not times.visible or times.ratio <= 1:
            break
        first = position
    return first


def cost_sentences(result: Result, transformer: str = "transformer") -> list[str]:
    """From which position on the Transformer is slower than each of the others; its own growth first."""
    files = result.files
    if transformer not in files:
        return ["The Transformer was not measured."]
    places = files[transformer].positions()
    first, last = places[0], places[-1]
    grown = result_growth(files[transformer], first, last)
    found = [f"From position {first:,} to {last:,} the {title(transformer)}'s step becomes {grown} as long."]
    for name in files:
        if name != transformer and files[name].frames == files[transformer].frames:
            found.append(_against(result, transformer, name, places))
    return found


def result_growth(file: Measured, first: int, last: int) -> str:
    """``3.1 times``: a step at one position over that at another."""
    before, after = file.step_us(f"at_{first}"), file.step_us(f"at_{last}")
    return "an unknown number of times" if not before or not after else f"{after / before:.1f} times"


def _against(result: Result, slow: str, fast: str, places: Sequence[int]) -> str:
    since, last = slower_from(result, slow, fast), places[-1]
    times = result.times(slow, fast, f"at_{last}")
    if times is None:
        return f"Against the {title(fast)} it was not measured."
    if times.visible is None:
        return f"Against the {title(fast)}: {times.ratio:.1f} times at {last:,}, of too few processes to tell."
    if since is None:
        verdict = "no visible difference" if not times.visible else f"{times.ratio:.2f} times"
        return f"It is not slower than the {title(fast)} at {last:,} ({verdict})."
    begin = f"at every measured position, {since:,} the first" if since == places[0] else f"from position {since:,} on"
    return f"It is slower than the {title(fast)} {begin}: {times.ratio:.1f} times at {last:,}."


def memory_sentences(result: Result) -> list[str]:
    """What a stream carries at the last position, least and most, and whose grows."""
    files = result.files
    last = next(iter(files.values())).positions()[-1]
    sizes = sorted((file.state_bytes(last), name) for name, file in files.items())
    growing = [name for name, file in files.items() if file.state_bytes(last) > file.state_bytes(file.positions()[0])]
    least, most = sizes[0], sizes[-1]
    grow = f"It grows with the stream in {listed(map(title, growing))}; in all others it is fixed." if growing else ""
    return [
        f"At position {last:,} a stream carries from {amount(least[0])} ({title(least[1])}) to {amount(most[0])} "
        f"({title(most[1])}), {most[0] / least[0]:,.0f} times as much. {grow}".strip()
    ]


def quantized_sentences(result: Result) -> list[str]:
    """Of every file in fewer bits: its time, size and quality against the float one's."""
    found = []
    for name, file in result.files.items():
        base = name.partition("-int")[0]
        if base == name or base not in result.files:
            continue
        times = result.times(name, base, "back_to_back")
        smaller = result.files[base].bytes / file.bytes
        verdict = "no timing" if times is None else pace(times.ratio, times.visible)
        found.append(f"{title(name)}: {verdict}, file 1/{smaller:.1f}{_quality_change(result, name, base)}.")
    return found


def _quality_change(result: Result, name: str, base: str) -> str:
    before, after = result.files[base].quality, result.files[name].quality
    return "" if before is None or after is None else f", quality {before:.3f} to {after:.3f}"


def streams_sentences(result: Result) -> list[str]:
    """Most and fewest streams of one core."""
    found = sorted((file.streams, name) for name, file in result.files.items() if file.streams is not None)
    if not found:
        return ["Streams per core were not searched."]
    (fewest, last), (most, first) = found[0], found[-1]
    return [
        f"At the pace of its frames one core serves {most:,.0f} streams of the {title(first)} and {fewest:,.0f} of the "
        f"{title(last)}."
    ]


def forecast_sentences(results: Results) -> list[str]:
    """Of every forecast: what no change would reach, what the models do, and how often they say up and down right."""
    found = []
    for task, question in QUESTIONS.items():
        known = results.training.get("baselines", {}).get(task)
        signs = [model["direction"] for model in results.models() if model["task"] == task and "direction" in model]
        if known is not None and signs:
            values = sorted((value, kind) for kind, value in results.metrics(task).items())
            found.append(
                f"{question.title}: no change would have an error of {number(known)}, the models have from "
                f"{number(values[0][0])} ({title(values[0][1])}) to {number(values[-1][0])} ({title(values[-1][1])}); "
                f"up or down is right in {min(signs):.1%} to {max(signs):.1%}."
            )
    return found


def approximation_sentences(results: Results) -> list[str]:
    """Of every kind that looks ahead: what its module is worth, and its file, which looks only so far."""
    changes: dict[str, list[str]] = {}
    for model in results.models():
        kind, task = model["kind"], model["task"]
        if kind_of(kind).ahead and f"quality-{task}" in results.experiments:
            file = results.metric(task, kind)
            assert file is not None
            changes.setdefault(kind, []).append(f"{task} {number(model['test_metric'])} to {number(file)}")
    return [
        f"{title(kind)}, whole module to streamed file, which looks ahead only so far: {', '.join(tasks)}."
        for kind, tasks in changes.items()
    ]


def batch_sentences(result: Result) -> list[str]:
    """Of every kind: how many times as long a step of sixteen streams takes as that of one."""
    found = []
    for name in result.files:
        kind, _, way = name.partition(", batch ")
        if way and way != "1":
            times = result.times(name, f"{kind}, batch 1", "at_512")
            if times is not None:
                each = int(way) / times.ratio
                said = pace(times.ratio, times.visible)
                found.append(f"{title(kind)}: {way} streams at once {said}, {each:.1f} streams in the time of one.")
    return found


def pick_sentence(pick: Mapping[str, Any]) -> str:
    """Which model of a kind is as good as wanted."""
    asked = f"{title(pick['kind'])}: {pick['parameters']:,} parameters"
    if pick["reached"]:
        return f"{asked} reach {pick['metric']:.3f}, {pick['wanted']:.3f} being wanted."
    return f"{title(pick['kind'])}: {pick['wanted']:.3f} is reached at no size, {pick['metric']:.3f} at best; left out."


def sliding_sentences(results: Results) -> list[str]:
    """What the window changes: time and memory at the last position, and quality task by task."""
    found = []
    result = results.experiments.get("position")
    if result is not None and {"sliding", "transformer"} <= set(result.files):
        whole, window = result.files["transformer"], result.files["sliding"]
        for place in (whole.positions()[0], whole.positions()[-1]):
            times = result.times("sliding", "transformer", f"at_{place}")
            if times is not None:
                sizes = f"{amount(window.state_bytes(place))} in place of {amount(whole.state_bytes(place))}"
                found.append(f"At position {place:,} the window's step: {pace(times.ratio, times.visible)}, {sizes}.")
    changes = []
    for task in QUESTIONS:
        one, other = results.metric(task, "sliding"), results.metric(task, "transformer")
        if one is not None and other is not None:
            changes.append(f"{task} {number(other)} to {number(one)}")
    if changes:
        found.append(f"Quality, whole to window: {', '.join(changes)}.")
    return found


def floor_sentences(result: Result) -> list[str]:
    """How far the measured steps are from their floors, nearest and furthest, and what grows with position."""
    last = next(iter(result.files.values())).positions()[-1]
    distances = sorted(
        (step / floor, name)
        for name, file in result.files.items()
        for step, floor in [(file.step_us(f"at_{last}"), file.floor_us(last))]
        if step and floor
    )
    if not distances:
        return ["No floor was measured."]
    (least, near), (most, far) = distances[0], distances[-1]
    found = [
        f"At position {last:,} the steps take from {least:.1f} ({title(near)}) to {most:.1f} ({title(far)}) times the "
        f"floor that this machine's memory and arithmetic set."
    ]
    if "transformer" in result.files and "gru" in result.files:
        found += _architecture(result.files["transformer"], result.files["gru"], last)
    return found


def _architecture(transformer: Measured, gru: Measured, place: int) -> list[str]:
    steps, floors = (
        (transformer.step_us(f"at_{place}"), gru.step_us(f"at_{place}")),
        (
            transformer.floor_us(place),
            gru.floor_us(place),
        ),
    )
    if None in steps or None in floors:
        return []
    measured, least = (one / other for one, other in (steps, floors))  # type: ignore[operator]
    cause = (
        "the architecture's more than the kernels'"
        if least > measured**0.5
        else "the kernels' more than the architecture's"
    )
    return [
        f"There the Transformer's floor is {least:.1f} times the GRU's, its measured step {measured:.1f} times: the "
        f"gap is {cause}."
    ]


def peers_sentences(results: Results) -> list[str]:
    """How much a GPT's step grows with position in each engine that ran it; empty where none is known."""
    if results.peers is None:
        return []
    grown = {}
    for engine, about in results.peers["engines"].items():
        mine = [one for one in results.peers["subjects"] if one["engine"] == engine]
        steps = sorted(step for one in mine for step in _gpt(one))
        if len(steps) > 1:
            grown[about["name"]] = steps[0], steps[-1]
    if not grown:
        return []
    times = {name: last[1] / first[1] for name, (first, last) in grown.items()}
    (first, _), (last, _) = next(iter(grown.values()))
    least, most = min(times, key=times.__getitem__), max(times, key=times.__getitem__)
    told = f"Of the GPT in [other engines](peers.md) a step at {last:,} takes, of that at {first:,}, "
    told += f"{times[least]:.1f} times ({least}) to {times[most]:.1f} times ({most}): "
    alike = "it grows in every engine" if min(times.values()) > 1 else "it does not grow in every engine"
    return [f"{told}{alike}.", "; ".join(f"{name} {_grown(*steps)}" for name, steps in grown.items()) + "."]


def _grown(first: tuple[int, float], last: tuple[int, float]) -> str:
    return f"{first[1] / 1e3:,.0f} to {last[1] / 1e3:,.0f} us"


def _gpt(subject: Mapping[str, Any]) -> list[tuple[int, float]]:
    """Position and median step of a GPT that was timed; nothing of anything else."""
    place = re.search(r"^gpt.*at[- ]([\d,]+)$", subject["case"], re.IGNORECASE)
    runs = subject["series"].get("back_to_back", {}).get("p50", {}).get("runs_ns", ())
    return [(int(place[1].replace(",", "")), statistics.median(runs))] if place and runs else []
