"""The fields of one JSON object of a contract, by kind: text, integer, number, ratio, shape, ..."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, TypeGuard

from edgeseq.contract import PERIODS, Axis
from edgeseq.errors import ContractError

#: ``batch``, ``time`` and ``capacity`` have a meaning; any other word is a dynamic axis of the user's own.
#: ``4*batch`` is an axis whose size is four times the batch.
_AXIS = re.compile(r"(?:[1-9][0-9]{0,8}\*)?[A-Za-z_][A-Za-z0-9_]{0,99}")
#: numpy arrays had no more axes than this before version 2.
_MOST_AXES = 32
#: Characters of a text, base64 apart.
LONGEST_TEXT = 1024
#: The largest finite values of the floats.
_LARGEST = {"float16": 65504.0, "float32": (2 - 2.0**-23) * 2.0**127, "float64": math.inf}


class Reader:
    """Reads fields out of one JSON object and says where it stands when one is wrong."""

    def __init__(self, document: Any, where: str) -> None:
        if not isinstance(document, dict):
            raise ContractError("broken contract", where=where, got=_brief(document), wanted="an object")
        self.document = document
        self.where = where

    def fail(self, key: str, wanted: str) -> ContractError:
        """What to raise where the field ``key`` is not what is wanted."""
        return ContractError(
            "broken contract", where=f"{self.where}.{key}", got=_brief(self.document.get(key)), wanted=wanted
        )

    def text(self, key: str, longest: int | None = LONGEST_TEXT, *, empty: bool = False) -> str:
        """A text of at most ``longest`` characters, None for no limit; not an ``empty`` one unless it may be."""
        value = self.document.get(key)
        if not isinstance(value, str) or not (value or empty):
            raise self.fail(key, "a string" if empty else "a non-empty string")
        if longest is not None and len(value) > longest:
            raise self.fail(key, f"at most {longest} characters")
        return value

    def optional_text(self, key: str) -> str | None:
        """A non-empty text, or None for null."""
        return None if self.document.get(key) is None else self.text(key)

    def integer(self, key: str, default: int, least: int) -> int:
        """An integer from ``least`` to 2**62 - 1."""
        value = self.document.get(key, default)
        if type(value) is not int or not least <= value < 2**62:
            raise self.fail(key, f"an integer from {least}")
        return value

    def optional_integer(self, key: str, least: int) -> int | None:
        """An integer from ``least`` to 2**62 - 1, or None for null."""
        return None if self.document.get(key) is None else self.integer(key, 0, least)

    def optional_number(self, key: str) -> float | None:
        """A finite number, or None for null."""
        value = self.document.get(key)
        if value is None:
            return None
        if not is_number(value):
            raise self.fail(key, "a number or null")
        return float(value)

    def count(self, key: str) -> float:
        """A finite number that is not negative; an integer stays one."""
        value = self.document.get(key)
        if not is_number(value) or value < 0:
            raise self.fail(key, "a number that is not negative")
        return value

    def optional_element(self, key: str, dtype: str) -> float | None:
        """A number that a tensor of this dtype can hold."""
        value = self.optional_number(key)
        if value is not None and not _fits(value, dtype):
            raise self.fail(key, f"a value of dtype {dtype}, or null")
        return value

    def optional_seconds(self, key: str) -> float | None:
        """A period within ``PERIODS``, or None for null."""
        value = self.document.get(key)
        if isinstance(value, (int, float)) and not PERIODS[0] <= value <= PERIODS[1]:
            raise self.fail(key, "from {:g} to {:g} seconds, or null".format(*PERIODS))
        return self.optional_number(key)

    def flag(self, key: str) -> bool:
        """True or false; false where it is missing."""
        value = self.document.get(key, False)
        if type(value) is not bool:
            raise self.fail(key, "true or false")
        return value

    def choice(self, key: str, choices: Any) -> Any:
        """One of a few words."""
        value = self.document.get(key)
        if not isinstance(value, str) or value not in choices:
            raise self.fail(key, f"one of {', '.join(sorted(choices))}")
        return value

    def ratio(self, key: str) -> Fraction:
        """A positive fraction of numbers below 10**9, written as a text."""
        value = self.document.get(key, "1")
        match = re.fullmatch(r"([1-9][0-9]{0,8})(?:/([1-9][0-9]{0,8}))?", value) if isinstance(value, str) else None
        if match is None:
            raise self.fail(key, 'a positive ratio such as "1" or "3/2"')
        return Fraction(int(match[1]), int(match[2] or 1))

    def shape(self, key: str) -> tuple[Axis, ...]:
        """Sizes below 2**31 and names of axes."""
        value = self.document.get(key)
        if not isinstance(value, list) or not all(
            (type(axis) is int and 0 <= axis < 2**31) or (isinstance(axis, str) and _AXIS.fullmatch(axis))
            for axis in value
        ):
            raise self.fail(key, 'a list of sizes and axis names such as ["batch", "time", 64]')
        if len(value) > _MOST_AXES:
            raise self.fail(key, f"at most {_MOST_AXES} axes")
        return tuple(value)

    def names(self, key: str, least: int = 1) -> tuple[str, ...]:
        """A list of at least so many names, none twice."""
        value = self.document.get(key)
        if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
            raise self.fail(key, "a list of names")
        if len(value) < least or len(set(value)) < len(value) or any(len(name) > LONGEST_TEXT for name in value):
            some = "at least one name" if least else "names"
            raise self.fail(key, f"{some}, none twice, of at most {LONGEST_TEXT} characters")
        return tuple(value)

    def mapping(self, key: str) -> dict[str, Any]:
        """An object, whatever is in it."""
        value = self.document.get(key)
        if not isinstance(value, dict):
            raise self.fail(key, "an object")
        return value

    def optional_mapping(self, key: str) -> dict[str, Any] | None:
        """An object, or None for null."""
        return None if self.document.get(key) is None else self.mapping(key)

    def texts(self, key: str) -> dict[str, str]:
        """An object of non-empty texts."""
        value = self.document.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(text, str) and text for text in value.values()):
            raise self.fail(key, "an object of non-empty strings")
        if any(len(text) > LONGEST_TEXT for text in value.values()):
            raise self.fail(key, f"at most {LONGEST_TEXT} characters each")
        return value

    def items(self, key: str) -> list[Reader]:
        """Readers for the objects in a list."""
        value = self.document.get(key)
        if not isinstance(value, list):
            raise self.fail(key, "a list")
        return [Reader(item, f"{self.where}.{key}[{index}]") for index, item in enumerate(value)]


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a number that a float can hold."""
    return type(value) is float or (type(value) is int and abs(value) < 2**1000)


def _fits(value: float, dtype: str) -> bool:
    """Whether a tensor of this dtype can hold the number."""
    if dtype in _LARGEST:
        return abs(value) <= _LARGEST[dtype]
    kind, digits, bits = dtype.partition("int")
    size = int(bits) if digits else 1
    low, high = (-(2 ** (size - 1)), 2 ** (size - 1)) if digits and not kind else (0, 2**size)
    return value == int(value) and low <= value < high


def listed(names: Iterable[str]) -> str:
    """The first few names, and how many more there are: a file may hold thousands."""
    names = list(names)
    more = len(names) - 5
    return ", ".join(names[:5]) + (f" and {more} more" if more > 0 else "")


def is_bare_name(name: str) -> bool:
    """Whether a text names an ONNX file in the folder that one is in, on every system, and no folder with it."""
    plain = not any(sign in name for sign in '/\\:*?"<>|') and name.isprintable()
    return plain and name.endswith(".onnx") and not name.startswith(".") and len(name) <= 200
