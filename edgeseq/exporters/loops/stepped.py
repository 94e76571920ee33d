"""A module that is already a step, made one that takes whole sequences: it is called frame after frame.

What it is fed back with are its states. From there on it is a model like any other, with a loop over time.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from edgeseq.errors import UsageError
from edgeseq.exporters.capture import map_specs, named_leaves, ordered, spec_leaves
from edgeseq.exporters.loops.checking import drawn
from edgeseq.exporters.verification.reference import evaluating
from edgeseq.specs import InputSpec

#: An output's name, or that and what the state holds at first.
States = Mapping[str, Any]


class Stepped(nn.Module):
    """Whole sequences through a step module; :func:`stepped` makes it.

    ``inputs`` are the specs of its own arguments: those of the step without its states, each with a time axis.
    """

    def __init__(self, step: nn.Module, specs: dict[str, Any], inputs: dict[str, Any], fed: dict[str, str]) -> None:
        super().__init__()
        self.step, self.specs, self.inputs, self.fed = step, specs, inputs, fed
        self.axis = next(spec.time_axis or 0 for _, spec in spec_leaves(inputs))
        self.chunks = any(spec.time_axis is not None for _, spec in spec_leaves(specs))

    def forward(self, **given: Any) -> Any:
        """The outputs of every frame, of one call where the step takes several; states only where all are states."""
        state = self._first_state(tree_leaves(given)[0])
        if self.chunks:
            return _single(self._call(given, state)[0])
        outputs: dict[str, list[torch.Tensor]] = {}
        count = tree_leaves(given)[0].shape[self.axis]
        for t in range(count):
            frame = torch.utils._pytree.tree_map(lambda value, t=t: value.select(self.axis, t), given)
            results, state = self._call(frame, state)
            for name, value in results.items():
                outputs.setdefault(name, []).append(value)
        return _single({name: torch.stack(parts, min(self.axis, parts[0].dim())) for name, parts in outputs.items()})

    def _call(
        self, given: Mapping[str, Any], state: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """One call of the step: its outputs by name, and its states by the names of their inputs."""
        waiting = {name: leaf for (name, _), leaf in zip(spec_leaves(self.inputs), tree_leaves(given), strict=True)}
        waiting |= state
        names = iter([name for name, _ in spec_leaves(self.specs)])
        results = named_leaves(
            self.step(**{k: map_specs(v, lambda _: waiting[next(names)]) for k, v in self.specs.items()})
        )
        after = {name: results[output] for name, output in self.fed.items()}
        shown = {name: value for name, value in results.items() if name not in self.fed.values()}
        return shown or results, after

    def _first_state(self, frames: torch.Tensor) -> dict[str, torch.Tensor]:
        first = next(spec for _, spec in spec_leaves(self.inputs))
        rows = frames.shape[first.batch_axis] if first.batch_axis is not None else 1
        found = {}
        for name, spec in spec_leaves(self.specs):
            if name in self.fed:
                initial = getattr(self, _initial_name(name), None)
                shape: list[Any] = [rows if axis == "batch" else axis for axis in spec.shape]
                floating = spec.dtype.startswith("float") and frames.is_floating_point()
                dtype = frames.dtype if floating else getattr(torch, spec.dtype)
                zeros = torch.zeros(shape, dtype=dtype, device=frames.device)
                found[name] = zeros if initial is None else initial.to(dtype).expand(shape)
        return found


def _initial_name(name: str) -> str:
    return "initial_" + name.replace(".", "_")


def _single(results: dict[str, torch.Tensor]) -> Any:
    """The one result, or all of them by name."""
    return next(iter(results.values())) if len(results) == 1 else results


def stepped(model: nn.Module, inputs: Mapping[str, Any], states: States) -> Stepped:
    """``model``, whose inputs ``states`` are fed by its outputs, over whole sequences.

    Where no input has a time axis, every other input is one frame, ``float32[batch,64]`` of ``[batch,time,64]``; where
    one has, the module takes several frames in a call and those without are conditioning. ``states`` maps an input, or
    an argument that is a tuple of them, to the output that is its next value: ``{"h": "h_out"}``, ``{"state":
    "output.1"}``; ``("h_out", array)`` says what it holds at first, else zeros. UsageError where names or shapes do not
    fit.
    """
    specs = ordered(model, inputs)
    given = {name: value if isinstance(value, tuple) else (value, None) for name, value in states.items()}
    outputs = _outputs(model, specs)
    fed, initials = _paired(specs, outputs, given)
    own = {name: spec for name, spec in specs.items() if not _is_state(name, spec, fed)}
    if not own:
        raise UsageError("every input is a state", do="leave the frames out of states")
    chunks = any(spec.time_axis is not None for _, spec in spec_leaves(specs))
    timed = own if chunks else {name: map_specs(spec, _timed) for name, spec in own.items()}
    made = _with_arguments(model, list(timed))(model, specs, timed, fed)
    for name, initial in initials.items():
        made.register_buffer(_initial_name(name), torch.as_tensor(initial))
    return made


def over_sequences(model: nn.Module, inputs: Mapping[str, Any], states: States) -> tuple[nn.Module, dict[str, Any]]:
    """A step module as one over whole sequences, and the specs of its inputs."""
    with evaluating(model):
        made = stepped(model, inputs, states)
        if made.chunks:
            _check_continues(made)
    return made, made.inputs


def _check_continues(made: Stepped) -> None:
    """UsageError where a step of several frames, called twice, does not give what it gives in one call."""
    generator = torch.Generator().manual_seed(0)
    given = map_specs(made.inputs, lambda spec: drawn(spec, 12, generator))
    timed = dict(spec_leaves(made.inputs))

    def part(first: int, last: int) -> dict[str, Any]:
        names = iter(timed)
        return torch.utils._pytree.tree_map(lambda value: _cut(timed[next(names)], value, first, last), given)  # type: ignore[no-any-return]

    with torch.no_grad():
        state = made._first_state(tree_leaves(given)[0])
        whole, _ = made._call(given, state)
        _, between = made._call(part(0, 8), state)
        rest, _ = made._call(part(8, 12), between)
    for name, value in whole.items():
        axis = next((axis for axis, size in enumerate(value.shape) if size == 12 and rest[name].shape[axis] == 4), None)
        if axis is not None and not torch.allclose(value.narrow(axis, 8, 4), rest[name], rtol=1e-3, atol=1e-4):
            raise UsageError(
                "the module does not go on from its states",
                why=f"{name} of two calls with states in between is not that of one call",
                do="check which output is the next value of which state",
            )


def _cut(spec: InputSpec, value: torch.Tensor, first: int, last: int) -> torch.Tensor:
    if spec.time_axis is None:
        return value
    return value.narrow(spec.time_axis, first * spec.ratio, (last - first) * spec.ratio)


def _timed(spec: InputSpec) -> InputSpec:
    """The spec of a sequence of such frames: time follows the batch, or comes first."""
    axis = 0 if spec.batch_axis is None else spec.batch_axis + 1
    return InputSpec(spec.dtype, (*spec.shape[:axis], "time", *spec.shape[axis:]))


def _is_state(name: str, spec: Any, fed: Mapping[str, str]) -> bool:
    leaves = [f"{name}.{leaf}" if leaf else name for leaf, _ in spec_leaves(spec)]
    if any(leaf in fed for leaf in leaves) and not all(leaf in fed for leaf in leaves):
        missing = next(leaf for leaf in leaves if leaf not in fed)
        raise UsageError(f"argument {name} holds states and other tensors", got=f"{missing} is no state")
    return leaves[0] in fed


def _outputs(model: nn.Module, specs: dict[str, Any]) -> dict[str, torch.Tensor]:
    words = {"batch": 2, "time": 16}
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))

    def example(spec: InputSpec) -> torch.Tensor:
        sizes = {**dict.fromkeys(spec.words, 3), **words}
        return torch.zeros(spec.sizes(sizes), dtype=getattr(torch, spec.dtype), device=device)

    with torch.no_grad():
        return named_leaves(model(**map_specs(specs, example)))


def _paired(
    specs: dict[str, Any], outputs: Mapping[str, torch.Tensor], states: Mapping[str, tuple[str, Any]]
) -> tuple[dict[str, str], dict[str, Any]]:
    """The output that feeds each state, leaf by leaf, and what states hold at first where that is given."""
    inputs = [name for name, _ in spec_leaves(specs)]
    fed: dict[str, str] = {}
    initials: dict[str, Any] = {}
    for name, (output, initial) in states.items():
        ins, outs = _within(name, inputs, "input"), _within(output, list(outputs), "output")
        if len(ins) != len(outs):
            raise UsageError(
                f"state {name} and output {output} hold different numbers of tensors", got=len(outs), wanted=len(ins)
            )
        for one, other in zip(ins, outs, strict=True):
            spec = dict(spec_leaves(specs))[one]
            wanted = [2 if axis == "batch" else axis for axis in spec.shape]
            if list(outputs[other].shape) != wanted:
                raise UsageError(
                    f"output {other} cannot feed state {one}", got=list(outputs[other].shape), wanted=wanted
                )
            fed[one] = other
        if initial is not None:
            initials |= dict(zip(ins, initial if isinstance(initial, (tuple, list)) else [initial], strict=True))
    return fed, initials


def _within(name: str, known: list[str], kind: str) -> list[str]:
    found = [item for item in known if item == name or item.startswith(f"{name}.")]
    if not found:
        close = difflib.get_close_matches(name, known, 1)
        raise UsageError(
            f"states= names an {kind} that the module does not have",
            got=name,
            wanted=f"one of {', '.join(known)}",
            do=f"did you mean {close[0]}?" if close else None,
        )
    return found


def _with_arguments(model: nn.Module, names: list[str]) -> type[Stepped]:
    """A class whose forward shows these arguments."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD

    def forward(self: Stepped, *args: Any, **given: Any) -> Any:
        return Stepped.forward(self, **dict(zip(names, args, strict=False)), **given)

    forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind) for name in ("self", *names)]
    )
    return type(type(model).__name__, (Stepped,), {"forward": forward})
