"""A float file that is tried: what is worth timing is, the float file among it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeseq.quantization.configs import Config
from edgeseq.quantization.source import Source
from edgeseq.quantization.tuning.candidates import FLOAT, Candidate, Opening, openings
from edgeseq.quantization.tuning.deciding import none_left, separated
from edgeseq.quantization.tuning.figures import Figures
from edgeseq.quantization.tuning.timing import Pace, timed
from edgeseq.quantization.tuning.trying import Form
from edgeseq.quantization.tuning.wishes import Wishes
from edgeseq.runtime.loading import describe
from edgeseq.runtime.threads import this_machine

#: Processes in which it is seen whether more threads are worth trying with quantized files.
_PROBES = 3


@dataclass(frozen=True)
class Trial:
    """A float file that is tried: what is wished for, and how it is stepped."""

    source: Source
    wishes: Wishes
    pace: Pace
    told: Callable[[str], object]

    def measured(self, made: Sequence[Form]) -> list[Figures]:
        """The figures of every candidate; those that miss a limit without being timed are not."""
        size = describe(self.source.path).size
        float_ = {opening: Figures(Candidate(None, opening), size) for opening in self._openings()}
        quantized = {form.config: form.figures(Candidate(form.config)) for form in made}
        known = [*float_.values(), *quantized.values()]
        if not any(self._possible(one) for one in known):
            raise none_left(known, self.wishes)
        best = self._gained(list(float_.values()))
        if best != Opening():
            more = [one for one in quantized.values() if self._possible(one)]
            known += [replace(one, candidate=Candidate(one.candidate.config, best)) for one in more]
        paths: dict[Config | None, Path] = {None: self.source.path, **{form.config: form.path for form in made}}
        timing = [one for one in known if one.candidate == FLOAT or self._possible(one)]
        after = self._timed(timing, [paths[one.candidate.config] for one in timing], self.pace)
        by_candidate = {one.candidate: one for one in after}
        return [by_candidate.get(one.candidate, one) for one in known]

    def _possible(self, one: Figures) -> bool:
        return one.failed is None and not self.wishes.missed(one)

    def _openings(self) -> list[Opening]:
        """More threads cost memory and save time: they are tried where time matters."""
        return openings(this_machine().cores) if self.wishes.times else [Opening()]

    def _gained(self, float_: list[Figures]) -> Opening:
        """How quantized files are opened too: as the float file is best, where that is better than at one thread."""
        if len(float_) == 1:
            return Opening()
        self.told("trying threads")
        paths = [self.source.path] * len(float_)
        probed = self._timed(float_, paths, replace(self.pace, runs=min(_PROBES, self.pace.runs)))
        name = self.wishes.minimize if self.wishes.minimize in ("p50", "p99") else "p50"
        better = [one for one in probed if one.of(name) and separated(one, probed[0], name)]
        best = min(better, key=lambda one: one.middle(name) or 0.0, default=probed[0])
        return best.candidate.opening

    def _timed(self, figures: Sequence[Figures], paths: Sequence[Path], pace: Pace) -> list[Figures]:
        return timed(figures, paths, self.source.contract, pace, self.wishes, self.told)
