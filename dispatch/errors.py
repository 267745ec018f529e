"""What is said of a wrong field, in one form at every door."""

from __future__ import annotations

import math
import reprlib
from typing import Any

import msgspec

# A wrong value is repeated to its sender, but never more of it than this.
MAX_ECHO = 80


class FieldError(msgspec.Struct, frozen=True):
    """One wrong field: its name, what came, and what would be right."""

    field: str
    value: Any
    message: str


class BadInputError(Exception):
    """Input that cannot be used; becomes a 400 with every wrong field."""

    def __init__(self, *errors: FieldError, status: int = 400) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = errors
        self.status = status


# Bounds depth and width as well: a client may nest a thousand lists, or send one of a megabyte.
_short = reprlib.Repr()
_short.maxstring = _short.maxother = MAX_ECHO


def echo(value: Any) -> Any:
    """A value as it may stand in an answer: JSON, short, without NaN, infinity or half letters."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and value.bit_length() <= 64:
        return value
    text = value if isinstance(value, str) else _short.repr(value)
    text = text if len(text) <= MAX_ECHO else text[:MAX_ECHO] + "…"
    # JSON can name half of a surrogate pair, which has no form in UTF-8.
    return text.encode("utf-8", "backslashreplace").decode()
