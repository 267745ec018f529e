"""How long to wait before trying again."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling delays with jitter, so that phones do not return all at once after an outage.

    ``attempts`` is how many tries there are in all; None keeps trying, each time within ``limit``.
    """

    first: float
    limit: float
    attempts: int | None

    def delay(self, failures: int, rng: random.Random, retry_after: float | None = None) -> float:
        """Seconds before the next try; a server's Retry-After is a lower bound, up to ``limit``."""
        doubled = min(self.limit, self.first * 2 ** min(failures - 1, 16))
        jittered = rng.uniform(doubled / 2, doubled)
        return min(self.limit, max(jittered, retry_after or 0.0))

    def spent(self, failures: int) -> bool:
        """Whether no try is left."""
        return self.attempts is not None and failures >= self.attempts


# A phone in the field: never gives up, asks at most every half a minute.
PATIENT = Backoff(first=0.5, limit=30.0, attempts=None)
# A command that a person waits for: about 20 seconds in all.
BRISK = Backoff(first=0.3, limit=5.0, attempts=8)
