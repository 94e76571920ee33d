"""Models that could stream exactly, or should be refused for another reason."""

#: With a part of what they are refused with today.
OWED: dict[str, str] = {
    "transformer-xl": "positions count from the end of the sequence (time). Count from its start",
    "mlstm-parallel": "values over pairs of frames meet in different orders",
    "dprnn": "the formula of a size grows with every layer",
    "rnnt-encoder": "cannot capture the model: a branch depends on the length of time, again and again",
    "music-transformer": "a table is read backwards or in strides of time",
}

#: With the reason why no test tries them.
UNTRIED: dict[str, str] = {
    "lru-by-row": "the capture of its loops takes more than a minute",
}
