"""``edgeseq explain``: how every module of a model streams, or every reason why the model does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.export import echo, with_examples
from edgeseq.cli.files import say, write_report, write_whole
from edgeseq.cli.terminal import working
from edgeseq.errors import UsageError
from edgeseq.specs import InputSpec, nest_inputs

#: What ``--graph`` means alone; no node has this name.
ALL = "*"


@click.command()
@click.argument("model_source", metavar="MODEL")
@options.inputs
@options.weights
@options.trust
@options.model_arguments
@options.example
@options.mode
@options.states
@click.option("--ops", type=click.Choice(["ort", "portable"]), help="Also onnxruntime's own ops, or only ONNX's.")
@click.option("--max-context", type=options.COUNT, metavar="N", help="The longest stream, in frames.")
@click.option(
    "--graph",
    is_flag=False,
    flag_value=ALL,
    metavar="[NODE]",
    help="Print the captured nodes as they go into rules; of one node, all there is and its row for tests/rules.",
)
@click.option("--svg", type=options.FILE, metavar="FILE", help="Draw the network: modules, states, delays, refusals.")
@options.json_report
@click.pass_context
def explain(
    context: click.Context,
    model_source: str,
    inputs: tuple[tuple[str, InputSpec], ...],
    weights: Any,
    trust: bool,
    arguments: tuple[tuple[str, str], ...],
    example: str | None,
    mode: str | None,
    states: tuple[tuple[str, str], ...],
    ops: str | None,
    max_context: int | None,
    graph: str | None,
    svg: Path | None,
    json_path: str | None,
) -> None:
    """Show how MODEL streams, module by module, or every reason why it does not.

    For each module: by which rules, the ratio and the delay of its frames, its states, and what one step costs in
    multiply-adds and bytes read. Nothing is written. The exit code is 1 where something does not stream.
    """
    if not inputs and example is None:
        raise UsageError("no input was given", do="say what goes in with --input or --example, as docs/inputs.md does")
    exporters = libraries.exporters()
    chosen_mode = None if mode is None else exporters.parse_mode(mode)
    from edgeseq.cli.explaining import document, nodes, reasons, report
    from edgeseq.cli.model_source import load_model
    from edgeseq.exporters.diagnosis.picture.svg import drawn

    model = load_model(model_source, arguments, weights, trust)
    specs, _ = with_examples(inputs, example, model)
    say(echo(specs, {name for name, _ in inputs}, dict(states)), json_path)
    with working(f"reading {model_source}"):
        wishes = options.given(mode=chosen_mode, states=dict(states) or None, ops=ops, max_context=max_context)
        found = exporters.diagnose(model, inputs=nest_inputs(specs.items()), **wishes)
    say(report(found) if graph is None else nodes(found, None if graph == ALL else graph), json_path)
    if svg is not None:
        picture = drawn(found).encode()
        write_whole(svg, lambda file: file.write(picture))
    write_report(document(found, specs), json_path)
    if found.refusals:
        click.echo(f"error: {found.name} does not stream: {reasons(len(found.refusals))}.", err=True)
        context.exit(1)
