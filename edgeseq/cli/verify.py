"""``edgeseq verify``: does the file compute what its module computes, here too?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.files import say, write_report
from edgeseq.cli.tables import table
from edgeseq.cli.terminal import working
from edgeseq.errors import UsageError

if TYPE_CHECKING:
    from edgeseq.runtime.golden import Replay


@click.command()
@options.onnx_file
@options.model_source
@options.weights
@options.trust
@options.model_arguments
@options.example
@click.option(
    "--float",
    "float_path",
    type=options.FILE,
    metavar="M.ONNX",
    help="The float file that M.ONNX was quantized from: check the laws of the quantized one against it.",
)
@options.data
@options.with_tolerances
@click.option("--golden", type=options.FILE, help="The golden trace; M.golden.npz beside the file by default.")
@options.allow_unverified
@options.with_device
@options.threads
@options.json_report
@click.pass_context
def verify(
    context: click.Context,
    path: Path,
    model_source: str | None,
    weights: Path | None,
    trust: bool,
    arguments: tuple[tuple[str, str], ...],
    example: str | None,
    float_path: Path | None,
    data: Path | None,
    atol: float | None,
    rtol: float | None,
    golden: Path | None,
    allow_unverified: bool,
    place: dict[str, Any],
    threads: int | None,
    json_path: str | None,
) -> None:
    """Check a file against the module it was made from, or its float file; without both, against its golden trace.

    The golden trace is a small input with the module's outputs, written at export. Replaying it needs no PyTorch and
    shows how far this machine, device and onnxruntime are off. With --model every law is checked, and a file that was
    changed since it was last verified, or adopted without its module, gets a new seal if they hold. A quantized file
    is checked with --float, without PyTorch, on random inputs or those of --data. The exit code is 1 where a check
    fails.
    """
    named = {name.replace("options", "option"): value for name, value in place.items()}
    replaying: dict[str, Any] = {"golden": golden, "threads": threads, **named}
    if float_path is not None:
        module = {"model": model_source, "weights": weights, "trust": trust or None, "arg": arguments}
        _check_with_float(
            **module, **replaying, example=example, atol=atol, rtol=rtol, allow_unverified=allow_unverified or None
        )
        verification = _against_float(path, float_path, data)
        _tell(path, verification, json_path)
        context.exit(0 if verification.passed else 1)
    if data is not None:
        raise UsageError("--data is for a check against the float file", do="name it with --float")
    if model_source is None:
        _check_alone(weights=weights, trust=trust or None, arg=arguments, example=example, atol=atol, rtol=rtol)
        chosen = {**options.given(golden=golden, threads=threads), **place}
        found = libraries.runtime().replay(path, allow_unverified=allow_unverified, **chosen)
        say(replayed(path, found), json_path)
        write_report({**_head(path, found.passed), "replay": found.to_dict()}, json_path)
        context.exit(0 if found.passed else 1)
    _check_with_model(**replaying, allow_unverified=allow_unverified or None)
    exporters = libraries.exporters()
    from edgeseq.cli.examples import read_examples
    from edgeseq.cli.model_source import load_model

    model = load_model(model_source, arguments, weights, trust)
    samples = None if example is None else read_examples(example, model)
    with working(f"verifying {path}"):
        verification = exporters.verify(path, model, **options.given(atol=atol, rtol=rtol, calibration=samples))
    _tell(path, verification, json_path)
    if not verification.passed:
        if weights is None:
            click.echo("no --weights were given: a model made anew has random ones", err=True)
        context.exit(1)


def _against_float(path: Path, float_path: Path, data: Path | None) -> Any:
    """The laws of a quantized file, against the float file that it was made of."""
    from edgeseq.cli.data import read_samples

    library = libraries.quantization()
    samples = None if data is None else read_samples(data, path)
    with working(f"verifying {path}"):
        return library.verify_quantized(path, float_path, calibration=samples)


def _tell(path: Path, verification: Any, json_path: str | None) -> None:
    say(checks(verification), json_path)
    write_report({**_head(path, verification.passed), "verification": verification.to_dict()}, json_path)


def _check_with_float(**given: object) -> None:
    """UsageError where an option was given that speaks of a module or of a replay."""
    for name, value in given.items():
        if value not in (None, ()):
            raise UsageError(
                f"--{name.replace('_', '-')} is not for a check against the float file", do="leave out it or --float"
            )


def _check_alone(**given: object) -> None:
    """UsageError where an option was given that speaks of a module."""
    for name, value in given.items():
        if value not in (None, ()):
            raise UsageError(f"--{name} is for a check against the module", do="name the module with --model")


def _check_with_model(**given: object) -> None:
    """UsageError where an option was given that speaks of a replay."""
    for name, value in given.items():
        if value is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} is for the replay of a golden trace",
                why="against the module a file is checked on the CPU, whatever was changed in it",
                do="leave out one of it and --model",
            )


def _head(path: Path, passed: bool) -> dict[str, Any]:
    return {"format": "edgeseq.verify", "version": 1, "path": str(path), "passed": passed}


def replayed(path: Path, found: Replay) -> str:
    """A replay told to a person: how far each output is off here."""
    settings = found.settings
    where = f"{settings['device']}, onnxruntime {settings['onnxruntime']}, {settings['machine']}"
    rows = [
        [name, "passed" if output.place is None else "FAILED", f"{output.error:.2g}", f"{output.allowed:.2g}"]
        for name, output in found.outputs.items()
    ]
    head = f"{path}: golden trace of {found.frames:,} frames on {where}"
    return "\n".join([head, "", *table(["output", "result", "error", "allowed"], rows)])


def checks(verification: Any) -> str:
    """A table of what was checked and how it went."""
    rows = [[check.name, "passed" if check.passed else "FAILED", check.detail] for check in verification.checks]
    return "\n".join(table(["check", "result", "detail"], rows))
