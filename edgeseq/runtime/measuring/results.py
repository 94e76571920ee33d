"""Reading a result that was written as JSON with its format and version."""

from __future__ import annotations

import json
from typing import Any

from edgeseq.errors import UsageError


def read_document(text: str, what: str) -> dict[str, Any]:
    """The JSON object in ``text``; UsageError where there is none."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UsageError(f"cannot read the {what}", why=f"it is not JSON: {error}") from None
    return document if isinstance(document, dict) else {}


def read_result(text: str, form: str, version: int, what: str) -> dict[str, Any]:
    """The document in ``text``; UsageError where it is no ``what`` of this format and version."""
    document = read_document(text, what)
    if document.get("format") != form:
        raise UsageError(f"this is not a {what}", wanted=f"an object with format {form!r}")
    if document.get("version") != version:
        raise UsageError(f"unknown version of a {what}", got=document.get("version"), wanted=version)
    return document
