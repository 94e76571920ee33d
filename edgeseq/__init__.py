"""edgeseq: PyTorch sequence models as exact streaming ONNX files.

Importing this package loads neither torch nor onnx nor click; ``export`` and ``load`` are fetched when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeseq.exporters import export
    from edgeseq.runtime import load

__version__ = "0.1.0"
__all__ = ["__version__", "export", "load"]


def __getattr__(name: str) -> Any:
    if name == "export":
        from edgeseq.exporters import export

        return export
    if name == "load":
        from edgeseq.runtime import load

        return load
    raise AttributeError(f"module 'edgeseq' has no attribute {name!r}")
