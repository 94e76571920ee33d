"""The page ``docs/models.md``: ``python -m tests.published docs/models.md``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from edgeseq.errors import EdgeseqError
from tests.published.corpus import BY_ID, FAMILIES
from tests.published.owed import OWED, UNTRIED
from tests.published.row import Published, Refused
from tests.published.trial import Streamed, one_thread, state_bytes, stream_and_compare

PAGE = Path(__file__).parents[2] / "docs" / "models.md"

_DEBTS = (*OWED, *UNTRIED)

HEAD = """\
# Published models, tried as they are

Architectures from papers and public repositories, written anew in the form their authors gave them, small, with random
weights, and exported by one call without an edit. They stand in `tests/published`, with what was expected of each
before it was tried. Made by `make docs`; the tests say when it is out of date.

Every model is streamed in torch, in float32, in random chunks, at its shortest length and at lengths that leave other
remainders, flushed with loud frames past the end, and compared with the module run on the whole: 1e-4 of the largest
answer is allowed. Those marked * also go through the whole export to ONNX, with its laws, by `make thorough`; others
do not.

*Delay* is in frames of the input. *State* is bytes for one stream, a cache counted at 1,000 frames or at the longest
stream that the model takes. *Ops* are those that hold the states, as they were captured.
"""


def line(row: Published, streamed: Streamed | None) -> str:
    """The row of the page: of a model that streams, or of one that is refused."""
    name = f"{row.id}{' *' if row.exported else ''}"
    if streamed is None:
        why = row.expected.why if isinstance(row.expected, Refused) else "owed"
        return f"| {name} | {row.origin} | refused: {why} | | |"
    contract = streamed.contract
    ops = ", ".join(f"`{op}`" for op in streamed.ops) or "none"
    return f"| {name} | {row.origin} | {ops} | {contract.delay} | {state_bytes(contract):,} |"


def page() -> str:
    """The text of ``docs/models.md``."""
    parts = [HEAD]
    for family, files in FAMILIES.items():
        parts += [f"## {family}", "", "| model | after | ops with state | delay | state |", "|---|---|---|---|---|"]
        parts += [_tried(row) for rows in files for row in rows if row.id not in _DEBTS] + [""]
    if _DEBTS:
        parts += ["## Owed", "", "These could stream, or should be refused for another reason.", ""]
        parts += ["| model | after | today |", "|---|---|---|"]
        parts += [f"| {name} | {BY_ID[name].origin} | {_debt(name)} |" for name in _DEBTS] + [""]
    return "\n".join(parts)


def _debt(name: str) -> str:
    return f"refused: {OWED[name]}" if name in OWED else UNTRIED[name]


def _tried(row: Published) -> str:
    if isinstance(row.expected, Refused):
        return line(row, None)
    print(row.id, file=sys.stderr, flush=True)
    try:
        return line(row, stream_and_compare(row))
    except (EdgeseqError, AssertionError) as error:
        raise SystemExit(f"{row.id} is neither as expected nor owed: {error}") from error


def main() -> None:
    """Write the page."""
    warnings.simplefilter("ignore")
    with one_thread():
        text = page()
    Path(sys.argv[1] if len(sys.argv) > 1 else PAGE).write_text(text, encoding="utf-8")
