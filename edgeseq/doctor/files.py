"""Reading what the kernel tells in /proc and /sys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Files:
    """The files below ``root``, by paths such as ``proc/cpuinfo``; a test gives a folder of its own."""

    root: Path = Path("/")

    def text(self, path: str) -> str | None:
        """What a file holds, without white space and zero bytes around it; None where it cannot be read."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip("\0 \t\n")
        except OSError:
            return None

    def number(self, path: str) -> int | None:
        """The whole number that a file holds; None where it holds none."""
        text = self.text(path)
        try:
            return None if text is None else int(text)
        except ValueError:
            return None

    def texts(self, folder: str, pattern: str) -> tuple[str, ...]:
        """What the files of a folder hold whose paths below it match, each value once, in alphabetical order."""
        try:
            found = [self.text(str(path.relative_to(self.root))) for path in (self.root / folder).glob(pattern)]
        except OSError:
            return ()
        return tuple(sorted({text for text in found if text}))

    def fields(self, path: str) -> dict[str, str]:
        """``name: value`` lines, the first of each name."""
        found: dict[str, str] = {}
        for line in (self.text(path) or "").splitlines():
            name, colon, value = line.partition(":")
            if colon:
                found.setdefault(name.strip(), value.strip())
        return found
