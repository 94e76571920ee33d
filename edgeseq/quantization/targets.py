"""The processors that forms and ranges are chosen for."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from edgeseq.doctor.files import Files
from edgeseq.doctor.processor import processor
from edgeseq.errors import UsageError


@dataclass(frozen=True)
class Target:
    """A processor's kind.

    ``largest``: the largest weight of 8 bits in MatMulInteger. Without VNNI x86 adds pairs of products of 8 bits in 16
    (Intel's ``vpmaddubsw``), which saturates: ``2 * 255 * 64`` does not. ``zero_points``: MatMulNBits of 4 bits is
    given its zeros, without which onnxruntime's ARM kernels quantize activations otherwise, and coarser.
    """

    name: str
    largest: int = 127
    zero_points: bool = False


TARGETS = {
    target.name: target
    for target in (
        Target("x86-vnni"),
        Target("x86", largest=64),
        Target("arm-dotprod", zero_points=True),
        Target("arm", zero_points=True),
    )
}


def this_machine() -> Target | None:
    """What this machine is; None where it is neither x86 nor ARM."""
    flags = {name for name, there in (processor(Files()).flags or {}).items() if there}
    if platform.machine().lower() in ("x86_64", "amd64"):
        return TARGETS["x86-vnni" if flags & {"avx512_vnni", "avx_vnni"} else "x86"]
    if platform.machine().lower() in ("aarch64", "arm64"):
        return TARGETS["arm-dotprod" if "asimddp" in flags or platform.system() == "Darwin" else "arm"]
    return None


def target_of(name: str | None) -> tuple[Target, bool]:
    """The target of this name, this machine where it is None, and whether it is this machine. UsageError otherwise."""
    here = this_machine()
    if name is None:
        if here is None:
            raise UsageError(
                "this machine is of no kind that is known",
                got=platform.machine(),
                do=f"say which it is for: target_cpu= (--target-cpu), one of {', '.join(TARGETS)}",
            )
        return here, True
    if name not in TARGETS:
        raise UsageError("unknown target", got=repr(name), wanted=f"one of {', '.join(TARGETS)}")
    return TARGETS[name], here is not None and here.name == name
