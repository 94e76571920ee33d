"""``edgeseq adopt``: a stateful ONNX file that was made elsewhere gets a contract."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.files import say, write_report
from edgeseq.cli.tables import table
from edgeseq.cli.terminal import working
from edgeseq.errors import NotDeclared, UsageError

if TYPE_CHECKING:
    from edgeseq.runtime import Model

Pairs = tuple[tuple[str, str], ...]

_OPTIONS = {"states": "--state", "constants": "--constant", "overlap": "--overlap", "axes": "--axes"}
_BLANKS = {"constants": "VALUE", "axes": "batch,time,..."}


def _pairs(option: str, metavar: str, text: str) -> Callable[[options.Command], options.Command]:
    return click.option(
        option,
        f"{option[2:]}_given",
        callback=options.parsed(options.assignment),
        metavar=metavar,
        multiple=True,
        help=f"{text} Repeatable.",
    )


@click.command()
@click.argument("path", metavar="FILE.ONNX", type=options.FILE)
@_pairs("--state", "NAME=OUTPUT", "A state: the input NAME, and the output that holds its next value.")
@_pairs("--constant", "NAME=VALUE", "An input that is one number in every call, as in sr=16000.")
@_pairs("--overlap", "NAME=FRAMES", "Frames before a call that the input is given in front of the call's own.")
@_pairs(
    "--axes",
    "NAME=AXES",
    "The axes of an input or output, as in x=batch,time,64; y=batch,time/512 is one frame for 512 of time. An input "
    "without time is given once per stream.",
)
@_pairs("--initial", "NAME=VALUE", "The value that a state starts from, where it is not zero.")
@click.option(
    "--chunk", metavar="N[:MAX]", help="Frames of the smallest call, and the most; 512:512 where each has to have 512."
)
@click.option("--recipe", metavar="NAME", help="All of this for a known file: silero-vad, silero-vad-8k.")
@options.frame_period
@options.sample_rate
@click.option("--yes", is_flag=True, help="Take the states that names, shapes and dtypes suggest.")
@click.option("-o", "--output", type=options.FILE, metavar="M.ONNX", help="The copy to write; without it, check only.")
@click.option("--sidecar", is_flag=True, help="Also write the contract as M.contract.json.")
@options.with_tolerances
@options.with_device
@options.threads
@options.json_report
def adopt(
    path: Path,
    state_given: Pairs,
    constant_given: Pairs,
    overlap_given: Pairs,
    axes_given: Pairs,
    initial_given: Pairs,
    chunk: str | None,
    recipe: str | None,
    frame_period: float | None,
    sample_rate: float | None,
    yes: bool,
    output: Path | None,
    sidecar: bool,
    atol: float | None,
    rtol: float | None,
    place: dict[str, Any],
    threads: int | None,
    json_path: str | None,
) -> None:
    """Give a contract to a stateful ONNX file that was made elsewhere, and check it by chunking.

    What the file does not tell has to be said: which outputs are the next values of which inputs, where time is. What
    is missing is proposed, with the command that takes the proposal. Then the same frames in other chunks have to give
    the same outputs. A copy with the contract in it is written to -o; every other command works on that.
    """
    declared = {"states": state_given, "constants": constant_given, "overlap": overlap_given, "axes": axes_given}
    chosen = options.given(
        chunk=None if chunk is None else parse_chunk(chunk),
        initial=_named("--initial", initial_given, number) or None,
        recipe=recipe,
        frame_period=options.period(frame_period, sample_rate),
        out=output,
        sidecar=sidecar or None,
        atol=atol,
        rtol=rtol,
        threads=threads,
        **place,
    )
    said: dict[str, Any] = {
        keyword: _named(_OPTIONS[keyword], pairs, _READ.get(keyword, str)) or None
        for keyword, pairs in declared.items()
    }
    runtime = libraries.runtime()
    with working(f"adopting {path}"):
        try:
            model = runtime.adopt(path, **said, **chosen)
        except NotDeclared as error:
            if not yes or set(error.missing) != {"states"}:
                raise _to_say(error) from None
            said["states"] = {**(said["states"] or {}), **error.missing["states"]}
            model = runtime.adopt(path, **said, **chosen)
    _tell(model, path, output, json_path)


def _named(option: str, pairs: Pairs, read: Any) -> dict[str, Any]:
    """The values of a repeatable option by name; UsageError where a name stands twice."""
    found: dict[str, Any] = {}
    for name, text in pairs:
        if name in found:
            raise UsageError(f"{option} {name} stands twice", wanted="once")
        found[name] = read(text)
    return found


def number(text: str) -> float:
    """The number that ``16000``, ``0.5`` or ``true`` spells; UsageError for another text."""
    if text.lower() in ("true", "false"):
        return int(text.lower() == "true")
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise UsageError("cannot read a number", got=repr(text), wanted="such as 16000, 0.5 or true") from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UsageError("cannot read a number of frames", got=repr(text), wanted="a whole number")
    return int(text)


_READ = {"constants": number, "overlap": _count}


def parse_chunk(text: str) -> int | tuple[int, int | None]:
    """``512`` as 512, ``512:512`` as (512, 512), ``2:`` as (2, None): any multiple of 2."""
    least, colon, most = text.partition(":")
    return (_count(least), _count(most) if most else None) if colon else _count(least)


def _to_say(error: NotDeclared) -> UsageError:
    """The same error with the command line that says what is missing."""
    words = list(_words(click.get_current_context()))
    for keyword, wanted in error.missing.items():
        for name, value in wanted.items():
            words += [_OPTIONS[keyword], f"{name}={_BLANKS[keyword] if value is None else value}"]
    return UsageError(
        error.what, where=error.where, why=error.why, do=f"look at it, and say what is right: {shlex.join(words)}"
    )


def _words(context: click.Context) -> Iterator[str]:
    """The command line as it was given, from what was read of it."""
    yield from ("edgeseq", "adopt")
    for param in context.command.params:
        value = context.params.get(param.name or "")
        if isinstance(param, click.Argument):
            yield str(value)
        elif value is True:
            yield param.opts[-1]
        elif param.multiple:
            yield from (word for name, text in value or () for word in (param.opts[-1], f"{name}={text}"))
        elif value not in (None, False):
            yield from (param.opts[0], f"{value}s" if param.name == "frame_period" else str(value))


def _tell(model: Model, path: Path, output: Path | None, json_path: str | None) -> None:
    from edgeseq.cli.inspect import report
    from edgeseq.cli.summary import describe
    from edgeseq.runtime.golden import trace_of

    contract = model.contract
    say(describe(output or path, contract), json_path)
    checks = (contract.verification or {})["checks"]
    rows = [[check["name"], "passed", check["detail"], f"{check['worst']:.2g}"] for check in checks]
    say("\n".join(["", *table(["check", "result", "on", "worst"], rows)]), json_path)
    for doubt in (contract.verification or {}).get("doubts", []):
        click.echo(f"warning: {doubt}", err=True)
    if output is None:
        say("\nnothing was written; -o M.onnx writes a copy with this contract", json_path)
    elif trace_of(output).is_file():
        say(f"\nbeside it {trace_of(output).name}, to be replayed with: edgeseq verify {output}", json_path)
    document = {**report(output or path, contract), "format": "edgeseq.adopt", "written": output is not None}
    write_report(document, json_path)
