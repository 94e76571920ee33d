"""Models that could stream exactly and are refused today, each with a part of the refusal."""

OWED: dict[str, str] = {}
