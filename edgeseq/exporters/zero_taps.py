"""Windows that begin or end with zeros: their convolution neither reads nor waits for those frames.

A Hann window starts with an exact zero. In front of a centred, reflected stft that zero meets the sample that comes
last of all those reflected: without it, frames of 512 samples every 256 come 256 samples earlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from edgeseq.exporters.capture import Captured
from edgeseq.exporters.emitter import Emitter, rewritten, with_own_graph

aten = torch.ops.aten


def without_zero_taps(captured: Captured) -> Captured:
    """The captured model with the zeros at the ends of a kernel cut off, and as much of the padding before it."""
    if not any(_is_padded(node) for node in captured.graph.nodes):
        return captured
    captured = with_own_graph(captured)
    replaced = {}
    for node in list(captured.graph.nodes):
        shorter = _shortened(Emitter(captured, node, {}), node, captured.tensors) if _is_padded(node) else None
        if shorter is not None:
            node.replace_all_uses_with(shorter)
            replaced[node] = shorter
    return rewritten(captured, replaced)


def _is_padded(node: torch.fx.Node) -> bool:
    """True for a conv1d without padding of its own behind a pad of time that nothing else reads."""
    if node.target is not aten.conv1d.default or any(_argument(node, 4, [0])):
        return False
    source = node.args[0]
    pads = isinstance(source, torch.fx.Node) and source.target is aten.pad.default
    return pads and len(source.users) == 1 and len(source.args[1]) == 2  # type: ignore[union-attr, arg-type]


def _argument(node: torch.fx.Node, place: int, default: Any) -> Any:
    return node.args[place] if len(node.args) > place else default


def _shortened(emit: Emitter, node: torch.fx.Node, tensors: Mapping[str, torch.Tensor]) -> torch.fx.Node | None:
    pad, weight, *rest = node.args
    assert isinstance(pad, torch.fx.Node)
    assert isinstance(weight, torch.fx.Node)
    known = evaluated(weight, tensors)
    amounts: Any = pad.args[1]
    if known is None or not all(isinstance(amount, int) for amount in amounts):
        return None
    gap = _argument(node, 5, [1])[0]
    first, last = (min(taps, max(0, amount) // gap) for taps, amount in zip(_zeros(known), amounts, strict=True))
    if first + last == 0:
        return None
    less = [amounts[0] - first * gap, amounts[1] - last * gap]
    padded = emit(aten.pad.default, pad.args[0], less, *pad.args[2:]) if any(less) else pad.args[0]
    kernel = emit(aten.slice.Tensor, weight, 2, first, known.shape[2] - last)
    return emit(aten.conv1d.default, padded, kernel, *rest)


def _zeros(weight: torch.Tensor) -> tuple[int, int]:
    """Taps at the front and at the back of a kernel that are zero in every channel."""
    used = (weight != 0).flatten(0, 1).any(0).nonzero().flatten()
    return (int(used[0]), int(weight.shape[2] - 1 - used[-1])) if len(used) else (0, 0)


def evaluated(node: torch.fx.Node, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
    """The value of a node that depends on weights alone; None for any other."""
    if node.op == "placeholder":
        return tensors.get(node.name)
    values = {source: evaluated(source, tensors) for source in node.all_input_nodes}
    if node.op != "call_function" or any(value is None for value in values.values()):
        return None
    args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
    with torch.no_grad():
        found = node.target(*args, **kwargs)  # type: ignore[operator]
    return found if isinstance(found, torch.Tensor) else None
