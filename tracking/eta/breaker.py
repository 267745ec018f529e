"""Leaves a service alone for a while after it failed again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock


class Breaker:
    """Opens after `failures` in a row, for `pause` seconds; then lets one through to find out.

    For many threads. `clock` gives seconds that never go back.
    """

    def __init__(
        self, *, failures: int, pause: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._pause, self._clock = failures, pause, clock
        self._failures = 0
        self._open_until = 0.0
        self._lock = Lock()

    def lets_through(self) -> bool:
        """Whether to try. Whoever is told yes reports how it went."""
        with self._lock:
            if self._failures < self._limit:
                return True
            if self._clock() < self._open_until:
                return False
            self._open_until = self._clock() + self._pause
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._open_until = self._clock() + self._pause
