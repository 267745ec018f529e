"""Python's garbage collector, tuned for a process that holds thousands of sockets."""

from __future__ import annotations

import gc

# New objects before the young are collected, young collections before the middle-aged are, and of
# those before all are. The last takes 0.1 s with 1,000 sockets, in which nothing is sent; what the
# cable drops has few cycles, so it can be rare.
_THRESHOLDS = (50_000, 20, 50)


def tune_collector() -> None:
    """Once the application is loaded: leave what it loaded out, and look at the rest rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
