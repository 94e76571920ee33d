"""What a server says first: which file it serves, and how frames travel."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from edgeseq.errors import ContractError, UsageError
from edgeseq.runtime import Model
from examples.server.wire import Layout


@dataclass(frozen=True)
class Hello:
    """The first message of a connection. ``exact``: answers are bit for bit those of any pool on this machine."""

    digest: str
    exact: bool
    frame: Layout
    answer: Layout

    @classmethod
    def of(cls, model: Model, exact: bool) -> Hello:
        """What to say of a model; UsageError where it has not one input and one output."""
        frames, answers = model.contract.with_role("frame"), model.contract.with_role("output")
        if (len(frames), len(answers)) != (1, 1):
            raise UsageError("this example serves one input and one output", got=f"{len(frames)} and {len(answers)}")
        return cls(str(model.contract.digest), exact, Layout.of(frames[0]), Layout.of(answers[0]))

    @property
    def text(self) -> str:
        """The message, as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def heard(cls, text: str | bytes, model: Model) -> Hello:
        """Read the message of a server of ``model``; ContractError where it serves another file."""
        hello = cls.of(model, exact=bool(json.loads(text)["exact"]))
        if text != hello.text:
            raise ContractError("the server has another file", got=str(text), wanted=hello.text)
        return hello
