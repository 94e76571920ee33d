"""Whether an adopted file keeps the laws as far as a file without its module can show.

The same frames in other chunks give the same outputs; after ``reset`` nothing of the past is left; the other rows of a
batch change nothing. All on random frames, through the streams that a user will open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from edgeseq.contract import Port, Role, resolve_shape
from edgeseq.errors import VerificationError
from edgeseq.runtime.adopting.comparing import Arrays, Check, Distance, Tolerance, distance, same
from edgeseq.runtime.adopting.probe import draw, sizes_of
from edgeseq.runtime.devices import Array
from edgeseq.runtime.model import Model
from edgeseq.runtime.schedule import along
from edgeseq.runtime.stream import Stream

#: Calls of the smallest size in the runs that are compared.
CALLS = 24
_SEED = 808


class Laws:
    """The laws on one model. ``frames`` base frames are streamed, not a whole number of calls where it can be.

    ``single_calls``: chunks of one smallest call each. ``given``: conditioning. ``unit``: the fewest base frames that
    are a whole number of every input's.
    """

    def __init__(self, model: Model, tolerance: Tolerance) -> None:
        self.contract = model.contract
        self._model = model
        self._tolerance = tolerance
        self._one = model.contract.chunk.multiple
        self._unit = math.lcm(*(port.ratio.denominator for port in model.contract.with_role("frame")))
        self.single_calls = [self._one] * CALLS
        self.frames = CALLS * self._one + self._one // 2 // self._unit * self._unit
        self.given = self._drawn("conditioning", 1)
        self._inputs = self._drawn("frame", self.frames)

    def check(self) -> Iterator[Check]:
        """Every law that holds; VerificationError for the first that does not."""
        single = self.streamed(self._inputs, self.single_calls)
        yield self._chunks(single)
        yield self._reset()
        if any("batch" in port.shape for port in self.contract.with_role("frame")):
            yield self._neighbours(single)

    def first(self, base_frames: int) -> Arrays:
        """The inputs up to a frame."""
        return {port.name: _part(self._inputs[port.name], port, 0, base_frames) for port in self._ports}

    def streamed(self, inputs: Arrays, chunks: list[int], batch: int = 1, given: Arrays | None = None) -> Arrays:
        """All outputs for frames in chunks of these sizes, the rest in one."""
        with self._model.stream(batch, (self.given if given is None else given) or None) as stream:
            return self._stepped(stream, inputs, chunks)

    @property
    def _ports(self) -> tuple[Port, ...]:
        return self.contract.with_role("frame")

    def _stepped(self, stream: Stream, inputs: Mapping[str, Array], chunks: list[int]) -> Arrays:
        """All outputs of a stream that is flushed: of one without a time axis the last value."""
        first = self._ports[0]
        total = int(inputs[first.name].shape[first.time_axis or 0] / first.ratio)
        answers, taken = [], 0
        for size in [*chunks, total - sum(chunks)]:
            if size:
                frames = {port.name: _part(inputs[port.name], port, taken, taken + size) for port in self._ports}
                answers.append(self._named(stream.step(frames)))
                taken += size
        answers.append(self._named(stream.flush()))
        return {
            port.name: answers[-1][port.name]
            if port.time_axis is None
            else np.concatenate([answer[port.name] for answer in answers], port.time_axis)
            for port in self.contract.with_role("output")
        }

    def _named(self, answer: Any) -> Arrays:
        return answer if isinstance(answer, dict) else {self.contract.with_role("output")[0].name: answer}

    def _chunks(self, single: Arrays) -> Check:
        random, distances = np.random.default_rng(_SEED), []
        for largest in (3 * self._unit, 5 * self._one, self.frames):
            sizes = random.integers(1, largest // self._unit + 1, CALLS) * self._unit
            chunks = [self.frames] if largest == self.frames else _cut(sizes.tolist(), self.frames)
            found = self.streamed(self._inputs, chunks)
            distances += [self._near("chunks", name, found, single) for name in single]
        worst = max(distances, key=lambda found: found.share)
        same_size = self.contract.chunk.max == self._one
        size = f"each call {self._one:,}" if same_size else "calls of several sizes"
        return Check("chunks", f"{self.frames:,} frames in 4 chunkings, {size}", True, worst.far, worst.allowed)

    def _reset(self) -> Check:
        chunks = _cut([self._one, 3 * self._one, 2 * self._unit], self.frames)
        with self._model.stream(1, self.given or None) as stream:
            first = self._stepped(stream, self._inputs, chunks)
            stream.reset()
            second = self._stepped(stream, self._inputs, chunks)
        if not same(first, second, first):
            why = "the file draws random numbers, or keeps something that is no state"
            raise VerificationError("a stream is another after reset", where=self._model.path, why=why)
        return Check("reset", "the same bits again")

    def _neighbours(self, single: Arrays) -> Check:
        rows = [self._first_row(self._beside(seed, loud)) for seed, loud in ((1, 1.0), (2, 1000.0))]
        for name in single:
            if not same(rows[0], rows[1], [name]):
                raise self._broken("neighbours", name, "another neighbour changes it")
        worst = max((self._near("neighbours", name, rows[0], single) for name in single), key=lambda found: found.share)
        return Check("neighbours", "beside another row, and one 1,000 times louder", True, worst.far, worst.allowed)

    def _beside(self, seed: int, loud: float) -> Arrays:
        """The outputs of the same frames with those of a second row beside them."""
        joined = {}
        for name, value in {**self._inputs, **self.given}.items():
            shape = self.contract.port(name).shape
            other = draw(np.random.default_rng(seed), value.shape, value.dtype.name)
            other = (other * loud).astype(value.dtype) if value.dtype.kind == "f" and name in self._inputs else other
            joined[name] = np.concatenate([value, other], shape.index("batch")) if "batch" in shape else value
        inputs, given = ({name: joined[name] for name in group} for group in (self._inputs, self.given))
        return self.streamed(inputs, self.single_calls, 2, given)

    def _first_row(self, outputs: Arrays) -> Arrays:
        shapes = {name: self.contract.port(name).shape for name in outputs}
        return {
            name: value[along(shapes[name].index("batch"), 0, 1)] if "batch" in shapes[name] else value
            for name, value in outputs.items()
        }

    def _near(self, law: str, name: str, got: Arrays, wanted: Arrays) -> Distance:
        """How far an output is off; VerificationError where it is too far."""
        if got[name].shape != wanted[name].shape:
            raise self._broken(law, name, f"shape {list(got[name].shape)} against {list(wanted[name].shape)}")
        found = distance(got[name], wanted[name], self._tolerance)
        if not found.holds:
            why = f"{found.far:.3g} off at {list(found.place)}, where {found.allowed:.3g} is allowed"
            raise self._broken(law, name, why)
        return found

    def _broken(self, law: str, name: str, why: str) -> VerificationError:
        what, do = {
            "chunks": (
                "depends on how its frames are cut into calls",
                "check states, overlap, constants and axes; if every call has to have just N frames, say chunk=(N, N)",
            ),
            "neighbours": (
                "depends on the other rows of the batch",
                "where the model itself mixes them, write 1 for batch in axes",
            ),
        }[law]
        return VerificationError(f"{name} {what}", where=self._model.path, why=why, do=do)

    def _drawn(self, role: Role, base_frames: int) -> Arrays:
        random = np.random.default_rng(_SEED)
        return {
            port.name: draw(
                random, resolve_shape(port.shape, sizes_of(port.shape, 1, int(base_frames * port.ratio))), port.dtype
            )
            for port in self.contract.with_role(role)
        }


def verification(
    digest: str, checks: list[Check], frames: int, tolerance: Tolerance, doubts: list[str]
) -> dict[str, Any]:
    """What a contract holds of these checks, and of what they cannot show."""
    settings = {"inputs": "random", "against": "itself", "frames": frames, **asdict(tolerance)}
    found = [asdict(check) for check in checks]
    return {"digest": digest, "passed": True, "checks": found, "settings": settings, "doubts": doubts}


def _part(array: Array, port: Port, begin: int, end: int) -> Array:
    return array[along(port.time_axis or 0, int(begin * port.ratio), int(end * port.ratio))]


def _cut(chunks: list[int], total: int) -> list[int]:
    """The first chunks that ``total`` has room for."""
    kept: list[int] = []
    for size in chunks:
        if sum(kept) + size > total:
            break
        kept.append(size)
    return kept
