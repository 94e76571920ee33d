"""``quantize``: from a verified float file to a quantized one, checked, measured and described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edgeseq.contract import Contract
from edgeseq.errors import EdgeseqError, VerificationError
from edgeseq.quantization.asking import check_asked, check_target
from edgeseq.quantization.choosing import chosen
from edgeseq.quantization.configs import Config
from edgeseq.quantization.laws import check_quantized
from edgeseq.quantization.making import Made
from edgeseq.quantization.report import Report, plain_config
from edgeseq.quantization.source import Source, opened
from edgeseq.quantization.speed import Speed, compare_steps
from edgeseq.quantization.streams import Samples
from edgeseq.quantization.surveying import surveyed
from edgeseq.quantization.targets import target_of
from edgeseq.quantization.tracing import write_trace
from edgeseq.runtime.golden import trace_of
from edgeseq.runtime.loading import describe, load
from edgeseq.sealing import prologue_of, seal, sidecar_of
from edgeseq.verification.drawing import Calibration
from edgeseq.verification.report import Verification
from edgeseq.verification.task import Task
from edgeseq.writing import replacing, save


@dataclass(frozen=True)
class Quantized:
    """What ``quantize`` made: the file, its contract, what was found on it, and the report that is in the contract.

    ``golden`` is the golden trace; None where none was asked for, or where even the shortest would be too large.
    """

    path: Path
    contract: Contract
    verification: Verification
    report: Report
    golden: Path | None = None


def quantize(
    path: str | Path,
    config: Config,
    out: str | Path,
    *,
    calibration: Calibration | None = None,
    target_cpu: str | None = None,
    min_sqnr: float | None = None,
    task: Task | None = None,
    keep_slower: bool = False,
    measure: bool = True,
    golden: bool = True,
    sidecar: bool = False,
    external_data: bool = False,
    progress: Callable[[str], object] | None = None,
) -> Quantized:
    """Write the float file at ``path`` to ``out`` with its weights in fewer bits, as ``config`` says.

    ``calibration`` is an iterable of ``{name: array}``: real inputs, on which scales and roundings are found and errors
    measured; without it random ones serve where they can. ``target_cpu`` is what the file is for, this machine by
    default. ``min_sqnr`` (dB, of the model's worst output) or a ``task`` with the most that may be lost leave in more
    bits, or in float, what costs most. A file that is slower than the float one on this machine is refused unless
    ``keep_slower``; ``measure=False`` leaves speed out. ``golden``, ``sidecar`` and ``external_data`` are those of
    ``export``. ``progress`` is told what is being done.

    The contract holds a report of every node, and the file's own verification: the laws, with neighbours and frames a
    thousand times louder, bit for bit. Nothing appears at ``out`` before all held.
    Raises UsageError, VerificationError, EdgeseqError where it is slower, and what ``load`` raises.
    """
    told = progress or (lambda text: None)
    source_path, target_path = Path(path), Path(out)
    check_asked(config, min_sqnr, task)
    check_target(source_path, target_path)
    target, here = target_of(target_cpu)
    with opened(source_path) as source:
        samples, float_model = Samples(source.contract, calibration), source.load()
        before = None if task is None else task.score(float_model)
        choice = chosen(source, config, samples, target, here and measure, min_sqnr, task, before, told)
        made = choice.maker.make(choice.plan)
        with replacing(target_path) as scratch:
            contract = _write(made, scratch, target_path, external_data)
            told("checking the laws")
            model = load(scratch, allow_unverified=True)
            verification = check_quantized(float_model, model, samples, settings_of(source, samples))
            if not verification.passed:
                raise _failed(verification)
            speed = _speed(source, scratch, contract, config, keep_slower) if here and measure else None
            told("following the error over a long run")
            report = Report(
                kind=config.kind,
                config=plain_config(config),
                target=target.name,
                file_bytes_before=describe(source.path).size,
                file_bytes_after=describe(scratch).size,
                speed=speed,
                speed_note=None if speed else "not asked for" if here else "speed not measured on this target",
                task=None if task is None or before is None else task.compared(before, model),
                **surveyed(choice, made, float_model, model, samples),
            )
            contract = replace(contract, quantization=report.to_dict(), verification=verification.to_dict())
            contract = seal(scratch, contract, sidecar or sidecar_of(target_path).exists())
            traced = golden and write_trace(float_model, contract, scratch, samples)
    return Quantized(target_path, contract, verification, report, trace_of(target_path) if traced else None)


def _write(made: Made, scratch: Path, target: Path, external_data: bool) -> Contract:
    """Write the graph, and its prologue, for a file that will be at ``target``; its contract, sealed."""
    contract = made.contract
    if made.prologue is not None and contract.prologue is not None:
        save(made.prologue, prologue_of(scratch), external_data)
        contract = replace(contract, prologue=replace(contract.prologue, file=prologue_of(target).name))
    save(made.graph, scratch, external_data)
    return seal(scratch, replace(contract, verification=None, session=None))


def settings_of(source: Source, samples: Samples) -> dict[str, object]:
    """What a verification of a quantized file says of how it was made."""
    return {
        "inputs": "calibration" if samples.real else "random",
        "against": f"{source.path.name}, {source.contract.digest}",
    }


def _speed(source: Source, scratch: Path, contract: Contract, config: Config, keep_slower: bool) -> Speed:
    """The measured speed; EdgeseqError where the file is slower than the float one and not asked for all the same."""
    speed = compare_steps(source.path, scratch, contract, getattr(config, "batch", 1))
    if speed.verdict == "slower" and not keep_slower:
        raise EdgeseqError(
            "the quantized file is slower than the float one on this machine",
            got=f"{1 / speed.ratio:.2f} times as long a step",
            why="what onnxruntime needs to quantize a frame costs more than so small a product saves",
            do="keep the float file, or write it all the same, for its size, with keep_slower=True (--keep-slower)",
        )
    return speed


def _failed(found: Verification) -> VerificationError:
    broken = next(check for check in found.checks if not check.passed)
    return VerificationError(
        "the quantized file does not keep the laws",
        why=f"the law of {broken.name} fails: {broken.detail}",
        do="take more bits, or leave what costs most in float: min_sqnr=, keep= (--min-sqnr, --keep)"
        if broken.name == "nearness"
        else "report this with the model",
    )
