"""The command line: each command parses, calls one library function and prints.

Importing this package loads click and nothing heavier; torch, onnx and onnxruntime are loaded by the commands.
"""

from __future__ import annotations

import click

from edgeseq import __version__
from edgeseq.cli.adopt import adopt
from edgeseq.cli.bench import bench
from edgeseq.cli.compare import compare
from edgeseq.cli.demo import demo
from edgeseq.cli.doctor import doctor
from edgeseq.cli.explain import explain
from edgeseq.cli.export import export
from edgeseq.cli.generate import generate
from edgeseq.cli.inspect import inspect
from edgeseq.cli.quantize import quantize
from edgeseq.cli.run import run
from edgeseq.cli.tune import tune
from edgeseq.cli.verify import verify
from edgeseq.errors import EdgeseqError, UsageError

#: Every command, in the order in which the help lists them. A new one is one file and one entry here.
COMMANDS: tuple[click.Command, ...] = (
    export,
    explain,
    inspect,
    verify,
    quantize,
    run,
    generate,
    bench,
    compare,
    tune,
    adopt,
    demo,
    doctor,
)


class _Edgeseq(click.Group):
    """A group that turns an EdgeseqError into one line and an exit code: 2 for a wrong call, 1 for all else."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except EdgeseqError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(2 if isinstance(error, UsageError) else 1)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order of COMMANDS."""
        return [name for command in COMMANDS if (name := command.name)]


@click.group(cls=_Edgeseq, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="edgeseq")
def main() -> None:
    """Turn PyTorch sequence models into exact, stateful, streaming ONNX files; check, run and measure them."""


for _command in COMMANDS:
    main.add_command(_command)
