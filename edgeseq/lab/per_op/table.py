"""Where the time of a step goes, told to a person."""

from __future__ import annotations

from collections.abc import Sequence

from edgeseq.lab.per_op.per_op import Group, PerOp

#: Nodes, and modules, that are named one by one.
MOST = 12


def describe(per_op: PerOp) -> str:
    """A table by operator, one by module, the longest nodes, and what the profiler itself costs."""
    sections = [
        [f"where a step of {per_op.file} goes: {_setting(per_op)}"],
        _aligned([["operator", "nodes", "us", "share"], *_groups(per_op.ops), *_sums(per_op)]),
        _aligned([["module", "nodes", "us", "share"], *_shortened(_groups(per_op.modules))]),
        _aligned([["node", "operator", "module", "us", "share"], *_nodes(per_op)]),
        _notes(per_op),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections)


def _setting(per_op: PerOp) -> str:
    counted = [(per_op.batch, "stream"), (per_op.frames, "frame"), (per_op.threads, "thread")]
    words = [f"{count:,} {word}{'' if count == 1 else 's'}" for count, word in counted]
    return ", ".join([f"median of {per_op.steps:,} steps from position {per_op.position:,}", *words])


def _groups(groups: Sequence[Group]) -> list[list[str]]:
    return [[group.name, str(group.nodes), *_time(group.net_us, group.share)] for group in groups]


def _sums(per_op: PerOp) -> list[list[str]]:
    rest = _time(per_op.rest_us, per_op.rest_us / per_op.plain_us)
    return [["around them", "", *rest], ["a step", "", f"{per_op.plain_us:.1f}", ""]]


def _nodes(per_op: PerOp) -> list[list[str]]:
    longest = sorted(per_op.nodes, key=lambda node: -node.net_us)
    rows = [
        [node.name or "(no name)", node.op, _named(node.module), *_time(node.net_us, node.share)] for node in longest
    ]
    return _shortened(rows)


def _shortened(rows: list[list[str]]) -> list[list[str]]:
    more = len(rows) - MOST
    return [*rows[:MOST], [f"and {more} more", *[""] * (len(rows[0]) - 1)]] if more > 0 else rows


def _notes(per_op: PerOp) -> list[str]:
    added = per_op.excess * per_op.empty_us
    roughly = "what takes less is told roughly"
    if per_op.excess > 1:
        roughly += ", and so is every small node here: with less taken off they add up to more than a step"
    return [
        f"The profiler makes a step {per_op.slowdown:.1f} times as long ({per_op.traced_us:.1f} us in place of "
        f"{per_op.plain_us:.1f} us).",
        f"The {added:.1f} us that it adds to each node are taken off above. It writes whole microseconds: {roughly}.",
        "Around them: what onnxruntime does between nodes, the call, and Python.",
    ]


def _named(module: str | None) -> str:
    return "?" if module is None else module or "(model)"


def _time(us: float, share: float) -> list[str]:
    return [f"{us:.1f}", f"{100 * share:.0f} %"]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, the last two with figures at their right end."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    texts = len(widths) - 2
    return [
        "  ".join(
            cell.ljust(width) if index < texts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
