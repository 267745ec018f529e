"""How often a socket may ask."""

from __future__ import annotations


class TokenBucket:
    """`rate` a second in the long run, `burst` at once."""

    __slots__ = ("_burst", "_filled_at", "_rate", "_tokens")

    def __init__(self, rate: float, *, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = self._burst
        self._filled_at = 0.0

    def take(self, now: float) -> bool:
        """Use one token at a time (seconds of a monotonic clock); False when none is left."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
