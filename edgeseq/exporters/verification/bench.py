"""What the laws share: the file's streams, the module, inputs, the yardstick, and how their comparisons are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from edgeseq.contract import Port
from edgeseq.errors import UsageError
from edgeseq.exporters.verification.horizon import Horizon, horizon
from edgeseq.exporters.verification.reference import Reference
from edgeseq.exporters.verification.yardstick import Found, Yardstick, amplifies, in_range
from edgeseq.verification.arrays import Arrays
from edgeseq.verification.drawing import Draws
from edgeseq.verification.report import Check
from edgeseq.verification.sizes import accepted, past_of, short_run
from edgeseq.verification.streams import Runs

_BATCH = 3
#: Seed of the inputs of the long run.
_LONG = 707
#: Frames over which no module amplifies rounding beyond recognition.
_EARLY = 2
#: Lengths, each twice the one before, at which the noise of a final value is taken.
_HISTORY = 8
#: Modes that carry no rounding from call to call, so that none is amplified beyond one run of the module.
_STATELESS = ("window", "sequence")


class Bench:
    """What a law needs: the file's streams, the module, the yardstick, and a size.

    ``horizon`` tells of the long run: how far it goes, what keeps it from more, and in which windows it was compared.
    """

    def __init__(
        self, runs: Runs, reference: Reference, draws: Draws, yardstick: Yardstick, rules: Mapping[str, Any] | None
    ) -> None:
        self.runs, self.reference, self.draws = runs, reference, draws
        self.contract, self.rules = runs.contract, rules
        self.frames, self.batch = short_run(runs.contract), _BATCH if runs.batched else 1
        self._check_inputs()
        self.horizon, self.amplifying = self._look_ahead()
        self.plain = yardstick
        self.yardstick = yardstick.amplifying() if self.amplifying else yardstick

    def _look_ahead(self) -> tuple[dict[str, Any], bool]:
        """How far the long run goes, and whether the module amplifies rounding on the way."""
        far = horizon(
            lambda frames: self.reference.exact(self.long_inputs(frames)),
            lambda frames: accepted(self.contract, frames),
            self.contract.max_context,
            self.frames,
            self.contract.chunk.multiple,
        )
        outputs, inputs = self.contract.with_role("output"), self.long_inputs(far.frames)
        late = self.reference.exact(inputs), self.reference.run(inputs)
        while (reached := _in_range(outputs, late, far.frames)) < far.frames:
            frames = accepted(self.contract, max(reached, self.contract.min_frames))
            far = Horizon(frames, "the range of float32")
            inputs = past_of(self.contract, inputs, frames)
            late = self.reference.exact(inputs), self.reference.run(inputs)
            if frames == self.contract.min_frames:
                break
        first = accepted(self.contract, min(far.frames, max(_EARLY, self.contract.min_frames)))
        past = past_of(self.contract, inputs, first)
        early = self.reference.exact(past), self.reference.run(past)
        several = self.reference.exact(self.inputs(0)), self.reference.run(self.inputs(0))
        _check_finite(several[0])
        amplifying = self.contract.mode["name"] not in _STATELESS and any(
            _amplifies(port, early, late) or (port.time_axis is not None and _amplifies(port, early, several))
            for port in outputs
        )
        return {"frames": far.frames, "limit": far.limit}, amplifying

    def _check_inputs(self) -> None:
        """UsageError where the module refuses integers that were guessed, or the samples that were given."""
        guessed, given = self.draws.guessed, sorted(self.draws.samples)
        if not guessed and not given:
            return
        try:
            self.reference.run(self.inputs(0))
        except (IndexError, RuntimeError, ValueError) as error:
            why = str(error).splitlines()[0].rstrip(" .")
            if not guessed:
                raise UsageError(
                    f"the module does not take the calibration for {', '.join(given)}",
                    why=why,
                    do="give inputs that it was made for: indices below the size of their table",
                ) from error
            raise UsageError(
                f"which integers {guessed[0]} takes cannot be read off the model",
                why=f"from 0 to 100 were tried: {why}",
                do=f"give real inputs: calibration=[{{{guessed[0]!r}: array}}], or --example file.py:function",
            ) from error

    def inputs(self, seed: int, frames: int | None = None, rows: int | None = None) -> Arrays:
        """Inputs of this size."""
        return self.draws(frames or self.frames, rows or self.batch, seed)

    def long_inputs(self, frames: int) -> Arrays:
        """One long row: some files take larger chunks than one frame for a single stream only."""
        return self.draws(frames, 1, _LONG)

    def beginning(self, seed: int, frames: int) -> tuple[Arrays, Arrays | None]:
        """Inputs of so many frames, and those that they are the beginning of; None where they are the whole."""
        whole = self.inputs(seed)
        return (past_of(self.contract, whole, frames), whole) if frames < self.frames else (whole, None)

    def compare(
        self, streamed: Arrays, inputs: Arrays, names: list[str], longer: Arrays | None = None
    ) -> Iterator[tuple[str, Found | str]]:
        """For each output: its name, and the yardstick's finding or a sentence.

        ``longer``: inputs that these are the beginning of. The module's noise at a step does not depend on where
        a sequence ends, and a short one has few values to see it in.
        """
        exact, plain = self.reference.exact(inputs), self.reference.run(inputs)
        beyond = None if longer is None else (self.reference.exact(longer), self.reference.run(longer))
        for name in names:
            whole = unfolded(streamed[name], exact[name])
            if whole is None or streamed[name].dtype != plain[name].dtype:
                yield name, _unlike(streamed[name], exact[name], plain[name])
            else:
                near = plain[name].reshape(streamed[name].shape)
                on = None if beyond is None or beyond[0][name].ndim < whole.ndim else (beyond[0][name], beyond[1][name])
                axis = self.contract.port(name).time_axis
                yield name, self.yardstick.compare(streamed[name], whole, near, axis, on)

    def compare_history(
        self,
        worst: Worst,
        answers: list[tuple[int, Arrays]],
        inputs: Arrays,
        names: list[str],
        where: str,
        lengths: Iterable[int] = (),
    ) -> None:
        """Hold the values that outputs without a time axis had after so many frames against the module's.

        Their noise is that of a history, as along a time axis: one value says little of how far off a value may be. To
        the history belong what the module gives for these ``lengths`` before them too.
        """
        if not answers or not names:
            return
        first = answers[0][0]
        history = [*sorted({length for length in lengths if length < first}), *(taken for taken, _ in answers)]
        pasts = [past_of(self.contract, inputs, taken) for taken in history]
        exact, plain = ([run(past) for past in pasts] for run in (self.reference.exact, self.reference.run))
        for name in names:
            wanted, near = (np.stack([item[name] for item in run]) for run in (exact, plain))
            streamed = np.stack([outputs[name] for _, outputs in answers])
            if streamed.shape[1:] != wanted.shape[1:] or streamed.dtype != near.dtype:
                worst.add(name, _unlike(streamed[0], wanted[-1], near[-1]), where.format(first))
                continue
            found = self.yardstick.compare_ends(streamed, wanted, near)
            place = found.place
            taken = history[-1 if place is None else place[0]]
            worst.add(name, replace(found, place=place and place[1:]), where.format(taken))

    def compare_end(self, worst: Worst, streamed: Arrays, inputs: Arrays, frames: int, names: list[str]) -> None:
        """Hold the final values of outputs without a time axis against the module's, by the noise of their history."""
        lengths = {
            accepted(self.contract, max(self.contract.min_frames, frames * 2**step // 2**_HISTORY))
            for step in range(_HISTORY)
        }
        self.compare_history(worst, [(frames, streamed)], inputs, names, "{} frames", lengths)

    def named(self, timed: bool) -> list[str]:
        """The outputs with, or without, a time axis."""
        return [port.name for port in self.contract.with_role("output") if (port.length is not None) is timed]


def _unlike(streamed: np.ndarray[Any, Any], exact: np.ndarray[Any, Any], plain: np.ndarray[Any, Any]) -> str:
    """What an output of another shape or dtype is told."""
    if streamed.size != exact.size:
        return f"shape {list(streamed.shape)}, the module gives {list(exact.shape)}"
    return f"dtype {streamed.dtype}, the module gives {plain.dtype}"


def _check_finite(outputs: Arrays) -> None:
    """UsageError where an output holds nothing that could be compared."""
    for name, values in outputs.items():
        if values.size and values.dtype.kind == "f" and not np.isfinite(values).any():
            raise UsageError(
                f"{name} is not finite anywhere",
                why="the module gives only NaN or infinity for the inputs that it is verified on: random "
                "ones of both signs unless they are given",
                do="check its weights; give real inputs with calibration=, or --example file.py:function",
            )


def unfolded(streamed: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """The whole-sequence output in the shape of the streamed one, whose time is in an axis of its own."""
    if streamed.shape == whole.shape:
        return whole
    return whole.reshape(streamed.shape) if streamed.size == whole.size else None


def _amplifies(port: Port, early: tuple[Arrays, Arrays], late: tuple[Arrays, Arrays]) -> bool:
    """Whether an output shows that the module amplifies rounding, from its values early and at the end of a long run.

    Each is the module's output in float64 and in float32. A value without a time axis has a history of these two.
    """
    if port.time_axis is not None and late[0][port.name].ndim == len(port.shape):
        return amplifies(late[0][port.name], late[1][port.name], port.time_axis)
    if port.time_axis is not None:
        return False  # folded with the batch: other outputs, or its own windows, must show it
    exact, plain = (np.stack([early[index][port.name], late[index][port.name]]) for index in range(2))
    return amplifies(exact, plain, 0)


def _in_range(outputs: tuple[Port, ...], run: tuple[Arrays, Arrays], frames: int) -> int:
    """Base frames before float32 overflows in an output; half of ``frames`` where one without a time axis has."""
    reached = [frames]
    for port in outputs:
        exact, plain = (found[port.name] for found in run)
        axis = port.time_axis if exact.ndim == len(port.shape) else None
        found = in_range(exact, plain, axis)
        if found is not None:
            reached.append(frames // 2 if axis is None else min(int(found / port.ratio), frames - 1))
    return min(reached)


class Worst:
    """Collects comparisons into one check."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.distance = self.allowed = 0.0
        self.compared = False
        self.failure: str | None = None

    def add(self, output: str, found: Found | str, where: str) -> None:
        """Keep a finding, or the sentence that says why an output could not be compared."""
        self.compared = True
        if isinstance(found, str):
            self.failure = self.failure or f"{output}, {where}: {found}"
            return
        if found.place is not None:
            self.failure = self.failure or (
                f"{output}{list(found.place)}, {where}: off by {found.distance:.3g}, allowed {found.allowed:.3g}"
            )
        if found.distance >= self.distance:
            self.distance, self.allowed = found.distance, found.allowed

    def check(self, passed: str) -> Check:
        """What was found in all; ``passed`` says what was done where nothing was wrong."""
        measured = f"; worst {self.distance:.2g}, allowed {self.allowed:.2g}" if self.compared else ""
        detail = self.failure or passed + measured
        return Check(self.name, self.failure is None, detail, self.distance, self.allowed)
