"""What an export needs around it, checked before it takes any time: packages, their versions, room, a folder."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgeseq.errors import EdgeseqError
from edgeseq.files import check_folder
from edgeseq.requirements import not_installed, read_requirement
from edgeseq.runtime.engine import onnxruntime

_NEEDED = ("torch", "onnx", "onnxscript")
#: The file, a scratch copy of it beside it, and what the exporter may put aside.
_COPIES = 3


def missing_package(error: ModuleNotFoundError) -> ImportError:
    """What to raise where an import failed: NotInstalled for a package that exporting needs, else the error itself."""
    return not_installed(error, (*_NEEDED, "onnx_ir"), "exporting and verifying need PyTorch and onnx", "export")


def check_surroundings(model: Any, target: Path | None = None) -> None:
    """Raise unless the packages are there in the versions that edgeseq's metadata names, and ``target`` can be written.

    ``target`` None: nothing will be written. Raises ProviderError for onnxruntime, UsageError for the folder, and
    EdgeseqError for a version or a full disk.
    """
    onnxruntime()
    check_versions(_requirements())
    if target is not None:
        check_folder(target.parent)
        _check_room(model, target.parent)


def check_versions(requirements: Iterable[str]) -> None:
    """EdgeseqError where an installed package lies outside its requirement, such as ``torch<2.14,>=2.13; extra...``."""
    for requirement in filter(None, map(read_requirement, requirements)):
        got = importlib.metadata.version(requirement.name)
        if not requirement.allows(got):
            raise EdgeseqError(
                f"edgeseq was not tested with this {requirement.name}",
                got=f"{requirement.name} {got}",
                wanted=requirement.name + requirement.wanted,
                do="install the versions that it was tested with: pip install 'edgeseq[export]'",
            )


def _requirements() -> list[str]:
    """What the extra ``export`` asks for, of the packages that an export runs on; nothing in a bare source tree."""
    try:
        listed = importlib.metadata.requires("edgeseq") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    read = ((text, read_requirement(text)) for text in listed)
    return [text for text, found in read if found and found.extra == "export" and found.name in _NEEDED]


def _check_room(model: Any, folder: Path) -> None:
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    wanted, free = _COPIES * size, shutil.disk_usage(folder).free
    if free < wanted:
        raise EdgeseqError(
            "there is too little room on the disk",
            where=str(folder),
            got=f"{free / 1e6:,.0f} MB free",
            wanted=f"{wanted / 1e6:,.0f} MB: {_COPIES} times the parameters",
            do="make room, or write to another folder",
        )
