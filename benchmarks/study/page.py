"""``docs/study.md`` and its figures, made from the results; nothing on it that numbers decide is written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.page import wrapped
from benchmarks.study import answers, charts, tables
from benchmarks.study.literature import literature_sentences
from benchmarks.study.reading import Result, Results, read_results
from edgeseq.lab.selfcheck.stored import sentence

HEAD = """\
# The study: what a step costs

Made by `make study` from real data; [decision 027](decisions/027-the-study.md) says what is compared and why, and was
written before anything was timed. Every time is from `edgeseq compare`, and every sentence with a number in it is made
from the results in `benchmarks/results/study`, whose ids stand below it. To ask the same of files of your own:
`edgeseq compare A.onnx B.onnx --period 2ms --at 16,64,512,4096 --runs 8`.
"""


def write_page(results: Path, docs: Path) -> None:
    """Write ``study.md`` and ``study/*.svg`` below ``docs``; UsageError where there are no results."""
    found = read_results(results)
    figures = docs / "study"
    figures.mkdir(parents=True, exist_ok=True)
    for name, draw in drawings(found).items():
        (figures / f"{name}.svg").write_text(draw(), encoding="utf-8")
    (docs / "study.md").write_text(page(found), encoding="utf-8")


def drawings(results: Results) -> dict[str, Callable[[], str]]:
    """The figures that the results have numbers for, by name."""
    found: dict[str, Callable[[], str]] = {"curves": lambda: charts.curves(results)}
    makers: dict[str, tuple[str, Callable[[Result], str]]] = {
        "position": ("position", charts.cost),
        "memory": ("position", charts.memory),
        "equal-quality": ("equal-quality", charts.cost),
        "quantized": ("quantized", charts.quantized),
        "streams": ("streams", charts.streams),
        "floors": ("position", charts.floors),
    }
    for name, (experiment, draw) in makers.items():
        result = results.experiments.get(experiment)
        if result is not None and (name != "floors" or result.has_floors):
            found[name] = lambda draw=draw, result=result: draw(result)  # type: ignore[misc]
    return found


def page(results: Results) -> str:
    """The text of the page."""
    parts = [HEAD, _machine(results), *_models(results), *_measured(results), *_end(results)]
    return "\n".join(parts).rstrip() + "\n"


def _machine(results: Results) -> str:
    lines = []
    for result in results.experiments.values():
        machine, versions = result.comparison["machine"], result.comparison["versions"]
        lines.append(
            f"{machine['cpu']}, {machine['usable_cores']} of {machine['cores']} cores, {machine['system']}; "
            + ", ".join(f"{package} {version}" for package, version in versions.items())
        )
    checks = {_check(result) for result in results.experiments.values() if result.timed}
    known = [*dict.fromkeys(lines), *sorted(checks)]
    return "\n".join(wrapped(f"- {line}", "  ") for line in known) + "\n"


def _check(result: Result) -> str:
    found = sentence(result.comparison["self_check"])
    return f"{found[0].upper()}{found[1:]}"


def _models(results: Results) -> list[str]:
    asides = [*answers.forecast_sentences(results), *answers.approximation_sentences(results)]
    return [
        "## What was trained\n",
        *tables.budgets(results),
        "",
        *tables.quality(results),
        "",
        _paragraph(
            [
                "Quality is that of the test data, of minutes of training and one seed: no ranking. A frame's class is "
                "scored where it is asked; errors and perplexities are better where they are less. Parameters are "
                "those beside the tables of words. Knowing nothing is naming the most frequent class, or no change. "
                f"Trials and curves: `{results.training['id']}`."
            ]
        ),
        *([_bullets(asides)] if asides else []),
        "![Training and validation loss of every model](study/curves.svg)\n",
    ]


def _measured(results: Results) -> list[str]:
    sections: list[tuple[str, str, str, Callable[[Result], list[str]], str | None]] = [
        ("Cost against position, at equal parameters", "position", "position", answers.cost_sentences, "steps"),
        ("Cost against position, at equal quality", "equal-quality", "equal-quality", _equal_quality(results), "steps"),
        ("Memory of a stream", "position", "memory", answers.memory_sentences, None),
        ("Weights in 8 and 4 bits", "quantized", "quantized", answers.quantized_sentences, "steps"),
        ("Streams per core", "streams", "streams", answers.streams_sentences, None),
        ("Sixteen streams in lock-step", "batch", "", answers.batch_sentences, "steps"),
        ("A sliding window", "position", "", lambda _: answers.sliding_sentences(results), None),
        ("Architecture or kernel", "position", "floors", lambda result: _kernel(result, results), None),
        ("A vocabulary behind it: PTB", "words", "", answers.cost_sentences, "steps"),
        ("A source beside it: translators", "translation", "", _translators, "steps"),
    ]
    lines, known = [], drawings(results)
    for title, experiment, drawing, sentences, how in sections:
        if experiment in results.experiments:
            result = results.experiments[experiment]
            lines += [f"## {title}\n", _bullets(sentences(result))]
            lines += [f"![{title}](study/{drawing}.svg)\n"] if drawing in known else []
            lines += [*tables.steps(result), ""] if how else []
            lines.append(f"Result `{result.identity}`.\n")
    return lines


def _equal_quality(results: Results) -> Callable[[Result], list[str]]:
    picks = results.training["equal_quality"]

    def sentences(result: Result) -> list[str]:
        found = [answers.pick_sentence(pick) for pick in picks]
        base = next((name for name in result.files if name.startswith("transformer")), "transformer")
        return [*found, *answers.cost_sentences(result, base)]

    return sentences


def _translators(result: Result) -> list[str]:
    return answers.cost_sentences(result, "transformer_seq2seq")


def _kernel(result: Result, results: Results) -> list[str]:
    found = [*answers.floor_sentences(result)]
    engines = answers.peers_sentences(results)
    return found + (engines or ["No second engine was measured on the same files."])


def _end(results: Results) -> list[str]:
    lines = []
    if "position" in results.experiments:
        lines += ["## Your deadline, your memory, your history\n", *tables.decisions(results), ""]
        lines.append(
            _paragraph(
                [
                    "Made by the rule of decision 027 from the models at equal parameters on this machine. A step of "
                    "more than one frame has the deadline of one step; what looks ahead answers later than its step."
                ]
            )
        )
    if results.appendix is not None:
        lines += ["## Appendix: the literature's table\n", _bullets(literature_sentences(results.appendix))]
        lines += [*tables.appendix(results.appendix), "", f"Result `{results.appendix['id']}`.\n"]
    commands = [f"`{result.identity}`: `{result.document['command']}`" for result in results.experiments.values()]
    return [*lines, "## How each was measured\n", _bullets(commands)] if commands else lines


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(wrapped(f"- {sentence}", "  ") for sentence in sentences) + "\n"


def _paragraph(sentences: Sequence[str]) -> str:
    return wrapped(" ".join(sentences)) + "\n"
