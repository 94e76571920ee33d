"""ExecuTorch with the XNNPACK delegate; a GPT's caches are buffers of the program that it writes in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.cases import Case
from benchmarks.peers.engines.torch_compile import Positioned
from benchmarks.peers.engines.torch_eager import Recurrent
from benchmarks.peers.stepping import caches


def prepare(case: Case, folder: Path) -> None:
    """Export, hand to XNNPACK what it takes, and write ``executorch.pte``."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
    from executorch.exir.passes.init_mutable_pass import InitializedMutableBufferPass

    from benchmarks.peers.networks import CachedStep, fill, inputs, recurrent_step, transformer

    module: Any
    if case.position is None:
        module = recurrent_step(case)
        given = (inputs(case, 1)[0], *module.initial())
    else:
        module = fill(CachedStep(transformer(case), case.capacity), caches(folder)).eval()
        given = (inputs(case, 1)[0], torch.tensor([case.start]))
    with torch.no_grad():
        lowered = to_edge_transform_and_lower(torch.export.export(module, given), partitioner=[XnnpackPartitioner()])
        # Without it the program would begin with whatever is in memory.
        keep = ExecutorchBackendConfig(passes=[InitializedMutableBufferPass(["keys_", "values_"])])
        program = lowered.to_executorch(keep)
    (folder / "executorch.pte").write_bytes(program.buffer)


def import_packages() -> None:
    """ExecuTorch's runtime, which takes and gives PyTorch's tensors."""
    import torch  # noqa: F401


def open_step(case: Case, folder: Path) -> Recurrent | Positioned:
    """The loaded program on one thread; it would take one per core."""
    import torch
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
    from executorch.runtime import Runtime

    torch.set_num_threads(1)
    _unsafe_reset_threadpool(1)
    method = Runtime.get().load_program(folder / "executorch.pte").load_method("forward")
    if case.position is not None:
        return Positioned(lambda *given: method.execute(given)[0], case.start)
    count = 2 if case.kind == "LSTM" else 1
    initial = tuple(torch.zeros(case.layers, 1, case.hidden) for _ in range(count))
    return Recurrent(lambda *given: method.execute(given), initial)
