"""One socket's commands, one after the other, in the order in which they came."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from cable.conf import CableSettings

logger = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]


class CommandQueue:
    """Jobs counted in number and bytes, run by one task."""

    def __init__(self, settings: CableSettings) -> None:
        self._settings = settings
        self._jobs: deque[tuple[Job, int]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._running = False
        self._worker: asyncio.Task[None] | None = None
        #: Set when the socket is gone: what waits still runs, nothing is answered any more.
        self.ended = False

    @property
    def is_idle(self) -> bool:
        return not self._jobs and not self._running

    @property
    def pending(self) -> int:
        """How many jobs wait or run."""
        return len(self._jobs) + self._running

    def start(self, *, last: Job) -> None:
        """Begin to run; `last` when all is done after `finish`."""
        self._worker = asyncio.create_task(self._work(last), name="cable-commands")

    def is_full(self, size: int) -> bool:
        """Whether no further command of `size` bytes may wait."""
        settings = self._settings
        return (
            len(self._jobs) >= settings.max_pending_commands
            or self._bytes + size > settings.max_pending_command_bytes
        )

    def put(self, job: Job, size: int = 0) -> None:
        self._jobs.append((job, size))
        self._bytes += size
        self._wake.set()

    def discard(self) -> None:
        """Forget the commands that wait. The running one ends by itself."""
        self._jobs.clear()
        self._bytes = 0

    async def finish(self) -> bool:
        """After the socket closed: run what waits, then `last`. False if it took too long."""
        self.ended = True
        self._wake.set()
        if self._worker is None:
            return True
        await asyncio.wait([self._worker], timeout=self._settings.teardown_timeout)
        if self._worker.done():
            return True
        self._worker.cancel()
        await asyncio.wait([self._worker])
        return False

    async def _work(self, last: Job) -> None:
        while True:
            while self._jobs:
                job, size = self._jobs.popleft()
                self._bytes -= size
                self._running = True
                try:
                    await job()
                finally:
                    self._running = False
            if self.ended:
                break
            self._wake.clear()
            await self._wake.wait()
        await last()
