"""The figures of a report: node by node, output by output, over a long run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeseq.contract import Contract
from edgeseq.quantization.choosing import Choice
from edgeseq.quantization.configs import Scheme
from edgeseq.quantization.making import Made, Maker
from edgeseq.quantization.noise import LongRun, compared, decibels, long_run
from edgeseq.quantization.observing import Observer
from edgeseq.quantization.report import Node
from edgeseq.quantization.streams import Samples
from edgeseq.runtime.model import Model
from edgeseq.structure import total
from edgeseq.verification.sizes import accepted
from edgeseq.verification.streams import Runs

#: Steps over which the error is followed, where the float file was verified over as many.
STEPS = 10_000
_LONG = 99
#: Multiply-adds that the long run may take: some twenty seconds of one core.
_OPERATIONS = 2e11


def surveyed(choice: Choice, made: Made, float_model: Model, model: Model, samples: Samples) -> dict[str, Any]:
    """What a report says of a choice and of the file that came of it."""
    outputs, long = _errors(float_model, model, samples)
    return {
        "source": choice.maker.source.contract.digest or "",
        "one_frame": choice.maker.one_frame,
        "nodes": _nodes(choice, made, samples),
        "left": choice.left,
        "limits": choice.limits,
        "raised": choice.raised,
        "inputs": "calibration" if samples.real else "random",
        "outputs": outputs,
        "long_run": long,
    }


def _nodes(choice: Choice, made: Made, samples: Samples) -> tuple[Node, ...]:
    """A line for every quantized node."""
    local = _at_outputs(choice.maker, choice.plan, samples)
    return tuple(
        Node(
            site.name,
            site.kind,
            str(choice.plan[site.name]),
            site.bytes,
            made.bytes_after[site.name],
            local.get(site.name),
            choice.cost.get(site.name),
        )
        for site in choice.sites
        if site.name in choice.plan
    )


def _at_outputs(maker: Maker, chosen: Mapping[str, Scheme], samples: Samples) -> dict[str, float | None]:
    """SQNR of each node's output: beside each runs the float node, on the inputs of the quantized stream."""
    made = maker.make(chosen, shadows=True)
    observer = Observer(maker.source, made.graph, made.contract, made.prologue)
    seen = [
        name
        for name, (before, after) in made.shadows.items()
        if before is not after and observer.error(f"{name}.error", before, after) and observer.power(name, before)
    ]
    found = observer.run([samples.short()])
    return {name: decibels(float(found[name][0]), float(found[f"{name}.error"][0])) for name in seen}


def _errors(float_model: Model, model: Model, samples: Samples) -> tuple[dict[str, float | None], LongRun]:
    """SQNR of every output over a few streams of what is calibrated on, and of all outputs over a long run."""
    contract = float_model.contract
    inputs, chunks = samples.short()
    powers = compared(Runs(float_model), Runs(model), inputs, chunks)
    frames = accepted(contract, max(_affordable(contract), samples.one_call))
    long = long_run(float_model, model, samples.draws(frames, 1, _LONG), frames)
    return {name: found.decibels for name, found in powers.items()}, long


def _affordable(contract: Contract) -> int:
    """Base frames of the long run: bounded by a count of operations, not by a clock, so that reports are alike."""
    frames = min(STEPS * contract.chunk.multiple, contract.max_context or STEPS * contract.chunk.multiple)
    cost = total(contract.modules)
    while frames > contract.chunk.multiple:
        steps = frames / contract.chunk.multiple
        if steps * (cost.multiply_adds + cost.multiply_adds_per_context * frames / 2) <= _OPERATIONS:
            break
        frames //= 2
    return frames // contract.chunk.multiple * contract.chunk.multiple
