"""The log of the runtime, off unless it is switched on.

``logging.getLogger("edgeseq.runtime")`` says at level INFO when a stream is opened, flushed and closed, and at level
DEBUG when it is reset, when its caches grow and when it refuses something. A step that goes well says nothing.
"""

from __future__ import annotations

import logging
import os
import sys

from edgeseq.errors import UsageError

LOGGER = logging.getLogger("edgeseq.runtime")
#: The environment variable that switches the log on from outside.
VARIABLE = "EDGESEQ_LOG"

#: What onnxruntime may say itself, on standard error: 1 is information, 2 warnings, 3 errors.
_SEVERITY = {"off": 3, "info": 2, "debug": 1}

_handler: logging.Handler | None = None
_severity = _SEVERITY["off"]


def log(level: str) -> None:
    """Write the runtime's log to standard error from ``level`` on: ``info``, ``debug``, or ``off`` for none of it.

    Files that are loaded afterwards have onnxruntime's own messages too: its warnings with ``info``, all but its
    traces with ``debug``. A program with handlers of its own leaves this alone and sets the level of
    ``logging.getLogger("edgeseq.runtime")``. UsageError for another word.
    """
    global _handler, _severity
    if level not in _SEVERITY:
        raise UsageError("unknown log level", got=repr(level), wanted=" or ".join(map(repr, _SEVERITY)))
    if _handler is not None:
        LOGGER.removeHandler(_handler)
        _handler = None
    if level != "off":
        _handler = logging.StreamHandler(sys.stderr)
        _handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
        LOGGER.addHandler(_handler)
    LOGGER.setLevel(level.upper() if level != "off" else logging.NOTSET)
    # The root's handlers would say everything a second time.
    LOGGER.propagate = level == "off"
    _severity = _SEVERITY[level]


def engine_severity() -> int:
    """onnxruntime's ``log_severity_level`` for sessions that are opened from now on."""
    return _severity


def switch_on() -> None:
    """Do what the environment variable asks for; one with another word is named in a warning, and nothing is logged."""
    level = os.environ.get(VARIABLE, "").strip().lower() or "off"
    if level in _SEVERITY:
        if level != "off":
            log(level)
        return
    LOGGER.warning("%s=%s is none of %s", VARIABLE, level, ", ".join(_SEVERITY))
