"""Which module of the model a node comes from, told from the names that the exporter leaves in a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import takewhile

from edgeseq.contract import Contract
from edgeseq.modelgraph import Graph, Node

#: What the exporter writes before the name of a parameter; ``_0`` in it is the module ``0``.
_PARAMETER = "constants.model."
#: Nodes between a product and its bias: a quantized one has casts and scales there.
_FARTHEST = 6
_NUMBER = re.compile(r"(?<![^.])[0-9]+(?![^.])")


def origins(graph: Graph, contract: Contract) -> dict[str, str]:
    """The path of a module for every value that a node computes; empty for the model itself, none where nothing tells.

    A node that reads parameters or states of one module is that module's. What stands between two such nodes belongs to
    the module around both.
    """
    names = _Names(graph, contract)
    own = [names.module(node) for node in graph.nodes]
    found: dict[str, str] = {}
    for index, node in enumerate(graph.nodes):
        path = own[index]
        if path is None:
            path = names.of_reader(node) or _between(_first(reversed(own[:index])), _first(own[index + 1 :]))
        if path is not None:
            found.update(dict.fromkeys(node.outputs, path))
    return found


def carried(run: Graph, known: Mapping[str, str]) -> dict[str, str]:
    """The modules of the values of a graph that onnxruntime has changed, from those of the file.

    A node that it put together has the output of one in the file. A value that the file has not belongs to the module
    that reads it, where there is one such module.
    """
    found, read_by = dict(known), dict[str, set[str]]()
    for node in reversed(run.nodes):
        for name in node.outputs:
            modules = read_by.get(name, set())
            if name not in found and len(modules) == 1:
                found[name] = next(iter(modules))
        if node.outputs and node.outputs[0] in found:
            for name in node.inputs:
                read_by.setdefault(name, set()).add(found[node.outputs[0]])
    return found


def _between(before: str | None, after: str | None) -> str | None:
    """The innermost module around both; the model itself at its ends, None where there is nothing on either side."""
    if before is None and after is None:
        return None
    columns = zip((before or "").split("."), (after or "").split("."), strict=False)
    return ".".join(one for one, _ in takewhile(lambda column: column[0] == column[1], columns))


class _Names:
    """What the names of one file tell."""

    def __init__(self, graph: Graph, contract: Contract) -> None:
        self._weights = graph.weights
        self._known = {_plain(part.first) for part in contract.modules}
        self._states = {state.input: state.name for state in contract.states if state.kind != "position"}
        self._readers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for name in set(node.inputs):
                self._readers.setdefault(name, []).append(node)

    def module(self, node: Node) -> str | None:
        """The innermost module of the parameters and states that only this node reads, or that its name begins with."""
        names = [self._states[name] for name in node.inputs if name in self._states]
        names += [name for name in node.inputs if name in self._weights and len(self._readers[name]) == 1]
        names += [node.name.partition("/")[0] + "."] if "/" in node.name else []
        paths = [path for name in names if (path := self._path(name)) is not None]
        return max(paths, key=len, default=None)

    def of_reader(self, node: Node) -> str | None:
        """For a node with weights of no name, as a product before its bias: the module its only readers lead to."""
        if not any(name in self._weights for name in node.inputs):
            return None
        for _ in range(_FARTHEST):
            readers = [reader for name in node.outputs for reader in self._readers.get(name, [])]
            if len(readers) != 1:
                return None
            node = readers[0]
            path = self.module(node)
            if path is not None:
                return path
        return None

    def _path(self, name: str) -> str | None:
        """The module in the name of a parameter or a state; without a list of modules all but a name's last part."""
        parts = name.removeprefix(_PARAMETER).split(".")
        parts = [part[1:] if part.startswith("_") and part[1:].isdigit() else part for part in parts]
        told = name.startswith(_PARAMETER) or name in self._states.values()
        if not self._known:
            return ".".join(parts[:-1]) if told else None
        for count in range(len(parts) - 1, 0, -1):
            if _plain(".".join(parts[:count])) in self._known:
                return ".".join(parts[:count])
        return "" if told else None


def _plain(path: str) -> str:
    """A path with its numbers left out: of alike modules a contract lists the first only."""
    return _NUMBER.sub("#", path)


def _first(paths: Iterable[str | None]) -> str | None:
    return next((path for path in paths if path is not None), None)
