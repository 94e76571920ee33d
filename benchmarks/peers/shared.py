"""Writes what all engines of a case share: the ONNX files, the inputs, the caches, and PyTorch's answers.

python -m benchmarks.peers.shared CASE FOLDER
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

import edgeseq
from benchmarks.models import FEATURES, GPT
from benchmarks.peers.cases import CASES, Case
from benchmarks.peers.networks import blocks_of, inputs, network
from tests import silero

#: Different inputs that take turns; as many as are compared.
INPUTS = 256
SAMPLES = 512


def write(case: Case, folder: Path) -> None:
    """Write a case's files into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    if case.kind == "Silero":
        write_silero(case, folder)
        return
    module = network(case)
    write_onnx(case, module, folder)
    given = inputs(case, max(INPUTS, case.checked))
    np.save(folder / "frames.npy", given.numpy())
    with torch.no_grad():
        before = torch.randint(65, (1, case.start), generator=torch.Generator().manual_seed(2))
        if isinstance(module, GPT):
            np.save(folder / "before.npy", before.numpy())
            write_caches(module, before, case, folder)
        taken = given[: case.checked].reshape(1, case.checked, *given.shape[3:])
        whole = torch.cat([before, taken], dim=1) if case.position is not None else taken
        answers = module(whole)[0, -case.checked :]
    np.save(folder / "answers.npy", answers.numpy())


def write_onnx(case: Case, module: torch.nn.Module, folder: Path) -> None:
    """``ort.onnx`` and ``portable.onnx``; the positions of one GPT share them."""
    given = {"tokens": "int64[batch,time]"} if case.position is not None else {"x": f"float32[batch,time,{FEATURES}]"}
    for ops in ("ort", "portable"):
        path = folder / f"{ops}.onnx"
        kept = folder.parent / f"{case.kind}-{case.layers}-{case.hidden}-{ops}.onnx"
        if not kept.exists():
            edgeseq.export(module, given, kept, ops=ops, golden=False)
        path.unlink(missing_ok=True)
        os.link(kept, path)


def write_caches(gpt: GPT, before: torch.Tensor, case: Case, folder: Path) -> None:
    """``caches.npz``: keys and values of the tokens ``before``, with room up to the case's capacity."""
    stored: dict[str, Any] = {}
    x = gpt.tokens(before) + gpt.positions(torch.arange(case.start))
    for number, block in enumerate(blocks_of(gpt)):
        parts = block.query_key_value(block.attention_norm(x)).chunk(3, dim=-1)
        for name, part in zip(("keys", "values"), parts[1:], strict=True):
            cache = torch.zeros(1, block.heads, case.capacity, part.shape[-1] // block.heads)
            cache[:, :, : case.start] = part.view(1, case.start, block.heads, -1).transpose(1, 2)
            stored[f"blocks.{number}.{name}"] = cache.numpy()
        x = block(x)
    np.savez(folder / "caches.npz", **stored)


def write_silero(case: Case, folder: Path) -> None:
    """The file of the package, noise, and the answers of its PyTorch model."""
    path = silero.model_file()
    if path is None:
        raise SystemExit(f"this case {silero.MISSING}")
    shutil.copyfile(path, folder / "silero.onnx")
    noise = 0.1 * np.random.default_rng(0).standard_normal((INPUTS, 1, SAMPLES))
    frames = noise.astype(np.float32)
    np.save(folder / "frames.npy", frames)
    module = torch.jit.load(str(path.with_name("silero_vad.jit")))  # type: ignore[no-untyped-call]
    with torch.no_grad():
        answers = [module(torch.from_numpy(frame), 16_000) for frame in frames[: case.checked]]
    np.save(folder / "answers.npy", torch.cat(answers).numpy())


if __name__ == "__main__":
    write(CASES[sys.argv[1]], Path(sys.argv[2]))
