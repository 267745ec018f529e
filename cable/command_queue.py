"""One socket's commands, in the order in which they came."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from cable.conf import CableSettings

logger = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]

#: A job that is done within this is no long one, however many wait; seconds.
_SHORTEST = 0.005
#: For a job that is cancelled to end.
_CANCEL_SECONDS = 1.0


class _Waiting(NamedTuple):
    #: When it came, by the loop's clock.
    at: float
    #: Jobs of one key run one after the other. One without a key, with no other at all.
    key: str | None
    job: Job
    size: int


class CommandQueue:
    """Jobs counted in number and bytes, one at a time.

    A job that takes long is set aside: it runs on, and those of other keys no longer wait for it.
    """

    def __init__(self, settings: CableSettings, *, on_error: Callable[[], None]) -> None:
        """`on_error` is called when a job raised, which none should."""
        self._settings = settings
        self._on_error = on_error
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        #: Key → its job, which takes long.
        self._aside: dict[str, asyncio.Task[None]] = {}
        self._worker: asyncio.Task[None] | None = None
        self._last: Job | None = None
        #: Set when the socket is gone: what waits still runs, nothing is answered any more.
        self.ended = False

    @property
    def is_idle(self) -> bool:
        return not self.pending

    @property
    def pending(self) -> int:
        """How many jobs wait or run."""
        return len(self._waiting) + len(self._running)

    def start(self, *, last: Job) -> None:
        """Begin to run; `last` when all is done after `finish`."""
        self._last = last
        self._worker = asyncio.create_task(self._work(), name="cable-commands")

    def is_full(self, size: int) -> bool:
        """Whether no further command of `size` bytes may wait."""
        settings = self._settings
        return (
            len(self._waiting) >= settings.max_pending_commands
            or self._bytes + size > settings.max_pending_command_bytes
        )

    def put(self, job: Job, size: int = 0, *, key: str | None = None) -> None:
        self._waiting.append(_Waiting(asyncio.get_running_loop().time(), key, job, size))
        self._bytes += size
        self._wake.set()

    def discard(self) -> None:
        """Forget the commands that wait. Those that run end by themselves."""
        self._waiting.clear()
        self._bytes = 0

    async def finish(self) -> bool:
        """After the socket closed: run what waits, then `last`. False if either took too long."""
        self.ended = True
        self._wake.set()
        if self._worker is None or self._last is None:
            return True
        in_time = await _done({self._worker}, within=self._settings.leftover_timeout)
        # `last` has time of its own: a client must not be able to keep it from running.
        self.discard()
        await _done(set(self._running), within=0)
        last = asyncio.ensure_future(self._last())
        in_time = await _done({last}, within=self._settings.teardown_timeout) and in_time
        if not last.cancelled():
            last.result()
        return in_time

    async def _work(self) -> None:
        while True:
            while (waiting := self._next()) is not None:
                await self._run(waiting)
            if self.ended and not self.pending:
                return
            self._wake.clear()
            await self._wake.wait()

    def _next(self) -> _Waiting | None:
        """The first that waits for none of those that run."""
        if len(self._aside) >= self._settings.max_commands_at_once:
            return None
        for index, waiting in enumerate(self._waiting):
            if waiting.key is None and self._aside:
                return None
            if waiting.key not in self._aside:
                del self._waiting[index]
                self._bytes -= waiting.size
                return waiting
        return None

    async def _run(self, waiting: _Waiting) -> None:
        task = asyncio.create_task(self._guarded(waiting.job), name="cable-command")
        self._running.add(task)
        task.add_done_callback(self._on_done)
        await asyncio.wait({task}, timeout=self._patience(waiting))
        if not task.done() and waiting.key is not None:
            key = waiting.key
            self._aside[key] = task
            task.add_done_callback(lambda _: self._return(key))

    def _patience(self, waiting: _Waiting) -> float | None:
        """The more wait, the less: all of them are to begin within `commands_begin_within`."""
        if waiting.key is None:
            return None
        patience = self._settings.command_patience
        if not self._waiting:
            return patience
        begin_by = self._waiting[0].at + self._settings.commands_begin_within
        left = begin_by - asyncio.get_running_loop().time()
        return max(_SHORTEST, min(patience, left / len(self._waiting)))

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()

    def _return(self, key: str) -> None:
        del self._aside[key]
        self._wake.set()

    async def _guarded(self, job: Job) -> None:
        try:
            await job()
        except Exception:  # a defect of ours, which must not leave the socket deaf
            logger.exception("a command failed; its socket is closed")
            self._on_error()


async def _done(tasks: set[asyncio.Task[None]], *, within: float) -> bool:
    """Whether they are done in time; those that are not are cancelled."""
    if not tasks:
        return True
    _, late = await asyncio.wait(tasks, timeout=within)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=_CANCEL_SECONDS)
    return not late
