"""``edgeseq quantize``: a float file in fewer bits, checked, measured and described."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.files import say, write_report
from edgeseq.cli.sizes import parse_decibels, parse_loss
from edgeseq.cli.terminal import stages
from edgeseq.errors import UsageError

if TYPE_CHECKING:
    from edgeseq.quantization import Config, Quantized

#: Options of the config, by the name of its field.
_OPTIONS = {
    "group": "--group",
    "kernel": "--kernel",
    "rounding": "--rounding",
    "batch": "--batch",
    "only": "--nodes",
    "keep": "--keep",
    "one_frame": "--one-frame/--chunks",
    "cache": "--cache",
}


@click.command()
@options.onnx_file
@click.option("-o", "--output", type=options.FILE, required=True, metavar="Q.ONNX", help="The file to write.")
@click.option(
    "--kind",
    required=True,
    metavar="KIND",
    help="int8-dynamic, int8-static, int8-weights, int4-weights or fp16; docs/quantization.md says what each is.",
)
@click.option("--group", type=int, metavar="N", help="Inputs that share a scale: 16, 32, 64, 128 (the default) or 256.")
@click.option(
    "--kernel",
    type=click.Choice(["auto", "rows", "blocks"]),
    help="int8-dynamic: how products are computed. auto, the default, measures which is faster here.",
)
@click.option("--batch", type=options.COUNT, metavar="N", help="int8-dynamic: rows of the step that has to be fast.")
@click.option(
    "--rounding",
    type=click.Choice(["calibrated", "nearest"]),
    help="int4-weights: so that outputs stay near on streams, the default, or each weight by itself.",
)
@click.option(
    "--nodes", multiple=True, metavar="PATTERN", help="Quantize only what matches, as in 'decoder.*'. Repeatable."
)
@click.option("--keep", multiple=True, metavar="PATTERN", help="Keep in float what matches. Repeatable.")
@click.option(
    "--one-frame/--chunks",
    default=None,
    help="Calls of one frame, for which recurrent layers need no loop, or of any number. One where it can be.",
)
@click.option(
    "--cache", type=click.Choice(["float32", "int8"]), help="Keys and values of attention: in 8 bits, or as they are."
)
@options.data
@click.option(
    "--min-sqnr",
    callback=options.parsed(parse_decibels),
    metavar="DB",
    help="The least ratio of signal to noise of every output, as in 30dB: what adds most noise gets more bits.",
)
@click.option(
    "--metric",
    metavar="FUNCTION",
    help="What the outputs are worth on --data: package.module:function or file.py:function, called with outputs and "
    "data by name. With the attribute lower_is_better less is better.",
)
@click.option(
    "--max-loss",
    callback=options.parsed(parse_loss),
    metavar="SHARE",
    help="The share of the --metric that may be lost, as in 0.5%.",
)
@options.target_cpu
@options.keep_slower
@click.option("--no-speed", is_flag=True, help="Do not measure how fast it is.")
@click.option("--no-golden", is_flag=True, help="Do not write Q.golden.npz, the trace that verify replays.")
@click.option("--sidecar", is_flag=True, help="Also write the contract as Q.contract.json.")
@click.option("--external-data", is_flag=True, help="Put the weights in Q.onnx.data; beyond 2 GiB they always are.")
@options.json_report
def quantize(
    path: Path,
    output: Path,
    kind: str,
    group: int | None,
    kernel: str | None,
    batch: int | None,
    rounding: str | None,
    nodes: tuple[str, ...],
    keep: tuple[str, ...],
    one_frame: bool | None,
    cache: str | None,
    data: Path | None,
    min_sqnr: float | None,
    metric: str | None,
    max_loss: float | None,
    target_cpu: str | None,
    keep_slower: bool,
    no_speed: bool,
    no_golden: bool,
    sidecar: bool,
    external_data: bool,
    json_path: str | None,
) -> None:
    """Write a float file again with its weights in fewer bits, and say what it costs, node by node.

    M.ONNX is a verified file; neither PyTorch nor the module is needed. The new file is held to the laws again, with
    neighbours and frames a thousand times louder, and measured against the float one on streams: those of --data, or
    random ones. What is slower than float on this machine is refused. The report goes into the file: edgeseq inspect
    shows it.
    """
    if metric is not None and data is None:
        raise UsageError("--metric needs data", do="give them with --data FILE.npz")
    if max_loss is not None and metric is None:
        raise UsageError("--max-loss is a share of a metric", do="name one with --metric")
    library = libraries.quantization()
    config = config_of(
        kind,
        group=group,
        kernel=kernel,
        batch=batch,
        rounding=rounding,
        only=nodes or None,
        keep=keep or None,
        one_frame=one_frame,
        cache=cache,
    )
    chosen = options.given(target_cpu=target_cpu, min_sqnr=min_sqnr, **_of_data(path, data, metric, max_loss))
    with stages(f"reading {path}") as progress:
        done = library.quantize(
            path,
            config,
            output,
            **chosen,
            keep_slower=keep_slower,
            measure=not no_speed,
            golden=not no_golden,
            sidecar=sidecar,
            external_data=external_data,
            progress=progress,
        )
    _tell(done, json_path)


def config_of(kind: str, **settings: Any) -> Config:
    """The config of a kind with these settings; UsageError for an unknown kind, and for what it has no place for."""
    from edgeseq.quantization.configs import parse_kind

    config = type(parse_kind(kind))
    known = {field.name for field in fields(config)}
    given = options.given(**settings)
    for name in given:
        if name not in known:
            raise UsageError(f"{_OPTIONS[name]} means nothing for {kind}", do="leave it out")
    return config(**given)


def _of_data(path: Path, data: Path | None, metric: str | None, max_loss: float | None) -> dict[str, Any]:
    """Calibration and task of the data; nothing where none were given."""
    if data is None:
        return {}
    from edgeseq.cli.data import read_data, read_metric, read_samples
    from edgeseq.quantization import Task

    task = None if metric is None else Task(read_metric(metric), read_data(data), max_loss, metric)
    return options.given(calibration=read_samples(data, path), task=task)


def _tell(done: Quantized, json_path: str | None) -> None:
    from edgeseq.cli.inspect import report
    from edgeseq.cli.summary import describe
    from edgeseq.cli.verify import checks
    from edgeseq.runtime import loading

    size = loading.describe(done.path).size
    say(describe(done.path, done.contract, size=size), json_path)
    say("\n" + checks(done.verification), json_path)
    if done.golden is not None:
        say(f"\nbeside it {done.golden.name}, to be replayed with: edgeseq verify {done.path}", json_path)
    document = {**report(done.path, done.contract, size=size), "format": "edgeseq.quantize"}
    write_report({**document, "verification": done.verification.to_dict()}, json_path)
