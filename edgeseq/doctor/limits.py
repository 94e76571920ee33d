"""What a control group allows this process: processor time and memory, in versions 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from edgeseq.doctor.files import Files

_MOUNT = "sys/fs/cgroup"


def quota_cores(files: Files) -> float | None:
    """Processor time per second of real time, in cores; None where there is no limit."""
    found = []
    for folder in _folders(files, ""):
        quota, _, period = (files.text(f"{folder}/cpu.max") or "").partition(" ")
        if quota.isdigit() and period.isdigit() and int(period):
            found.append(int(quota) / int(period))
    for folder in _folders(files, "cpu"):
        limit, whole = files.number(f"{folder}/cpu.cfs_quota_us"), files.number(f"{folder}/cpu.cfs_period_us")
        if limit is not None and whole and limit > 0:
            found.append(limit / whole)
    return min(found, default=None)


def memory_limit(files: Files) -> int | None:
    """Bytes that the process may use; None where nothing says so. Version 1 writes a huge number for no limit."""
    limits = [files.number(f"{folder}/memory.max") for folder in _folders(files, "")]
    limits += [files.number(f"{folder}/memory.limit_in_bytes") for folder in _folders(files, "memory")]
    return min((limit for limit in limits if limit is not None and limit < 2**60), default=None)


def _folders(files: Files, controller: str) -> Iterator[str]:
    """The group's folder and those above it: each of them may set a limit.

    Inside a container the path may be that of the host while the mount begins at the group itself; folders that are not
    there hold no limit.
    """
    for line in (files.text("proc/self/cgroup") or "").splitlines():
        _, names, path = [*line.split(":", 2), "", ""][:3]
        if controller not in names.split(","):
            continue
        mounts = {"": ("", "unified")}.get(controller, (names, controller))
        inside = PurePosixPath(path.strip("/"))
        for mount in dict.fromkeys(mounts):
            for folder in (inside, *inside.parents):
                yield (PurePosixPath(_MOUNT) / mount / folder).as_posix()
