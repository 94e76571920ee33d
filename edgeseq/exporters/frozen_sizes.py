"""What a capture took for granted about the length of time, although it does not hold at other lengths.

torch refuses a model that fixes the length of time itself. A size that follows from it, such as the half of it that a
strided layer leaves, it fixes without a word; and of a branch on the length it follows the side of the example. Both
leave a condition behind, which the captured graph does not check.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sympy
from torch.export import ExportedProgram
from torch.utils._sympy.functions import Mod, PythonMod

from edgeseq.errors import CaptureError
from edgeseq.exporters.capture_errors import FixedSize, is_library

#: Where conditions are tried: lengths far from the example, of every remainder that a model is likely to ask for.
_FAR = 50_400
_REMAINDERS = 720
_BRANCHES = 60


def check_conditions(program: ExportedProgram, time: sympy.Symbol) -> None:
    """CaptureError where the program holds at some lengths of time only, however long they are."""
    for guard in _guards(program):
        if guard.expr.free_symbols == {time}:
            _check_fixed(guard, time)
            _check_branch(guard, time)


def _check_fixed(guard: Any, time: sympy.Symbol) -> None:
    size, value = _equated(guard.expr)
    if value is None or any(_holds(guard.expr, time, rest) for rest in range(_REMAINDERS)):
        return
    raise FixedSize(
        "cannot capture the model: it fixes a size that must stay free, as a pooling window as long as the sequence"
        " does, or a table of as many rows",
        where=_line(guard),
        why=f"{_worded(size, time)} became {value}, its value in the example",
        do="use amax or mean in place of pooling all of it",
    )


def _remainders(condition: Any) -> set[int]:
    """Lengths beyond ``_FAR`` to try: the first few, and those at which a remainder in the condition is none."""
    periods = {int(part.args[1]) for part in condition.atoms(Mod, PythonMod, sympy.Mod) if part.args[1].is_Integer}
    turning = {-_FAR % period + near for period in periods for near in (0, 1)}
    return set(range(_BRANCHES)) | turning


def _check_branch(guard: Any, time: sympy.Symbol) -> None:
    """A branch in the model's own code; torch's own choose between ways to compute the same."""
    line = _line(guard)
    if line is None:
        return
    held = {_holds(guard.expr, time, rest) for rest in _remainders(guard.expr)}
    if held == {True, False}:
        raise CaptureError(
            "cannot capture the model: a branch depends on the length of time, again and again",
            where=line,
            why=f"what was captured is right only where {_worded(guard.expr, time)}",
            do="write it without the branch: padding by -time % 4 is none where time is a multiple of 4",
        )


def _guards(program: ExportedProgram) -> list[Any]:
    modes = (getattr(node.meta.get("val"), "fake_mode", None) for node in program.graph.nodes)
    shapes = next((mode.shape_env for mode in modes if mode is not None), None)
    return [] if shapes is None else list(shapes.guards)


def _equated(condition: Any) -> tuple[Any, int | None]:
    """The size and the number that an equation makes of it. One is left out: torch tells it apart all the time."""
    if isinstance(condition, sympy.Eq):
        for size, value in (condition.args, condition.args[::-1]):
            if value.is_Integer and value > 1:
                return size, int(value)
    return None, None


def _holds(condition: Any, time: sympy.Symbol, rest: int) -> bool:
    return bool(condition.subs(time, _FAR + rest) == sympy.true)


def _worded(size: Any, time: sympy.Symbol) -> str:
    return str(size).replace(str(time), "time")


def _line(guard: Any) -> str | None:
    """``model.py:41``, where torch noted a line of the model's own."""
    place = guard.sloc.framework_loc
    file = getattr(place, "filename", None)
    return None if file is None or is_library(file) else f"{Path(file).name}:{place.lineno}"
