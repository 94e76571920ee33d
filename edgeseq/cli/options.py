"""Options and parameter types that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from edgeseq.cli.durations import parse_duration
from edgeseq.errors import UsageError
from edgeseq.specs import parse_input

Command = TypeVar("Command", bound=Callable[..., Any])


def parsed(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A click callback that reads an option's text, or each of its texts, with ``parse``."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        try:
            if isinstance(value, tuple):
                return tuple(parse(text) for text in value)
            return None if value is None else parse(value)
        except UsageError as error:
            raise click.BadParameter(str(error), ctx=ctx, param=param) from None

    return callback


def assignment(text: str) -> tuple[str, str]:
    """The name and the value, still text, of ``hidden=128``; UsageError where either is missing."""
    name, equals, value = text.partition("=")
    if not (name.strip() and equals and value):
        raise UsageError("cannot read an assignment", got=repr(text), wanted="NAME=VALUE")
    return name.strip(), value


COUNT = click.IntRange(min=1)
FILE = click.Path(dir_okay=False, path_type=Path)

#: The exported file, an argument of every command but ``export``. The library says what is wrong with it.
onnx_file = click.argument("path", metavar="M.ONNX", type=FILE)

model_source = click.option(
    "--model",
    "model_source",
    metavar="MODEL",
    help="The module: package.module:factory, file.py:factory or a saved .pt2.",
)
inputs = click.option(
    "--input",
    "inputs",
    callback=parsed(parse_input),
    metavar="SPEC",
    multiple=True,
    help="An input, as in 'x=float32[batch,time,64]': batch and time have a meaning, other words are dynamic axes. "
    "Without time it is conditioning; '4*time' is four frames for each of time. 'state.0=...' is the first element of "
    "a tuple. Repeatable; docs/inputs.md has the grammar.",
)
weights = click.option(
    "--weights",
    type=FILE,
    help="Its weights: .pt, .pth, .ckpt or .safetensors. The state_dict whose names fit is found in it.",
)
trust = click.option(
    "--trust", is_flag=True, help="Let reading --weights run code that the file names, as a pickled module does."
)
example = click.option(
    "--example",
    metavar="FILE.PY:FUNCTION",
    help="A function that returns real inputs to verify on: {name: tensor}, a tuple in forward's order, or a list of "
    "those.",
)
model_arguments = click.option(
    "--arg",
    "arguments",
    callback=parsed(assignment),
    metavar="NAME=VALUE",
    multiple=True,
    help="An argument of the factory: a Python literal or a bare word. Repeatable.",
)
mode = click.option(
    "--mode",
    metavar="MODE",
    help="Approximate, or do not stream: window:64,hop=8 runs the last frames again each hop, lookahead:20,chunk=10 "
    "bounds what bidirectional recurrent layers hear of the future, sequence takes whole sequences. exact by default.",
)
states = click.option(
    "--state",
    "states",
    callback=parsed(assignment),
    metavar="NAME=OUTPUT",
    multiple=True,
    help="For a model that is already a step: the input NAME is a state, and OUTPUT its next value, as in h=output.1; "
    "every other input without time is then one frame. Repeatable.",
)
frame_period = click.option(
    "--frame-period",
    callback=parsed(parse_duration),
    metavar="DURATION",
    help="Time from frame to frame, as in 8ms; reports then also speak in seconds.",
)
sample_rate = click.option(
    "--sample-rate", type=click.FloatRange(min=0, min_open=True), metavar="HZ", help="Frames per second."
)
json_report = click.option(
    "--json",
    "json_path",
    type=click.Path(allow_dash=True, dir_okay=False),
    metavar="PATH",
    help="Write the report as JSON; - is stdout, with nothing else on it.",
)
device = click.option("--device", metavar="NAME", help="Where to run: cpu (the default) or cuda:0.")
provider = click.option(
    "--provider", metavar="NAME", help="An onnxruntime execution provider to use, by its name there."
)
provider_options = click.option(
    "--provider-option",
    "provider_options",
    callback=parsed(assignment),
    metavar="NAME=VALUE",
    multiple=True,
    help="An option of that provider, or of the one that --device means, as it is written there. Repeatable.",
)
allow_cpu_nodes = click.option(
    "--allow-cpu-nodes",
    is_flag=True,
    help="Let nodes run on the CPU that the device, or the provider, has no kernel for; else they are an error.",
)
cuda_graph = click.option(
    "--cuda-graph/--no-cuda-graph",
    default=None,
    help="On a GPU, capture repeated steps as CUDA graphs, or not at all; where it can be done by default.",
)
_PLACE = {
    "device": device,
    "provider": provider,
    "provider_options": provider_options,
    "allow_cpu_nodes": allow_cpu_nodes,
    "cuda_graph": cuda_graph,
}
threads = click.option(
    "--threads",
    type=COUNT,
    metavar="N",
    help="Threads inside one operator; what edgeseq tune found best on this machine by default, else 1.",
)
allow_unverified = click.option(
    "--allow-unverified", is_flag=True, help="Take the file although it was changed since it was verified."
)
target_cpu = click.option(
    "--target-cpu",
    metavar="NAME",
    help="The processor that the file is for: x86-vnni, x86, arm-dotprod or arm; this machine's by default. It decides "
    "forms and ranges; the speed is measured where it is this machine's.",
)
keep_slower = click.option(
    "--keep-slower", is_flag=True, help="Write the file although it is slower than the float one on this machine."
)
data = click.option(
    "--data",
    type=FILE,
    metavar="FILE.NPZ",
    help="Real inputs: an array for every input of the file, by its name, examples along its batch axis. lengths "
    "[examples] says where examples that are filled up end.",
)
tolerances = (
    click.option(
        "--atol", type=click.FloatRange(min=0), metavar="X", help="Absolute difference that the check allows on top."
    ),
    click.option(
        "--rtol", type=click.FloatRange(min=0), metavar="X", help="Relative difference that the check allows on top."
    ),
)


def named_files(meaning: str) -> Callable[[Command], Command]:
    """``--input NAME=FILE``, repeatable, as ``named``; ``meaning`` is its help."""
    return click.option(
        "--input", "named", callback=parsed(assignment), metavar="NAME=FILE", multiple=True, help=meaning
    )


def with_device(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where a file is run, ``--device`` and those that go with it.

    The command is given all of them as one, ``place``: arguments of the library, those that were given.
    """

    @functools.wraps(command)
    def with_place(*arguments: Any, **asked: Any) -> Any:
        place = _placed(**{option: asked.pop(option) for option in _PLACE})
        return command(*arguments, place=place, **asked)

    for option in reversed(_PLACE.values()):
        with_place = option(with_place)
    return with_place


def _placed(
    device: str | None,
    provider: str | None,
    provider_options: tuple[tuple[str, str], ...],
    allow_cpu_nodes: bool,
    cuda_graph: bool | None,
) -> dict[str, Any]:
    """What the options are to the library, where they were given; UsageError for one twice."""
    names = [name for name, _ in provider_options]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError("a provider option stands twice", got=twice, wanted="each once")
    return given(
        device=device,
        provider=provider,
        provider_options=dict(provider_options) or None,
        allow_cpu_nodes=allow_cpu_nodes or None,
        cuda_graph=cuda_graph,
    )


def with_tolerances(command: Command) -> Command:
    """Add ``--atol`` and ``--rtol``."""
    for option in reversed(tolerances):
        command = option(command)
    return command


def period(frame_period: float | None, sample_rate: float | None) -> float | None:
    """The frame period that was given as either; UsageError for both."""
    if frame_period is not None and sample_rate is not None:
        raise UsageError("--frame-period and --sample-rate say the same thing", wanted="one of them")
    return 1 / sample_rate if sample_rate is not None else frame_period


def given(**options: Any) -> dict[str, Any]:
    """The options that the user gave: those that are not None."""
    return {name: value for name, value in options.items() if value is not None}
