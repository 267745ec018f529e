"""What waits for the garbage collector of a server, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

#: Opens and ends sockets as the collector sees them: some hundred objects in a cycle, which lived
#: long enough to be old. Prints the most that were dead and still there.
_CHURN = """
import weakref
from collections import deque

from cable.servers.collector import tune_collector

class Socket:
    def __init__(self):
        self.parts = [[self] for _ in range(100)]

tune_collector()
alive, open_, most = weakref.WeakSet(), deque(), 0
for _ in range(60_000):
    socket = Socket()
    alive.add(socket)
    open_.append(socket)
    if len(open_) > 1_000:
        open_.popleft()
    most = max(most, len(alive) - len(open_))
print(most)
"""


def test_ended_sockets_do_not_wait_for_the_collector_in_heaps() -> None:
    found = subprocess.run(
        [sys.executable, "-c", _CHURN], capture_output=True, text=True, check=True
    )
    # 30 kB each: 150 MB.
    assert int(found.stdout) < 5_000
