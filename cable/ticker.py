"""Pings for all sockets of a process, from a task for each interval that is in use."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from cable import protocol
from cable.background import keep_running
from cable.handshake import Pings
from cable.protocol import Frame
from cable.stats import stats

if TYPE_CHECKING:
    from cable.connection import Connection

#: Sockets are spread over this many moments of the interval, so that ten thousand of them do not
#: write in one turn of the event loop.
_SLOTS = 10

_NOW: dict[str, Callable[[], int]] = {
    "s": lambda: time.time_ns() // 1_000_000_000,
    "ms": lambda: time.time_ns() // 1_000_000,
    "ns": time.time_ns,
}


class Tickers:
    """Pings each socket as often as its client asked for."""

    def __init__(self) -> None:
        self._tickers: dict[Pings, Ticker] = {}
        self._of: dict[Connection, Ticker] = {}

    def add(self, connection: Connection, pings: Pings) -> None:
        ticker = self._tickers.get(pings)
        if ticker is None:
            ticker = self._tickers[pings] = Ticker(pings)
        self._of[connection] = ticker
        ticker.add(connection)

    def remove(self, connection: Connection) -> None:
        if (ticker := self._of.pop(connection, None)) is not None:
            ticker.remove(connection)

    async def close(self) -> None:
        for ticker in self._tickers.values():
            await ticker.close()
        self._tickers.clear()
        self._of.clear()


class Ticker:
    """Pings each of its sockets once in every interval."""

    def __init__(self, pings: Pings) -> None:
        self._interval = pings.interval
        self._now = _NOW[pings.precision]
        self._slots: list[set[Connection]] = [set() for _ in range(_SLOTS)]
        self._next_slot = itertools.cycle(self._slots)
        self._task: asyncio.Task[None] | None = None

    def add(self, connection: Connection) -> None:
        next(self._next_slot).add(connection)
        if self._task is None:
            self._task = keep_running(self._run, "cable-ticker")

    def remove(self, connection: Connection) -> None:
        for slot in self._slots:
            slot.discard(connection)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
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
            self._ping(slot, protocol.ping(self._now()))

    def _ping(self, slot: set[Connection], frame: Frame) -> None:
        for connection in list(slot):
            connection.ping(frame)
