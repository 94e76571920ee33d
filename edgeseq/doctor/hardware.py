"""Checks of the hardware and of how it is set up."""

from __future__ import annotations

from collections.abc import Iterator

from edgeseq.doctor.facts import Facts
from edgeseq.doctor.finding import Check, Finding

#: Clock sources that are read through a slow bus instead of an instruction.
_SLOW_CLOCKS = ("acpi_pm", "hpet", "jiffies")
_STEP_NS = 1000
_LITTLE_MEMORY = 256 * 2**20
_CPU = "/sys/devices/system/cpu"


def instructions(facts: Facts) -> Iterator[Finding]:
    """Kernels without AVX2 are the slow ones on x86; a virtual machine may hide it."""
    flags = facts.processor.flags
    if flags is not None and flags.get("avx2") is False:
        hidden = facts.processor.virtual not in (None, "no")
        what = "the processor has no AVX2: onnxruntime falls back to slower kernels"
        do = "let the virtual machine see the host's processor, such as -cpu host in QEMU" if hidden else None
        yield Finding("avx2", "warning", what, do)


def clock_follows_load(facts: Facts) -> Iterator[Finding]:
    """A step after a pause finds a slow clock unless the governor keeps it up."""
    governor = facts.processor.governor
    if governor is not None and governor != "performance":
        yield Finding(
            "governor",
            "warning",
            f"the governor is {governor}: the clock falls between paced steps, and they take longer",
            f"until the next start: echo performance | sudo tee {_CPU}/cpu*/cpufreq/scaling_governor",
        )


def turbo(facts: Facts) -> Iterator[Finding]:
    """With turbo the clock depends on heat and on the neighbours."""
    if facts.processor.turbo:
        yield Finding(
            "turbo",
            "note",
            "turbo is on: the clock depends on heat and on what other cores do",
            f"to compare figures: echo 1 | sudo tee {_CPU}/intel_pstate/no_turbo, "
            f"or echo 0 | sudo tee {_CPU}/cpufreq/boost",
        )


def load(facts: Facts) -> Iterator[Finding]:
    """Other programs take time from the steps that are measured."""
    busy, cores = facts.processor.load, facts.processor.cores
    if busy is not None and cores and busy > 0.5 * cores:
        yield Finding(
            "load",
            "warning",
            f"{busy:g} of {cores} cores were busy over the last minute: steps measured now wait for other programs",
            "wait, or stop what else runs",
        )


def quota(facts: Facts) -> Iterator[Finding]:
    """A quota stops the process for the rest of a period once it is used up."""
    allowed, usable = facts.processor.quota_cores, facts.processor.usable_cores
    if allowed is not None and usable and allowed < usable:
        yield Finding(
            "cpu-quota",
            "warning",
            f"a quota allows {allowed:g} of {usable} cores: once it is used up a step waits for the next period",
            "raise the container's limit of processor time, or give it cores of its own in place of a limit",
        )


def virtual(facts: Facts) -> Iterator[Finding]:
    """Neighbours on the host cannot be seen from inside."""
    kind = facts.processor.virtual
    if kind not in (None, "no"):
        named = "" if kind == "yes" else f" ({kind})"
        what = f"this is a virtual machine{named}: its neighbours change the figures, and cannot be seen from here"
        yield Finding("virtual-machine", "note", what, "measure on the device where the file will run")


def memory(facts: Facts) -> Iterator[Finding]:
    """Swapping makes steps wait for a disk."""
    free = facts.memory.available_bytes
    if free is not None and free < _LITTLE_MEMORY:
        what = f"only {free / 2**20:,.0f} MiB of memory are free"
        yield Finding("memory", "warning", what, "stop what else runs")


def timer(facts: Facts) -> Iterator[Finding]:
    """Steps of microseconds need a clock that is finer."""
    step, source = facts.clock.smallest_step_ns, facts.clock.source
    if step is None or step > _STEP_NS:
        seen = "did not move while it was watched" if step is None else f"moves in steps of {step:,} ns"
        yield Finding("timer", "warning", f"the clock {seen}: short steps cannot be timed with it")
    if source in _SLOW_CLOCKS:
        folder = "/sys/devices/system/clocksource/clocksource0"
        yield Finding(
            "clock-source",
            "warning",
            f"the clock source is {source}: each reading takes long",
            f"where {folder}/available_clocksource lists tsc: echo tsc | sudo tee {folder}/current_clocksource",
        )


HARDWARE: tuple[Check, ...] = (instructions, clock_follows_load, turbo, load, quota, virtual, memory, timer)
