"""Pings for all sockets of a process, from one task."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from typing import TYPE_CHECKING

from cable import protocol
from cable.stats import stats

if TYPE_CHECKING:
    from cable.connection import Connection

#: Sockets are spread over this many moments of the interval, so that ten thousand of them do not
#: write in one turn of the event loop.
_SLOTS = 10


class Ticker:
    """Pings each socket once every `interval` seconds."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._slots: list[set[Connection]] = [set() for _ in range(_SLOTS)]
        self._next_slot = itertools.cycle(self._slots)
        self._task: asyncio.Task[None] | None = None

    def add(self, connection: Connection) -> None:
        next(self._next_slot).add(connection)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="cable-ticker")

    def remove(self, connection: Connection) -> None:
        for slot in self._slots:
            slot.discard(connection)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for slot in itertools.cycle(self._slots):
            # From the last due time, not from now: work in between must not stretch the interval.
            due = max(due + self._interval / _SLOTS, loop.time())
            wait, asleep_at = due - loop.time(), time.perf_counter()
            await asyncio.sleep(wait)
            # Not by the loop's clock: uvloop's stands still while the loop is busy.
            stats.loop_lag.observe(max(0.0, time.perf_counter() - asleep_at - wait))
            frame = protocol.ping(int(time.time()))
            for connection in slot:
                connection.ping(frame)
