"""Writes the files that are measured into a folder: needs PyTorch, no GPU, and can be done on another machine.

The weights take one of 16 values, so that the folder packs to an eighth: it may have to travel.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

import edgeseq
from benchmarks.gpu.cases import NETWORKS, WEIGHTS, Network
from benchmarks.models import FEATURES, GPT, Stack
from edgeseq.exporters import Float16

#: The values are multiples of this of the largest.
_LEVELS = 8


def write(folder: Path, names: tuple[str, ...] = ()) -> None:
    """Every network, or those named, with its weights in 32 and in 16 bits; what is there is left."""
    folder.mkdir(parents=True, exist_ok=True)
    for network in NETWORKS:
        if names and network.name not in names:
            continue
        frames = {"x": f"float32[batch,time,{FEATURES}]"}
        inputs = {"tokens": "int64[batch,time]"} if network.kind == "gpt" else frames
        for gpu in (False, True) if network.kind == "gpt" else (False,):
            exact, small = (folder / network.file(weights, gpu) for weights in WEIGHTS)
            if not exact.exists():
                edgeseq.export(module(network), inputs, exact, ops="portable" if gpu else "ort")
            if not small.exists():
                edgeseq.exporters.quantize(exact, Float16(), small, measure=False, keep_slower=True)


def module(network: Network) -> nn.Module:
    """The network as one writes it, with weights of few values from seed 0."""
    torch.manual_seed(0)
    made: nn.Module = GPT() if network.kind == "gpt" else Stack(network.kind.upper(), network.layers, network.width)
    with torch.no_grad():
        for parameter in made.parameters():
            step = parameter.abs().max().clamp(min=1e-6) / _LEVELS
            parameter.copy_((parameter / step).round() * step)
    return made.eval()
