"""What went wrong in a capture, said in the user's words and with the user's line."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from edgeseq.errors import CaptureError, EdgeseqError

_LIBRARY = re.compile(r"[/\\](torch|edgeseq[/\\]exporters)[/\\]|contextlib\.py$|<")
_FIXED = (
    "cannot capture the model: it fixes a size that must stay free, as a Python loop over time"
    " or a pooling window as long as the sequence does"
)
_FREE = "use nn.RNN, nn.LSTM or nn.GRU in place of a loop over time, amax or mean in place of pooling all of it"
#: What to do about errors of torch's own, by words of theirs.
_REMEDIES = {
    "For combine_mode='pointwise'": "write combine_mode='generic', which runs on CPUs too",
    "While executing %scan": "make the tensors that the function given to scan needs outside of it, as buffers",
}
_noted: list[str] = []


def is_library(file: str) -> bool:
    """True for files of torch and of the exporters, which are no model's own."""
    return _LIBRARY.search(file) is not None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what torch warns and logs about its own insides while it exports."""
    before = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


@contextlib.contextmanager
def fixed_sizes_noted() -> Iterator[None]:
    """Note the user's lines that turn a symbolic size into a plain number, as ``range(x.size(1))`` does."""
    _noted.clear()
    original: Callable[[torch.SymInt], int] = torch.SymInt.__index__

    def noting(size: torch.SymInt) -> int:
        stack = traceback.extract_stack()
        own = [frame for frame in stack if not _LIBRARY.search(frame.filename)]
        if own:
            _noted.append(f"{Path(own[-1].filename).name}:{own[-1].lineno}")
        if own and own[-1] is stack[-2] and "range(" in (own[-1].line or ""):
            fixed = FixedTime(
                _FIXED, where=_noted[-1], do=_FREE
            )  # it would be unrolled to the last frame, and then fail
            fixed.most = _most(size)
            raise fixed
        return original(size)

    torch.SymInt.__index__ = noting  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.SymInt.__index__ = original  # type: ignore[method-assign]


class FixedSize(CaptureError):
    """A size that grows with time was taken for the number that it is in the example; a longer one may tell."""


class FixedTime(CaptureError):
    """The model fixes the number of frames while it is captured. ``most``: it said before that it takes no more."""

    most: int | None = None


def _most(size: torch.SymInt) -> int | None:
    """The largest number of frames that the model's own asserts have let pass so far; None without such a bound."""
    ranges = size.node.shape_env.var_to_range
    bounds = [ranges[symbol].upper for symbol in size.node.expr.free_symbols if symbol in ranges]
    return min((int(bound) for bound in bounds if bound.is_Integer and bound < 2**31), default=None)


def raise_if_final(error: Exception) -> None:
    """Raise where another example length cannot help: a size made fixed, a branch on data, a refusal of our own."""
    if isinstance(error, FixedSize):
        return
    if isinstance(error, EdgeseqError):
        raise error if error.where else _placed(error)
    text = str(error)
    if (op := without_fake_kernel(error)) is not None:
        raise CaptureError(
            f"{op} has no fake kernel",
            where=user_line(error),
            why="a model is captured without values",
            do="register one with torch.library.register_fake",
        ) from error
    if "specialized it to be a constant" in text:
        where = _noted[0] if _noted else user_line(error)
        raise FixedTime(_FIXED, where=where, why=_fixed_at(text), do=_FREE) from error
    if depends_on_data(error):
        raise CaptureError(
            "cannot capture the model: a Python number or branch depends on the data",
            where=user_line(error),
            why="the values of a stream are not known when it is exported",
            do="use torch.where in place of the branch, and tensors in place of .item()",
        ) from error


def depends_on_data(error: Exception) -> bool:
    """Whether a branch or a number is made of values, which a capture does not have."""
    return type(error).__name__ == "GuardOnDataDependentSymNode" or "data-dependent" in str(error)


def without_fake_kernel(error: Exception) -> str | None:
    """The op that has no fake kernel, if that is what the error says."""
    if isinstance(error, torch._subclasses.fake_tensor.UnsupportedOperatorException):
        return str(error.func).removesuffix(".default")
    found = re.search(r"no fake impl registered for <CustomOpDef\(([\w:]+)\)>", str(error))
    return found[1].replace("::", ".") if found else None


def _fixed_at(text: str) -> str:
    sizes = sorted(set(re.findall(r"to be a constant \((\d+)\)", text)))
    return f"it became {' and '.join(sizes)}, the size of the example"


def not_captured(error: Exception) -> CaptureError:
    """The error of a capture that failed at every example length."""
    if isinstance(error, FixedSize):
        return error
    if re.search("same dtype|scalar type", str(error)):
        return mixed_types(error)
    known = next((do for words, do in _REMEDIES.items() if words in str(error)), None)
    return CaptureError(
        "cannot capture the model with a symbolic time axis",
        where=user_line(error),
        why=first_lines(error),
        do=known or "check the input spec against what forward takes; every layer must take any number of frames",
    )


def mixed_types(error: Exception) -> CaptureError:
    """The error of a model that computes with two widths of numbers at once."""
    return CaptureError(
        "the model mixes number types",
        where=user_line(error),
        why=first_lines(error),
        do="check the types in the input spec; let forward follow them: half precision is computed in float32",
    )


def _placed(error: EdgeseqError) -> EdgeseqError:
    place: dict[str, Any] = {"where": user_line(error), "why": error.why, "got": error.got, "wanted": error.wanted}
    return type(error)(error.what, do=error.do, **place)


def first_lines(error: Exception) -> str:
    """The first two lines of an error's text, cut to a readable length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = list(itertools.takewhile(lambda line: not line.startswith("While executing %"), lines)) or lines
    text = " ".join(lines[:2])[:400].rstrip(".") or type(error).__name__
    symbols = list(dict.fromkeys(re.findall(r"\b[su]\d+\b", text)))
    for number, symbol in enumerate(symbols, 1):
        text = re.sub(rf"\b{symbol}\b", f"size{number}", text)
    return text


def user_line(error: BaseException) -> str | None:
    """``model.py:41``: the innermost line of the traceback that is the user's own."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _LIBRARY.search(frame.filename)]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else None
