"""From a plan to a graph and a contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from edgeseq.contract import Contract
from edgeseq.quantization.caches import find_caches, store_caches
from edgeseq.quantization.configs import Scheme
from edgeseq.quantization.kernels import Kernel, Seen
from edgeseq.quantization.nodes import Nodes
from edgeseq.quantization.observing import Observer
from edgeseq.quantization.planning import Plan
from edgeseq.quantization.rewriting import rewrite
from edgeseq.quantization.sites import Left, Site, find_sites, names_in
from edgeseq.quantization.source import Source
from edgeseq.quantization.streams import Samples
from edgeseq.quantization.targets import Target
from edgeseq.runtime.model import Model

#: The first onnxruntime whose CPU kernels take a form, where that is later than 1.22: tried with 1.22 to 1.31.
SINCE = {"GatherBlockQuantized": ">=1.23"}
CACHES_SINCE = ">=1.28"


@dataclass(frozen=True)
class Made:
    """A quantized graph with its contract; ``bytes_after`` of every site's weights. ``prologue``: that of its prologue.

    ``shadows``: of sites left beside, the float result and the one that took its place.
    """

    graph: ir.Model
    contract: Contract
    prologue: ir.Model | None
    bytes_after: Mapping[str, int]
    shadows: Mapping[str, tuple[ir.Value, ir.Value]]


@dataclass(frozen=True)
class Maker:
    """Makes quantized graphs of one source: ``one_frame`` as in a config, ``seen`` what calibration found.

    ``caches``: attention's in 8 bits too.
    """

    source: Source
    target: Target
    one_frame: bool
    seen: Seen
    caches: bool = False

    def make(self, plan: Plan, shadows: bool = False) -> Made:
        """The source with these sites quantized."""
        graph, contract, prologue = self.source.graph(), self.source.contract, self.source.prologue()
        kernels = {name: Kernel(scheme, self.target, self.seen) for name, scheme in plan.items()}
        after = {} if prologue is None else dict(rewrite(prologue, kernels, others=names_in(graph)).bytes_after)
        done = rewrite(graph, kernels, self.one_frame, shadows)
        after |= done.bytes_after
        opset = {domain or "ai.onnx": version for domain, version in sorted(graph.graph.opset_imports.items())}
        chunk = contract.chunk
        if self.one_frame:
            chunk = replace(chunk, max=chunk.multiple, max_batched=None)
        contract = replace(contract, opset=opset, chunk=chunk, onnxruntime=_least_version(contract, graph, prologue))
        if self.caches:
            contract = store_caches(graph, contract, find_caches(graph), self.seen.highest)
            contract = replace(contract, onnxruntime=_latest(contract.onnxruntime, CACHES_SINCE))
        return Made(graph, contract, prologue, after, done.shadows)

    def run(self, plan: Plan) -> Model:
        """The source with these sites quantized, to be run."""
        made = self.make(plan)
        return self.source.run("tried", made.graph, made.contract, made.prologue)


def _least_version(contract: Contract, *graphs: ir.Model | None) -> str:
    """The onnxruntime from which all that is in some graphs runs on a CPU, as a contract says it."""
    ops = {node.op_type for graph in graphs if graph is not None for node in graph.graph.all_nodes()}
    return _latest(contract.onnxruntime, *(version for op, version in SINCE.items() if op in ops))


def _latest(*floors: str) -> str:
    return max(floors, key=_version)


def _version(floor: str) -> tuple[int, ...]:
    return tuple(int(part) for part in floor.strip(">= ").split("."))


def one_frame_possible(source: Source, samples: Samples) -> bool:
    """Whether there are recurrent layers, and each gets one frame in the shortest call, so that it needs no loop."""
    graph = source.graph()
    layers = [site for site in find_sites(graph)[0] if site.layer is not None]
    observer, nodes = Observer(source, graph, source.contract), Nodes(graph, "counted")
    for site in layers:
        frames = nodes.op("Shape", [site.node.inputs[0]], start=0, end=1)
        if not observer.highest(site.name, nodes.op("Cast", [frames], to=ir.DataType.FLOAT)):
            return False
    graph.graph.extend(nodes.made)
    return bool(layers) and all(found[0] == 1 for found in observer.run([samples.short()]).values())


def calibrated(source: Source, plan: Plan, samples: Samples, caches: bool = False) -> Seen:
    """What the schemes of a plan ask to know of the inputs of products, and of ``caches``, on streams of the file."""
    fixed = {name for name, scheme in plan.items() if scheme.kernel == "fixed"}
    rounded = {name for name, scheme in plan.items() if scheme.rounding == "calibrated"}
    if not fixed | rounded and not caches:
        return Seen()
    graph = source.graph()
    observer = Observer(source, graph, source.contract)
    highest, gram = [], []
    for site in find_sites(graph)[0]:
        if site.name in fixed:
            highest += [name for name, value in site.ends().items() if observer.highest(f"{name}.highest", value)]
        if site.name in rounded:
            factors = site.factors(observer.nodes)
            gram += [name for name, x in factors.items() if observer.gram(f"{name}.gram", x, site.inputs(name))]
    for cache in find_caches(graph) if caches else ():
        highest += [name for name, value in cache.factors().items() if observer.highest(f"{name}.highest", value)]
    found = observer.run(samples.several())
    return Seen(
        {name: float(found[f"{name}.highest"][0]) for name in highest}, {name: found[f"{name}.gram"] for name in gram}
    )


def seen_only(maker: Maker, plan: Plan, sites: Sequence[Site]) -> tuple[dict[str, Scheme], list[Left]]:
    """The plan without sites that need a scale of calibration and of which it saw nothing, and those."""
    kept, left = dict(plan), []
    for site in sites:
        if site.name in kept and kept[site.name].kernel == "fixed" and set(site.ends()) - set(maker.seen.highest):
            del kept[site.name]
            left.append(
                Left(site.name, site.node.op_type, site.bytes, "calibration cannot see into a loop or prologue")
            )
    return kept, left
