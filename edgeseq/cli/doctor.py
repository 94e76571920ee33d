"""``edgeseq doctor``: what this machine is, what is wrong with it, what to change."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from edgeseq.cli import options
from edgeseq.cli.files import say, write_report
from edgeseq.cli.tables import format_bytes

if TYPE_CHECKING:
    from edgeseq.doctor import Examination, Finding
    from edgeseq.doctor.facts import Facts

_LABEL = 14
_ROOM = 86
_UNKNOWN = "not available"


@click.command()
@options.json_report
@click.pass_context
def doctor(context: click.Context, json_path: str | None) -> None:
    """Show what this machine offers, what is wrong with it, and what to change.

    Versions, wheels, processor, memory and clock; PyTorch is not needed. The report of --json, for a bug report, holds
    no path, user or host name. The exit code is 1 where edgeseq cannot work: onnxruntime missing, doubled or broken.
    """
    from edgeseq.doctor import examine

    found = examine()
    say(describe(found), json_path)
    write_report(found.to_dict(), json_path)
    if found.broken:
        context.exit(1)


def describe(found: Examination) -> str:
    """An examination as text."""
    lines = [line for label, text in _facts(found.facts) for line in _wrapped(label, text)]
    findings = [line for finding in found.findings for line in _finding(finding)]
    return "\n".join([*lines, "", *(findings or ["nothing to change"])])


def _facts(facts: Facts) -> list[tuple[str, str]]:
    python, processor = facts.python, facts.processor
    versions = facts.packages.versions
    return [
        ("edgeseq", str(versions["edgeseq"])),
        ("python", f"{python.version}, {python.bits}-bit, {python.implementation}"),
        ("system", python.system),
        ("numpy", versions.get("numpy") or "not installed"),
        ("onnxruntime", _engine(facts)),
        ("providers", ", ".join(facts.engine.providers) or _UNKNOWN),
        *((name, versions.get(name) or "not installed") for name in ("torch", "onnx", "onnxscript", "onnx-ir")),
        ("processor", f"{processor.model}, {processor.architecture}"),
        ("cores", _cores(facts)),
        ("instructions", _flags(facts)),
        ("governor", processor.governor or _UNKNOWN),
        ("turbo", {None: _UNKNOWN, True: "on", False: "off"}[processor.turbo]),
        ("load", _UNKNOWN if processor.load is None else f"{processor.load:g} cores over the last minute"),
        ("virtual", (processor.virtual or _UNKNOWN) + (", in a container" if processor.container else "")),
        ("memory", _memory(facts)),
        ("clock", _clock(facts)),
    ]


def _engine(facts: Facts) -> str:
    wheels = ", ".join(f"{wheel} {version}" for wheel, version in facts.packages.engines.items())
    if not wheels:
        version = facts.engine.version
        return "not installed" if version is None else f"{version}, not from a wheel"
    return wheels if facts.engine.error is None else f"{wheels}, which fails"


def _cores(facts: Facts) -> str:
    processor = facts.processor
    text = f"{processor.cores or _UNKNOWN}, of which this process may use {processor.usable_cores or _UNKNOWN}"
    return text if processor.quota_cores is None else f"{text}, for {processor.quota_cores:g} cores' time"


def _flags(facts: Facts) -> str:
    flags = facts.processor.flags
    if flags is None:
        return _UNKNOWN
    there, absent = ([name for name, has in flags.items() if has is wanted] for wanted in (True, False))
    text = " ".join(there) or "none that matter"
    return f"{text}; without {' '.join(absent)}" if absent else text


def _memory(facts: Facts) -> str:
    memory = facts.memory
    if memory.total_bytes is None:
        return _UNKNOWN
    free = "" if memory.available_bytes is None else f", {format_bytes(memory.available_bytes)} free"
    limit = "" if memory.limit_bytes is None else f", this process is limited to {format_bytes(memory.limit_bytes)}"
    return f"{format_bytes(memory.total_bytes)}{free}{limit}"


def _clock(facts: Facts) -> str:
    clock = facts.clock
    seen = "it did not move" if clock.smallest_step_ns is None else f"smallest step seen {clock.smallest_step_ns:,} ns"
    return f"{seen} (claimed: {clock.claimed_ns:g} ns), {clock.implementation}, source {clock.source or _UNKNOWN}"


def _finding(finding: Finding) -> list[str]:
    lines = _wrapped(finding.severity, f"{finding.name}: {finding.what}")
    # On one line, however long: there are commands in it, to be copied.
    return lines if finding.do is None else [*lines, f"{'':<{_LABEL}}-> {finding.do}"]


def _wrapped(label: str, text: str) -> list[str]:
    first, *rest = textwrap.wrap(text, _ROOM, break_long_words=False, break_on_hyphens=False)
    return [f"{label:<{_LABEL}}{first}", *(f"{'':<{_LABEL}}{line}" for line in rest)]
