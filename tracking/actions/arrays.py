"""Lists as the text of PostgreSQL's arrays (manual §8.15.2).

The driver turns a list into that text too, an element at a time; for thousands of fixes it is a
third of all the work. Numbers are written so that they are read back to the last bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

_NULL = "NULL"
_SPECIAL = re.compile(r'(["\\])')


def numbers(values: Iterable[float | None]) -> str:
    """Of finite numbers."""
    return _array(_NULL if value is None else repr(value) for value in values)


def ids(values: Iterable[UUID | None]) -> str:
    return _array(_NULL if value is None else value.hex for value in values)


def moments(values: Iterable[datetime]) -> str:
    """Seconds of UNIX time for `to_timestamp`, which rounds to the microsecond that they are of."""
    return _array(repr(value.timestamp()) for value in values)


def booleans(values: Iterable[bool | None]) -> str:
    return _array(_NULL if value is None else "t" if value else "f" for value in values)


def texts(values: Iterable[str | None]) -> str:
    """Without NUL, which PostgreSQL cannot hold."""
    return _array(
        _NULL if value is None else '"' + _SPECIAL.sub(r"\\\1", value) + '"' for value in values
    )


def byte_strings(values: Iterable[bytes | None]) -> str:
    return _array(_NULL if value is None else f'"\\\\x{value.hex()}"' for value in values)


def _array(elements: Iterable[str]) -> str:
    return "{" + ",".join(elements) + "}"
