"""The files of the candidates: made in a folder of their own, weighed, and held against the float file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeseq.errors import EdgeseqError
from edgeseq.quantization.configs import Config
from edgeseq.quantization.making import one_frame_possible
from edgeseq.quantization.noise import compared, worst
from edgeseq.quantization.preparing import prepared
from edgeseq.quantization.source import Source
from edgeseq.quantization.streams import Samples
from edgeseq.quantization.targets import target_of
from edgeseq.quantization.tuning.candidates import Candidate, configs
from edgeseq.quantization.tuning.figures import Figures
from edgeseq.runtime.loading import describe, load
from edgeseq.verification.streams import Runs


@dataclass(frozen=True)
class Form:
    """A quantized file and what is known of it before it is timed; ``path`` leads nowhere where it has failed."""

    path: Path
    config: Config
    size_bytes: int | None = None
    sqnr_db: float | None = None
    failed: str | None = None

    def figures(self, candidate: Candidate) -> Figures:
        """The figures of a candidate with this file."""
        return Figures(candidate, self.size_bytes, self.sqnr_db, failed=self.failed)


def forms(source: Source, samples: Samples, batch: int, told: Callable[[str], object]) -> Iterator[Form]:
    """Every kind in every form, as ``quantize`` would write it; those that come out alike only once."""
    made: dict[str, Config] = {}
    for number, config in enumerate(configs(one_frame_possible(source, samples), samples.real, batch)):
        told(f"making {Candidate(config).form}")
        path = source.folder / f"form{number}.onnx"
        try:
            form = _form(source, samples, config, path)
        except EdgeseqError as error:
            yield Form(path, config, failed=str(error))
            continue
        digest = describe(path).file.digest
        twin = made.setdefault(digest, config)
        if twin is config:
            yield form
        else:
            yield Form(path, config, form.size_bytes, form.sqnr_db, f"the same file as {Candidate(twin).form}")


def _form(source: Source, samples: Samples, config: Config, path: Path) -> Form:
    found = prepared(source, config, samples, target_of(None)[0])
    made = found.maker.make(found.chosen)
    source.write(path.stem, made.graph, made.contract, made.prologue)
    inputs, chunks = samples.short()
    powers = compared(Runs(source.load()), Runs(load(path, allow_unverified=True)), inputs, chunks)
    return Form(path, config, describe(path).size, worst(powers))
