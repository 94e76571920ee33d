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
_TO_THE_END = 2**62


def with_shifts(captured: Captured) -> Captured:
    """The captured model with a pad and a cut in place of every roll whose wrapped frames are never read."""
    if not any(node.target is aten.roll.default for node in captured.graph.nodes):
        return captured
    captured = with_own_graph(captured)
    replaced = _whole_parts(captured)
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


def _whole_parts(captured: Captured) -> dict[torch.fx.Node, torch.fx.Node]:
    """Slices of all there is are what they are of: ``y[:, 0] = token`` takes and writes all rows on its way."""
    found = {}
    for node in captured.graph.find_nodes(op="call_function", target=aten.slice.Tensor):
        if _is_whole(node.args[2:]):
            found[node] = node.args[0]
    for node in captured.graph.find_nodes(op="call_function", target=aten.slice_scatter.default):
        if _is_whole(node.args[3:]) and captured.shape(node.meta["val"]) == captured.shape(node.args[1].meta["val"]):
            found[node] = node.args[1]
    for node, other in found.items():
        while other in found:
            other = found[other]
        found[node] = other
        node.replace_all_uses_with(other)
    captured.graph.eliminate_dead_code()
    return found


def _is_whole(bounds: tuple[Any, ...]) -> bool:
    """True for start, end and stride, as far as they are given, that leave nothing out."""
    given: list[Any] = [*bounds, *(0, None, 1)[len(bounds) :]]
    start, end, stride = given
    return start in (0, None) and stride == 1 and (end is None or (isinstance(end, int) and end >= _TO_THE_END))


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
    taken = user.target in (aten.select.int, aten.slice.Tensor)
    if taken and all(reader.target in SHAPE_ONLY and user not in reader.args[1:] for reader in user.users):
        return True  # the pattern of what is written over it
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
