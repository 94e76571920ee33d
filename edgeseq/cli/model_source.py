"""Where the user's module comes from: ``package.module:factory``, ``file.py:factory`` or a saved ``.pt2``."""

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

from edgeseq.cli.checkpoints import SUFFIXES
from edgeseq.cli.users_code import running
from edgeseq.cli.weights import load_weights
from edgeseq.errors import EdgeseqError, UsageError

if TYPE_CHECKING:
    from torch import nn

_WORD = re.compile(r"[A-Za-z_][\w./-]*", re.ASCII)


def load_model(
    source: str, arguments: tuple[tuple[str, str], ...] = (), weights: Path | None = None, trust: bool = False
) -> nn.Module:
    """The module that ``source`` names, made with ``arguments`` and given ``weights``.

    The factory is a module, a module class or a function that returns a module. Where the user's own code raises, its
    traceback is printed and an EdgeseqError names the call. ``trust`` allows weights whose reading runs code.
    """
    if source.endswith(".pt2"):
        return _saved(Path(source), arguments, weights)
    if source.endswith(SUFFIXES):
        raise UsageError(
            "a file of weights is no MODEL",
            got=source,
            wanted="package.module:factory, file.py:factory or a saved .pt2",
            do=f"name the factory of the module and add --weights {source}",
        )
    values = {name: read_value(name, text) for name, text in arguments}
    model = _call(source, attribute(source, "a model", "model.py:Denoiser"), values)
    if weights is not None:
        load_weights(model, weights, trust)
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


def attribute(source: str, what: str, example: str) -> Any:
    """The object that ``package.module:name`` or ``file.py:name`` names; ``what`` and an ``example`` are for errors."""
    where, colon, name = source.rpartition(":")
    if not (colon and where and name.isidentifier()):
        words = "package.module:factory, file.py:factory or a saved .pt2" if what == "a model" else "file.py:function"
        raise UsageError(f"cannot read {what}", got=repr(source), wanted=words, do=f"example: {example}")
    module = _file(Path(where)) if where.endswith(".py") else _module(where)
    try:
        return getattr(module, name)
    except AttributeError:
        known = sorted(word for word, value in vars(module).items() if callable(value) and not word.startswith("_"))
        raise UsageError(
            f"no {name!r} in {where}",
            wanted=f"one of {', '.join(known[:20])}" if known else "a module that defines one",
        ) from None


def _saved(path: Path, arguments: tuple[tuple[str, str], ...], weights: Path | None) -> nn.Module:
    if arguments or weights is not None:
        raise UsageError(
            "a saved program is whole",
            why="its arguments and weights were chosen when it was saved",
            got="--weights" if weights is not None else "--arg",
            do="leave it out, or name the factory of the module in place of the .pt2",
        )
    from edgeseq.exporters.saved_program import load_program

    return load_program(path)


def _file(path: Path) -> ModuleType:
    """Run a file as a module of its own, once, its folder first on the path, as ``python file.py`` would."""
    if not path.is_file():
        raise UsageError("no such model file", got=str(path))
    name = f"edgeseq_model_{path.stem}"
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path.resolve()):
        return known
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise UsageError("cannot load the model file", got=str(path))
    sys.path.insert(0, str(path.resolve().parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with running(f"loading {path}"):
            spec.loader.exec_module(module)
    except EdgeseqError:
        del sys.modules[name]
        raise
    return module


def _module(name: str) -> ModuleType:
    """Import a module, the working folder first on the path, as ``python -m`` would."""
    sys.path.insert(0, str(Path.cwd()))
    with running(f"importing {name}"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
                raise
    raise UsageError("no such module", got=name, do="give an importable name, or the path of a file that ends in .py")


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
    with running(f"calling {source}"):
        model = factory(**arguments)
    if not isinstance(model, nn.Module):
        raise UsageError(f"{source} makes no module", got=type(model).__name__, wanted="an nn.Module")
    return model
