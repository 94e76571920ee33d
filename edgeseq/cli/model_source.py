"""Where the user's module comes from: ``package.module:factory`` or ``file.py:factory``."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edgeseq.cli.weights import load_weights
from edgeseq.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

_WORD = re.compile(r"[A-Za-z_][\w./-]*", re.ASCII)


def load_model(source: str, arguments: tuple[tuple[str, str], ...] = (), weights: Path | None = None) -> nn.Module:
    """The module that ``source`` names, made with ``arguments`` and given ``weights``.

    The factory is a module, a module class or a function that returns a module. What the user's own code raises
    passes through with its traceback.
    """
    model = _call(source, _attribute(source), {name: read_value(name, text) for name, text in arguments})
    if weights is not None:
        load_weights(model, weights)
    return model


def read_value(name: str, text: str) -> Any:
    """The value of ``--arg name=text``: a Python literal, or the text itself where it is one bare word."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if _WORD.fullmatch(text):
            return text
    raise UsageError(
        f"cannot read argument {name!r}",
        got=repr(text),
        wanted="a Python literal or one bare word",
        do="example: hidden=128",
    )


def _attribute(source: str) -> Any:
    where, colon, name = source.rpartition(":")
    if not (colon and where and name.isidentifier()):
        raise UsageError(
            "cannot read a model",
            got=repr(source),
            wanted="package.module:factory or file.py:factory",
            do="example: model.py:Denoiser",
        )
    module = _file(Path(where)) if where.endswith(".py") else _module(where)
    try:
        return getattr(module, name)
    except AttributeError:
        known = sorted(word for word, value in vars(module).items() if callable(value) and not word.startswith("_"))
        raise UsageError(
            f"no {name!r} in {where}",
            wanted=f"one of {', '.join(known[:20])}" if known else "a module that defines one",
        ) from None


def _file(path: Path) -> ModuleType:
    """Run a file as a module of its own, its folder first on the path, as ``python file.py`` would."""
    if not path.is_file():
        raise UsageError("no such model file", got=str(path))
    name = f"edgeseq_model_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError("cannot load the model file", got=str(path))
    sys.path.insert(0, str(path.resolve().parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _module(name: str) -> ModuleType:
    """Import a module, the working folder first on the path, as ``python -m`` would."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise
        raise UsageError(
            "no such module", got=name, do="give an importable name, or the path of a file that ends in .py"
        ) from None


def _call(source: str, factory: Any, arguments: dict[str, Any]) -> nn.Module:
    from torch import nn

    if isinstance(factory, nn.Module):
        if arguments:
            raise UsageError(f"{source} is a module already", why="--arg is for a factory", got=", ".join(arguments))
        return factory
    if not callable(factory):
        raise UsageError(f"{source} makes no module", got=type(factory).__name__, wanted="a factory or an nn.Module")
    try:
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        raise UsageError(
            f"cannot call {source}", why=str(error), do="give its arguments with --arg NAME=VALUE"
        ) from None
    model = factory(**arguments)
    if not isinstance(model, nn.Module):
        raise UsageError(f"{source} makes no module", got=type(model).__name__, wanted="an nn.Module")
    return model
