"""One event loop's connections to a Valkey or Redis."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cable.store.interface import StoreError

Command = Sequence[bytes | int]
_Job = tuple[Sequence[Command], asyncio.Future[list[Any]]]

#: Commands of one pipeline: enough that its own cost no longer matters.
_BATCH = 100


def open_pool(url: str, *, max_connections: int, timeout: float) -> BlockingConnectionPool:
    """Opens no connection yet.

    Raises:
        ValueError: not a URL of a Redis server.
    """
    return BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        # A command sent again by itself would append twice.
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        protocol=2,
    )


class Connections:
    """Sends what waits together: in a burst, a command costs a quarter of one sent alone."""

    def __init__(self, pool: BlockingConnectionPool, *, name: str, timeout: float) -> None:
        self._name = name
        self._client = Redis(connection_pool=pool)
        self._max_senders = pool.max_connections
        self._timeout = timeout
        self._waiting: deque[_Job] = deque()
        self._senders: set[asyncio.Task[None]] = set()

    async def execute(self, commands: Sequence[Command]) -> list[Any]:
        """The answers in order; errors of single commands are among them.

        Raises:
            StoreError: the server did not answer. The commands may have run.
        """
        answers: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((commands, answers))
        if len(self._senders) < self._max_senders:
            self._senders.add(asyncio.create_task(self._send()))
        # Waiting for a connection, opening it, and the answer have this time together.
        try:
            async with asyncio.timeout(self._timeout):
                return await answers
        except TimeoutError as error:
            raise StoreError(f"{self._name}: no answer in {self._timeout} s") from error

    async def close(self) -> None:
        self._fail(self._waiting, "closed")
        senders = set(self._senders)
        # Again and again: the `wait_for` of Python 3.11, in redis-py, may swallow a cancellation.
        while senders:
            for sender in senders:
                sender.cancel()
            _, senders = await asyncio.wait(senders, timeout=0.1)
        await self._client.aclose(close_connection_pool=True)

    async def _send(self) -> None:
        try:
            while batch := self._take():
                try:
                    async with asyncio.timeout(self._timeout):
                        await self._send_batch(batch)
                except Exception as error:  # each layer and client raises its own
                    self._fail(batch, f"{type(error).__name__}: {error}")
                finally:
                    self._fail(batch, "closed")
        finally:
            # At once: a callback would run after the next call, which would wait for this task.
            self._senders.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _fail(self, jobs: Iterable[_Job], reason: str) -> None:
        """An error for each of those without an answer: a shared one would grow with them."""
        for _, answers in jobs:
            if not answers.done():
                answers.set_exception(StoreError(f"{self._name}: {reason}"))

    async def _send_batch(self, batch: list[_Job]) -> None:
        async with self._client.pipeline(transaction=False) as pipeline:
            for commands, _ in batch:
                for command in commands:
                    pipeline.execute_command(*command)
            found: list[Any] = await pipeline.execute(raise_on_error=False)
        begin = 0
        for commands, answers in batch:
            end = begin + len(commands)
            if not answers.done():
                answers.set_result(found[begin:end])
            begin = end

    def _take(self) -> list[_Job]:
        batch = []
        size = 0
        while self._waiting and size < _BATCH:
            commands, answers = self._waiting.popleft()
            # Who gave up waiting was told that it failed.
            if not answers.done():
                batch.append((commands, answers))
                size += len(commands)
        return batch
