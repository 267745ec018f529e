"""A bounded dictionary whose values expire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar


class Expiring:
    """A value that is gone at a time (UNIX ms)."""

    expires: int = 0

    def purge(self, now: int) -> None:
        """Drop what is old within it."""


Value = TypeVar("Value", bound=Expiring)


class ExpiringDict(Generic[Value]):
    """Holds `bound` values at most; for one more, the one unused for longest is forgotten."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        # In the order of last use.
        self._values: dict[str, Value] = {}

    def __len__(self) -> int:
        return len(self._values)

    def values(self) -> Iterable[Value]:
        return self._values.values()

    def get(self, key: str, now: int) -> Value | None:
        value = self._values.pop(key, None)
        if value is None or value.expires <= now:
            return None
        self._values[key] = value
        return value

    def put(self, key: str, value: Value) -> None:
        self._values.pop(key, None)
        if len(self._values) >= self._bound:
            self.pop_oldest()
        self._values[key] = value

    def pop_oldest(self) -> Value:
        """Forget the one unused for longest."""
        return self._values.pop(next(iter(self._values)))

    def discard(self, key: str) -> None:
        self._values.pop(key, None)

    def purge(self, now: int) -> None:
        """Drop what has expired, in time proportional to all that is held."""
        for key, value in list(self._values.items()):
            if value.expires <= now:
                del self._values[key]
            else:
                value.purge(now)
