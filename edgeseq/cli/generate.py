"""``edgeseq generate``: text, or tokens, from an exported language model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.files import write_report
from edgeseq.cli.tokenizers import load_tokenizer
from edgeseq.contract import Contract
from edgeseq.errors import UNREADABLE, UsageError

if TYPE_CHECKING:
    from edgeseq.io.text import Generation, Tokenizer


def parse_tokens(text: str) -> list[int]:
    """The numbers in ``1,2,3``; UsageError for anything else."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError("cannot read tokens", got=repr(text), wanted="numbers, as in 1,2,3") from None


@click.command()
@options.onnx_file
@click.option("--prompt", metavar="TEXT", help="What the text begins with; needs --tokenizer.")
@click.option(
    "--tokens", callback=options.parsed(parse_tokens), metavar="1,2,3", help="The same as tokens, in place of --prompt."
)
@click.option(
    "--tokenizer",
    metavar="TOKENIZER",
    help="Text to tokens and back: package.module:factory or file.py:factory of an object with encode and decode, or "
    "bytes. Without one tokens come out.",
)
@click.option("--max-tokens", type=options.COUNT, default=100, metavar="N", help="The most tokens; 100 by default.")
@click.option(
    "--temperature", type=float, default=0.0, metavar="X", help="0, the default, takes the likeliest token; 1 draws."
)
@click.option("--top-k", type=int, metavar="K", help="Draw from the K likeliest tokens.")
@click.option("--top-p", type=float, metavar="P", help="Draw from the likeliest tokens that make up P, as in 0.9.")
@click.option("--stop", multiple=True, metavar="TEXT", help="End before this text; needs --tokenizer. Repeatable.")
@click.option(
    "--stop-tokens",
    callback=options.parsed(parse_tokens),
    multiple=True,
    metavar="1,2,3",
    help="End before these tokens, one after the other. Repeatable.",
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="The same seed draws the same tokens.")
@click.option("--logits", metavar="NAME", help="The output with the logits, where several may be it.")
@options.named_files("Conditioning from a .npy file, the source of a translation for one. Repeatable.")
@options.with_device
@options.threads
@options.allow_unverified
@options.json_report
def generate(
    path: Path,
    prompt: str | None,
    tokens: list[int] | None,
    tokenizer: str | None,
    max_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    stop: tuple[str, ...],
    stop_tokens: tuple[list[int], ...],
    seed: int | None,
    logits: str | None,
    named: tuple[tuple[str, str], ...],
    place: dict[str, Any],
    threads: int | None,
    allow_unverified: bool,
    json_path: str | None,
) -> None:
    """Go on with a prompt, by a model of tokens in and logits out, and print what comes as it comes.

    The model is an exported file; it is found in its contract which output holds the logits. Tokens are chosen by
    temperature, then top-k, then top-p. docs/text.md tells more, and how to do this in Python.
    """
    from edgeseq.io import text

    words = None if tokenizer is None else load_tokenizer(tokenizer)
    begin = _begin(prompt, tokens, words, stop)
    model = libraries.runtime().load(path, allow_unverified=allow_unverified, **place, **options.given(threads=threads))
    generation = text.generate(
        model,
        begin,
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        stop=stop_tokens,
        seed=seed,
        conditioning=_conditioning(model.contract, named),
        logits=logits,
    )
    document = {"format": "edgeseq.generate", "version": 1, "path": str(path), "prompt": begin}
    out = _print_tokens(generation, json_path) if words is None else _print_text(generation, words, stop, json_path)
    if generation.stopped_by == "context":
        click.echo(f"the context is full: {generation.stream.position:,} tokens", err=True)
    write_report({**document, **out, "stopped_by": generation.stopped_by}, json_path)


def _begin(prompt: str | None, tokens: list[int] | None, words: Tokenizer | None, stop: tuple[str, ...]) -> list[int]:
    """The tokens of the prompt."""
    if (prompt is None) == (tokens is None):
        got = "none" if prompt is None else "two"
        raise UsageError("there must be one prompt", got=got, do="give --prompt TEXT, or --tokens 1,2,3")
    if words is None and (prompt is not None or stop):
        raise UsageError(
            "text needs a tokenizer",
            got="--stop" if prompt is None else "--prompt",
            do="give --tokenizer, bytes for one, or tokens: --tokens, --stop-tokens",
        )
    return tokens if tokens is not None else list(words.encode(prompt or "")) if words is not None else []


def _conditioning(contract: Contract, named: tuple[tuple[str, str], ...]) -> dict[str, Any] | None:
    from edgeseq.cli import arrays

    ports = {port.name: port for port in contract.with_role("conditioning")}
    unknown = sorted({name for name, _ in named} - set(ports))
    if unknown:
        raise UsageError("no such conditioning", got=", ".join(unknown), wanted=", ".join(ports) or "none")
    return {name: arrays.read(Path(file), ports[name])[0] for name, file in named} or None


def _print_tokens(generation: Generation, json_path: str | None) -> dict[str, Any]:
    """Print tokens between commas as they come; what the report says of them."""
    found: list[int] = []
    for token in generation:
        found.append(token)
        _print(f",{token}" if len(found) > 1 else f"{token}", json_path)
    _print("\n", json_path)
    return {"tokens": found}


def _print_text(
    generation: Generation, words: Tokenizer, stop: tuple[str, ...], json_path: str | None
) -> dict[str, Any]:
    """Print text as it comes; what the report says of it."""
    from edgeseq.io.text import text_stream

    found = ""
    for piece in text_stream(generation, words, stop=stop):
        found += piece
        _print(shown(piece) if sys.stdout.isatty() else piece, json_path)
    _print("\n", json_path)
    return {"tokens": generation.chosen, "text": found}


def _print(text: str, json_path: str | None) -> None:
    """At once, without a line's end, unless standard output belongs to the JSON report."""
    if json_path != "-":
        click.echo(text, nl=False)


def shown(text: str) -> str:
    """Text of a model for a terminal: what a terminal would obey is written as an escape, lines and tabs apart."""
    return UNREADABLE.sub(lambda found: found[0] if found[0] in "\n\t" else ascii(found[0])[1:-1], text)
