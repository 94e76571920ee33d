"""``torch.roll`` along time whose wrapped frames nobody reads is a shift.

``y = torch.roll(x, 1, 1); y[:, 0] = token`` brings the last frame of all time to the front and writes over it. Where
every use drops or overwrites the frames that came round, zeros stand in for them.
"""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.capture import Captured
from edgeseq.exporters.emitter import Emitter, rewritten, with_own_graph
from edgeseq.exporters.rules.first_frames import SHAPE_ONLY
from edgeseq.exporters.symbols import mentions

aten = torch.ops.aten


def with_shifts(captured: Captured) -> Captured:
    """The captured model with a pad and a cut in place of every roll whose wrapped frames are never read."""
    if not any(node.target is aten.roll.default for node in captured.graph.nodes):
        return captured
    captured = with_own_graph(captured)
    replaced = {}
    for node in list(captured.graph.nodes):
        dim = _rolled(captured, node)
        outputs = [output for _, output in captured.outputs]
        if dim is None or node in outputs or not all(_drops(user, node, dim) for user in node.users):
            continue
        frames, rank = _one(node.args[1]) or 0, node.meta["val"].dim()
        pads = [0, 0] * (rank - 1 - dim) + [frames, -frames]
        replaced[node] = Emitter(captured, node, {})(aten.constant_pad_nd.default, node.args[0], pads, 0)
        node.replace_all_uses_with(replaced[node])
    return rewritten(captured, replaced)


def _rolled(captured: Captured, node: torch.fx.Node) -> int | None:
    """The axis of time that a node rolls forward, by itself."""
    if node.target is not aten.roll.default or len(node.args) < 3:
        return None
    frames, dim = _one(node.args[1]), _one(node.args[2])
    if frames is None or dim is None or frames < 1:
        return None
    dim %= node.meta["val"].dim()
    return dim if mentions(captured.shape(node.meta["val"])[dim], captured.time) else None


def _one(value: Any) -> int | None:
    entries = value if isinstance(value, (list, tuple)) else [value]
    return entries[0] if len(entries) == 1 and isinstance(entries[0], int) else None


def _drops(user: torch.fx.Node, node: torch.fx.Node, dim: int) -> bool:
    """True where a use keeps none of the first frames that came round."""
    frames, rank = _one(node.args[1]) or 0, node.meta["val"].dim()
    args: list[Any] = list(user.args)
    if user.target is aten.select.int:  # the pattern of what is written over it
        return all(reader.target in SHAPE_ONLY for reader in user.users)
    if user.target is aten.slice.Tensor:
        start = args[2] if len(args) > 2 else 0
        return int(args[1]) % rank == dim and isinstance(start, int) and start >= frames
    if user.target is aten.select_scatter.default:
        return args[0] is node and args[1] is not node and int(args[2]) % rank == dim and args[3] == 0 and frames == 1
    if user.target is aten.slice_scatter.default and args[0] is node and args[1] is not node:
        named = dict(zip(("dim", "start", "end", "step"), args[2:], strict=False))
        end, first = named.get("end"), named.get("start") or 0
        covers = first == 0 and isinstance(end, int) and end >= frames and named.get("step", 1) == 1
        return int(named.get("dim", 0)) % rank == dim and covers
    return False
