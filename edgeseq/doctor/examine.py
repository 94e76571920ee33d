"""Looks at the machine and judges it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from edgeseq.doctor.clock import clock
from edgeseq.doctor.engine import Engine, engine
from edgeseq.doctor.facts import Facts
from edgeseq.doctor.files import Files
from edgeseq.doctor.finding import SEVERITIES, Finding
from edgeseq.doctor.hardware import HARDWARE
from edgeseq.doctor.installation import INSTALLATION
from edgeseq.doctor.memory import memory
from edgeseq.doctor.packages import Packages, packages, python
from edgeseq.doctor.processor import processor

FORMAT = "edgeseq.doctor"
VERSION = 1


@dataclass(frozen=True)
class Examination:
    """The facts and what follows from them, the gravest first."""

    facts: Facts
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> bool:
        """Whether something keeps edgeseq from working."""
        return any(finding.severity == "broken" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The examination as JSON for a bug report; it holds no path, user or host name."""
        document = {"format": FORMAT, "version": VERSION, "broken": self.broken, **asdict(self.facts)}
        return {**document, "findings": [asdict(finding) for finding in self.findings]}


def examine(
    files: Files | None = None,
    installed: Callable[[], Packages] = packages,
    loaded: Callable[[], Engine] = engine,
) -> Examination:
    """What this machine is, and what is wrong with it.

    ``files`` are those of /proc and /sys, ``installed`` lists distributions, ``loaded`` tries onnxruntime.
    """
    files = files or Files()
    facts = Facts(
        python=python(),
        packages=installed(),
        engine=loaded(),
        processor=processor(files),
        memory=memory(files),
        clock=clock(files),
        nvidia=files.text("proc/driver/nvidia/version") is not None,
    )
    return Examination(facts, judge(facts))


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Everything that the checks find, the gravest first."""
    found = [finding for check in (*INSTALLATION, *HARDWARE) for finding in check(facts)]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))
