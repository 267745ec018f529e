"""A state read from the application, once for all who want it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from cable.errors import StreamUnavailable

Read = Callable[[], Awaitable[None]]


class SharedLoad:
    """Runs `read` when a newer state is wanted than the last one, in one task at a time.

    Reads are numbered: one that began before messages were lost does not make up for them.
    """

    def __init__(self, name: str, read: Read) -> None:
        self._name = name
        self._read = read
        self._wanted = 1
        self._done = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def outdate(self) -> None:
        """What was read so far, or is being read now, no longer counts."""
        self._wanted += 1

    async def wait(self) -> None:
        """Return when a read has ended that began after the last `outdate`.

        Raises what `read` raises.

        Raises:
            StreamUnavailable: closed.
        """
        wanted = self._wanted
        while self._done < wanted:
            if self._closed:
                raise StreamUnavailable(f"stream {self._name} is closed")
            if self._task is None:
                self._task = asyncio.create_task(self._run(self._wanted), name="cable-load")
                self._task.add_done_callback(self._on_done)
            task = self._task
            # Not `await task`: a caller that is cancelled must not take the read from the others.
            await asyncio.wait({task})
            if task.cancelled():
                raise StreamUnavailable(f"the state of stream {self._name} is not being loaded")
            task.result()

    def close(self) -> None:
        self._closed = True
        if self._task is not None:
            self._task.cancel()

    async def _run(self, number: int) -> None:
        await self._read()
        self._done = number

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # those who waited may all be gone
