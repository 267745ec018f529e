"""What waits to be written to one socket."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from cable.protocol import Frame
from cable.stats import stats

logger = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Outbox:
    """Frames in order, counted in bytes, written by one task.

    `push` never waits: a slow reader must not hold up a broadcast. When more than `max_bytes`
    wait already, `on_overflow` is called in place of queueing, so that one frame of any size
    (a large first snapshot) passes, and memory stays below `max_bytes` plus that frame.
    """

    def __init__(self, send: Send, *, max_bytes: int, on_overflow: Callable[[], None]) -> None:
        self._send = send
        self._max_bytes = max_bytes
        self._on_overflow = on_overflow
        self._frames: deque[Frame] = deque()
        self._wake = asyncio.Event()
        self._close_code: int | None = None
        self._room = asyncio.Event()
        self._room.set()
        self.pending_bytes = 0

    async def room(self) -> bool:
        """Wait until less than half of the bound waits; False when the socket is closing."""
        while not self._room.is_set():  # several wait, and the first may have taken it
            await self._room.wait()
        return self._close_code is None

    def push(self, frame: Frame) -> None:
        """Queue one frame. After `close` it is dropped."""
        if self._close_code is not None:
            return
        if self.pending_bytes > self._max_bytes:
            self._on_overflow()
            return
        self._append(frame)

    def close(self, last: Iterable[Frame], *, code: int, drop_pending: bool = False) -> None:
        """Write what waits, then `last`, then close with `code`. Only the first call counts.

        With `drop_pending`, of what waits only answers are written.
        """
        if self._close_code is not None:
            return
        if drop_pending:
            answers = [frame for frame in self._frames if frame.is_answer]
            self._frames.clear()
            self.pending_bytes = 0
            for frame in answers:
                self._append(frame)
        for frame in last:
            self._append(frame)
        self._close_code = code
        self._room.set()
        self._wake.set()

    async def run(self) -> None:
        """Write until closed, or until the server says that the peer is gone."""
        try:
            while True:
                while self._frames:
                    frame = self._frames.popleft()
                    await self._send(frame.event)
                    stats.bytes_sent += frame.size
                    self.pending_bytes = max(0, self.pending_bytes - frame.size)
                    if self.pending_bytes <= self._max_bytes // 2:
                        self._room.set()
                if self._close_code is not None:
                    await self._send({"type": "websocket.close", "code": self._close_code})
                    return
                self._wake.clear()
                await self._wake.wait()
        except Exception as error:  # each server has its own class for "the peer is gone"
            logger.debug("socket is gone while writing: %r", error)
        finally:
            self._close_code = self._close_code or 1006
            self._frames.clear()
            self.pending_bytes = 0
            self._room.set()

    def _append(self, frame: Frame) -> None:
        self._frames.append(frame)
        self.pending_bytes += frame.size
        if self.pending_bytes > self._max_bytes // 2 and self._close_code is None:
            self._room.clear()
        self._wake.set()
