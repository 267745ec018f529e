"""Reports of many technicians, published from a process of its own, as a phone gateway does."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import Any

from bench.positions import Position, monotonic_us, position


@dataclass(frozen=True)
class Kind:
    """A way to publish: `batch` reports in one change of a conflated stream, or each by itself."""

    name: str
    conflated: bool
    batch: int = 1


@dataclass(frozen=True)
class Report:
    """Begin: each technician once a second, evenly spread."""


@dataclass(frozen=True)
class Count:
    """How many reports were published until now."""


@dataclass(frozen=True)
class Stop:
    pass


@dataclass(frozen=True)
class Published:
    """Since the publisher started: `truth` is the newest of each technician, by its key."""

    fixes: int
    #: How late the latest report was that was due at a fixed time, seconds.
    latest: float
    truth: dict[str, Position] = field(repr=False)


class MapPublisher:
    """`Report` begins and returns at once; `Count` returns a number; `Stop` ends it.

    The latter two raise what ended it before.
    """

    def __init__(
        self, environment: dict[str, str], kind: Kind, stream: str, technicians: int
    ) -> None:
        os.environ.update(environment)
        import django

        django.setup()
        self._stream = stream
        self._technicians = technicians
        self._kind = kind
        self._truth: dict[str, Position] = {}
        self._fixes = 0
        self._latest = 0.0
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def handle(self, order: Report | Count | Stop) -> Any:
        match order:
            case Report():
                self._stopped.clear()
                self._task = asyncio.create_task(self._report())
                return None
            case Count():
                if self._task is not None and self._task.done():
                    await self._task  # it failed; say how
                return self._fixes
            case Stop():
                self._stopped.set()
                if self._task is not None:
                    await self._task
                return Published(self._fixes, self._latest, self._truth)

    async def _report(self) -> None:
        batch = self._kind.batch
        interval = 1e6 / self._technicians
        started, first = monotonic_us(), self._fixes
        while not self._stopped.is_set():
            due = started + (self._fixes - first + batch) * interval
            wait = (due - monotonic_us()) / 1e6
            if wait > 0:
                await asyncio.sleep(wait)
            self._latest = max(self._latest, -wait)
            await self._send([divmod(self._fixes + n, self._technicians) for n in range(batch)])

    async def _send(self, reports: list[tuple[int, int]]) -> None:
        from cable import State, abroadcast, abroadcast_state

        now = monotonic_us()
        positions = {str(number): position(number, report, now) for report, number in reports}
        self._fixes += len(reports)
        if self._kind.conflated:
            await abroadcast_state(
                self._stream, {key: State(now, value) for key, value in positions.items()}
            )
        else:
            for key, value in positions.items():
                await abroadcast(self._stream, {"type": "fix", "id": key, "position": value})
        self._truth |= positions
