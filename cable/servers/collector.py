"""Python's garbage collector, tuned for a process that holds thousands of sockets."""

from __future__ import annotations

import gc

# Middle-aged collections before a full one, which holds everybody up: 0.1 s with 1,000 sockets.
# Python's own 10 make too many; but a socket leaves cycles behind, some 30 kB that only a full
# collection frees, and with 50 at most a few thousand of these wait for it. Younger garbage goes
# as soon as ever: a request's cycles hold its body.
_MIDDLE_AGED_BEFORE_FULL = 50


def tune_collector() -> None:
    """Once the application is loaded: leave what it loaded out, and look at all else rarely."""
    gc.collect()
    gc.freeze()
    young, middle_aged, _ = gc.get_threshold()
    gc.set_threshold(young, middle_aged, _MIDDLE_AGED_BEFORE_FULL)
