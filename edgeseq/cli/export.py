"""``edgeseq export``: a PyTorch module becomes a streaming ONNX file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.files import say, write_report
from edgeseq.cli.quantize import config_of
from edgeseq.cli.terminal import working
from edgeseq.errors import UsageError
from edgeseq.specs import InputSpec, nest_inputs


@click.command()
@click.argument("model_source", metavar="MODEL")
@options.inputs
@click.option("-o", "--output", type=options.FILE, metavar="M.ONNX", help="The file to write.")
@click.option("--dry-run", is_flag=True, help="Capture and explain only: inputs, states, delays, refusals. No file.")
@options.weights
@options.trust
@options.model_arguments
@options.example
@options.mode
@options.states
@click.option(
    "--quantize",
    "kind",
    metavar="KIND",
    help="Write it with its weights in fewer bits: int8-dynamic, int8-static, int8-weights, int4-weights or fp16. "
    "edgeseq quantize has more settings, and takes a float file.",
)
@options.target_cpu
@options.keep_slower
@click.option("--ops", type=click.Choice(["ort", "portable"]), help="Also onnxruntime's own ops, or only ONNX's.")
@click.option("--opset", type=options.COUNT, metavar="N", help="The version of the ai.onnx operators.")
@click.option("--max-context", type=options.COUNT, metavar="N", help="The longest stream, in frames.")
@options.frame_period
@options.sample_rate
@options.with_tolerances
@click.option("--no-golden", is_flag=True, help="Do not write M.golden.npz, the trace that verify replays.")
@click.option("--sidecar", is_flag=True, help="Also write the contract as M.contract.json.")
@click.option("--external-data", is_flag=True, help="Put the weights in M.onnx.data; beyond 2 GiB they always are.")
@options.json_report
def export(
    model_source: str,
    inputs: tuple[tuple[str, InputSpec], ...],
    output: Path | None,
    dry_run: bool,
    weights: Path | None,
    trust: bool,
    arguments: tuple[tuple[str, str], ...],
    example: str | None,
    mode: str | None,
    states: tuple[tuple[str, str], ...],
    kind: str | None,
    target_cpu: str | None,
    keep_slower: bool,
    ops: str | None,
    opset: int | None,
    max_context: int | None,
    frame_period: float | None,
    sample_rate: float | None,
    atol: float | None,
    rtol: float | None,
    no_golden: bool,
    sidecar: bool,
    external_data: bool,
    json_path: str | None,
) -> None:
    """Export MODEL as a streaming ONNX file and verify that it computes the same, step by step.

    MODEL is package.module:factory, file.py:factory or a saved .pt2. The factory is a function or a module class,
    called with the --arg values, or a module itself.
    """
    frame_period = options.period(frame_period, sample_rate)
    if not inputs and example is None:
        raise UsageError("no input was given", do="say what goes in with --input or --example, as docs/inputs.md does")
    if (output is None) != dry_run:
        raise UsageError("wanted --output or --dry-run", got="both" if dry_run else "neither")
    nest_inputs(inputs)
    exporters = libraries.exporters()
    chosen_mode = None if mode is None else exporters.parse_mode(mode)
    config = None if kind is None else config_of(kind)
    from edgeseq.cli.model_source import load_model

    model = load_model(model_source, arguments, weights, trust)
    specs, samples = with_examples(inputs, example, model)
    say(echo(specs, {name for name, _ in inputs}, dict(states)), json_path)
    nested = nest_inputs(specs.items())
    if dry_run:
        wishes = options.given(
            mode=chosen_mode, states=dict(states) or None, ops=ops, max_context=max_context, frame_period=frame_period
        )
        _explain(exporters.explain(model, inputs=nested, **wishes), specs, json_path)
        return
    chosen = options.given(
        mode=chosen_mode,
        states=dict(states) or None,
        quantize=config,
        target_cpu=target_cpu,
        keep_slower=keep_slower or None,
        ops=ops,
        opset=opset,
        max_context=max_context,
        frame_period=frame_period,
        atol=atol,
        rtol=rtol,
        calibration=samples,
        golden=False if no_golden else None,
        sidecar=sidecar or None,
        external_data=external_data or None,
    )
    with working(f"exporting and verifying {model_source}"):
        exported = exporters.export(model, inputs=nested, path=output, **chosen)
    _tell(exported, specs, json_path)


def with_examples(
    inputs: tuple[tuple[str, InputSpec], ...], example: str | None, model: Any
) -> tuple[dict[str, InputSpec], list[Any] | None]:
    """All inputs by dotted name, those that only the example shows included, and the example's samples."""
    given = dict(inputs)
    if example is None:
        return given, None
    from edgeseq.cli import examples

    samples = examples.read_examples(example, model)
    specs = {**given, **examples.derived(samples, given)}
    samples = examples.fitted(samples, specs)
    examples.check_samples(samples, specs)
    return specs, samples


def echo(specs: dict[str, InputSpec], given: set[str], states: Collection[str] = ()) -> str:
    """The inputs as they were read; ``given`` are the names that ``--input`` gave, ``states`` those of ``--state``."""
    lines = ["inputs, as they were read:"]
    for name, spec in specs.items():
        meant = {"untimed": "a state" if name in states else "one frame of each step"} if states else {}
        lines.append(f"  {name}: {spec.described(**meant)}")
        if name not in given:
            lines.append(f"    read off the example; if it is something else, say so: --input '{name}={spec}'")
    return "\n".join([*lines, ""])


def _explain(contract: Any, specs: dict[str, InputSpec], json_path: str | None) -> None:
    import json

    from edgeseq.cli.summary import explained, memory, seconds

    say(explained(contract), json_path)
    head = {"format": "edgeseq.explain", "version": 1, "inputs": {name: str(spec) for name, spec in specs.items()}}
    figures = {"state_bytes_per_stream": memory(contract), "seconds": seconds(contract)}
    write_report({**head, **figures, "contract": json.loads(contract.to_json())}, json_path)


def _tell(exported: Any, specs: dict[str, InputSpec], json_path: str | None) -> None:
    from edgeseq.cli.inspect import report
    from edgeseq.cli.summary import describe, runs_for
    from edgeseq.cli.verify import checks
    from edgeseq.runtime import loading

    path = Path(exported.path)
    size = loading.describe(path).size
    say(describe(path, exported.contract, size=size), json_path)
    say("\n" + checks(exported.verification), json_path)
    if exported.golden is not None:
        say(f"\nbeside it {exported.golden.name}, to be replayed with: edgeseq verify {path}", json_path)
    if exported.contract.max_context is not None:
        click.echo(f"warning: a stream runs for {runs_for(exported.contract)}", err=True)
    document = {**report(path, exported.contract, size=size), "format": "edgeseq.export"}
    inputs = {name: str(spec) for name, spec in specs.items()}
    write_report({**document, "inputs": inputs, "verification": exported.verification.to_dict()}, json_path)
