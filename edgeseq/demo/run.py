"""The whole demo, with the models that come with edgeseq or with two that are trained, exported and verified first."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import edgeseq
from edgeseq.demo import shipped as files
from edgeseq.demo.data import SOURCE, Corpus, corpus
from edgeseq.demo.play import Job, play
from edgeseq.demo.report import conclusion, doubts
from edgeseq.demo.settings import Settings
from edgeseq.errors import EdgeseqError, UsageError

FORMAT, VERSION = "edgeseq.demo", 2

Say = Callable[[str], None]


def shipped(folder: Path | None, settings: Settings, say: Say, progress: Say) -> dict[str, Any]:
    """What is found by streaming the models that come with edgeseq, in this process and without torch.

    They and their golden traces are copied into ``folder`` where one is given. ``say`` gets the lines that everybody
    reads, ``progress`` those that only a waiting person does. EdgeseqError where the models are missing, something has
    loaded torch, or the folder cannot be made.
    """
    begin = time.perf_counter()
    known = files.facts(files.FOLDER)
    if folder is not None:
        _make(folder)
        files.copy(known, files.FOLDER, folder)
    say(f"two models that come with edgeseq, trained and exported with torch {known['versions']['torch']}; streaming")
    paths = {name: str(path) for name, path in files.models(known, files.FOLDER).items()}
    played = play(Job(paths, settings), progress)
    made = {"settings": known["settings"], "machine": known["machine"], "versions": known["versions"]}
    return {**_document(known["text"], settings, known["models"], played, begin), "made": made}


def trained(folder: Path, settings: Settings, say: Say, progress: Say) -> dict[str, Any]:
    """The same for two models made anew: writes gru.onnx and gpt.onnx, with golden traces, into ``folder``.

    They are streamed in a process of its own. EdgeseqError where torch or the text is missing, or the folder cannot be
    made.
    """
    begin = time.perf_counter()
    text = corpus()
    making = _making()
    _make(folder)
    say(f"text: {SOURCE}, {len(text.train):,} characters to train on, {len(text.validation):,} held out")
    made = {name: making.make(name, text, settings, folder, say, progress) for name in making.ENTRIES}
    say("streaming both in a new process, without torch")
    played = _play_apart(made, folder, settings)
    played["versions"] |= {name: version(name) for name in ("torch", "onnx")}
    return _document(_facts(text), settings, made, played, begin)


def _making() -> Any:
    """``edgeseq.demo.making``; EdgeseqError where what exporting needs is not installed."""
    try:
        return importlib.import_module("edgeseq.demo.making")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "edgeseq":
            raise
        raise EdgeseqError(
            "training and exporting two models needs PyTorch and onnx",
            why=f"{error.name} is not installed",
            do="install them with: pip install 'edgeseq[export]'; without --train the demo needs neither",
        ) from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError("cannot make the folder", where=str(folder), why=error.strerror) from None


def _play_apart(made: dict[str, Any], folder: Path, settings: Settings) -> dict[str, Any]:
    """What a fresh process without torch finds in the files."""
    job = {
        "files": {name: str(folder.resolve() / model["file"]["name"]) for name, model in made.items()},
        "settings": asdict(settings),
        "contexts": {name: settings.context if model["bounded"] else None for name, model in made.items()},
    }
    root = str(Path(edgeseq.__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "found.json"
        command = [sys.executable, "-m", "edgeseq.demo.play", json.dumps(job), str(out)]
        # Standard error is the terminal's, for the progress; what goes wrong there is said there.
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, check=False)
        if done.returncode or not out.exists():
            raise EdgeseqError(
                "the streaming process failed", why=f"exit code {done.returncode}", do="read what it said above"
            )
        return dict(json.loads(out.read_text(encoding="utf-8")))


def _facts(text: Corpus) -> dict[str, Any]:
    return {
        "source": SOURCE,
        "sha256": text.sha256,
        "train_characters": len(text.train),
        "validation_characters": len(text.validation),
    }


def _document(
    text: dict[str, Any], settings: Settings, made: dict[str, Any], played: dict[str, Any], begin: float
) -> dict[str, Any]:
    document = {
        "format": FORMAT,
        "version": VERSION,
        "machine": played["machine"],
        "versions": played["versions"],
        "settings": asdict(settings),
        "text": text,
        "models": {name: {**model, **played["models"][name]} for name, model in made.items()},
        "absent_modules": played["absent_modules"],
        "seconds": {**played["seconds"], "all": round(time.perf_counter() - begin, 3)},
    }
    return {**document, "conclusion": conclusion(document), "doubts": doubts(document)}
