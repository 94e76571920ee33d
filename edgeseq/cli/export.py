"""``edgeseq export``: a PyTorch module becomes a streaming ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.durations import parse_duration
from edgeseq.cli.files import say, write_report
from edgeseq.cli.terminal import working
from edgeseq.errors import UsageError
from edgeseq.specs import InputSpec, nest_inputs, parse_input


@click.command()
@click.argument("model_source", metavar="MODEL")
@click.option(
    "--input",
    "inputs",
    callback=options.parsed(parse_input),
    metavar="SPEC",
    multiple=True,
    required=True,
    help="An input, as in 'x=float32[batch,time,64]': batch and time have a meaning, other words are dynamic axes. "
    "Without time it is conditioning. 'state.0=...' is the first element of a tuple. Repeatable.",
)
@click.option("-o", "--output", type=options.FILE, metavar="M.ONNX", required=True, help="The file to write.")
@options.weights
@options.model_arguments
@click.option("--ops", type=click.Choice(["ort", "portable"]), help="Also onnxruntime's own ops, or only ONNX's.")
@click.option("--opset", type=options.COUNT, metavar="N", help="The version of the ai.onnx operators.")
@click.option("--max-context", type=options.COUNT, metavar="N", help="The longest stream, in frames.")
@click.option(
    "--frame-period",
    callback=options.parsed(parse_duration),
    metavar="DURATION",
    help="Time from frame to frame, as in 8ms; reports then also speak in seconds.",
)
@click.option("--sample-rate", type=click.FloatRange(min=0, min_open=True), metavar="HZ", help="Frames per second.")
@options.with_tolerances
@options.json_report
def export(
    model_source: str,
    inputs: tuple[tuple[str, InputSpec], ...],
    output: Path,
    weights: Path | None,
    arguments: tuple[tuple[str, str], ...],
    ops: str | None,
    opset: int | None,
    max_context: int | None,
    frame_period: float | None,
    sample_rate: float | None,
    atol: float | None,
    rtol: float | None,
    json_path: str | None,
) -> None:
    """Export MODEL as a streaming ONNX file and verify that it computes the same, step by step.

    MODEL is package.module:factory or file.py:factory. The factory is a function or a module class, called with the
    --arg values, or a module itself.
    """
    if frame_period is not None and sample_rate is not None:
        raise UsageError("--frame-period and --sample-rate say the same thing", wanted="one of them")
    nested = nest_inputs(inputs)
    exporters = libraries.exporters()
    from edgeseq.cli.model_source import load_model

    model = load_model(model_source, arguments, weights)
    if sample_rate is not None:
        frame_period = 1 / sample_rate
    chosen = options.given(
        ops=ops, opset=opset, max_context=max_context, frame_period=frame_period, atol=atol, rtol=rtol
    )
    with working(f"exporting and verifying {model_source}"):
        exported = exporters.export(model, inputs=nested, path=output, **chosen)
    _tell(exported, json_path)


def _tell(exported: Any, json_path: str | None) -> None:
    from edgeseq.cli.inspect import report
    from edgeseq.cli.summary import describe
    from edgeseq.cli.verify import checks

    path = Path(exported.path)
    say(describe(path, exported.contract), json_path)
    say("\n" + checks(exported.verification), json_path)
    document = {**report(path, exported.contract), "format": "edgeseq.export"}
    write_report({**document, "verification": exported.verification.to_dict()}, json_path)
