"""Numbered messages of one stream: made, published at a pace, and counted at every socket."""

from __future__ import annotations

import asyncio
import os
import time
from array import array
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bench.drivers import Counters
from bench.websocket import Reader

_MARK = b"#"
_NUMBER = slice(1, 11)
_TIME = slice(12, 32)
# A closed loop that delivers nothing for so long has lost what is under way, seconds.
_STALL = 5.0
_LOOK_AGAIN = 0.001

Send = Callable[[dict[str, str]], Awaitable[None]]


def make_message(number: int, due: int, size: int) -> dict[str, str]:
    """A message of `size` bytes in compact JSON, with its number and the time when it was due.

    `due` is nanoseconds of the monotonic clock.
    """
    message = {"mark": f"#{number:010d} {due:020d}", "fill": ""}
    message["fill"] = "x" * (size - len(msgspec.json.encode(message)))
    return message


@dataclass
class Counted:
    """What one driver's sockets got. Latencies are seconds from when a message was due."""

    delivered: int = 0
    duplicates: int = 0
    disordered: int = 0
    latencies: array[float] = field(default_factory=lambda: array("d"))


class SequenceTally:
    """Tells lost, repeated and disordered messages apart, for each socket."""

    def __init__(self, counters: Counters, index: int) -> None:
        self._counters, self._index = counters, index
        self._counted = Counted()

    def take(self) -> Counted:
        counted, self._counted = self._counted, Counted()
        return counted

    def reader(self) -> Reader:
        expected = 1
        skipped: set[int] = set()

        def read(data: bytes, start: int, end: int, now: int) -> None:
            nonlocal expected
            at = data.find(_MARK, start, end)
            mark = data[at : at + _TIME.stop]
            number = int(mark[_NUMBER])
            counted = self._counted
            counted.delivered += 1
            counted.latencies.append((now - int(mark[_TIME])) / 1e9)
            self._counters[self._index] += 1
            if number == expected:
                expected += 1
            elif number > expected:
                skipped.update(range(expected, number))
                expected = number + 1
            elif number in skipped:
                skipped.remove(number)
                counted.disordered += 1
            else:
                counted.duplicates += 1

        return read


@dataclass(frozen=True)
class Saturate:
    """Publish so that always this many messages are under way to some of the sockets."""

    in_flight: int
    sockets: int


@dataclass(frozen=True)
class Pace:
    """Publish at fixed times, however the server does."""

    per_second: float


@dataclass(frozen=True)
class Stop:
    pass


@dataclass(frozen=True)
class Published:
    """Since the publisher started; numbers begin at 1."""

    count: int
    #: How late the latest message was sent that was due at a fixed time, seconds.
    latest: float


class SequencePublisher:
    """Publishes from a process of its own, as an application's worker does.

    `Saturate` and `Pace` begin and return at once; `Stop` ends them and returns `Published`.
    """

    def __init__(
        self,
        environment: dict[str, str],
        kind: str,
        stream: str,
        size: int,
        counters: Counters,
    ) -> None:
        os.environ.update(environment)
        self._send = _sender(kind, stream)
        self._size = size
        self._counters = counters
        self._count = 0
        self._latest = 0.0
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def handle(self, order: Saturate | Pace | Stop) -> Published | None:
        match order:
            case Stop():
                self._stopped.set()
                if self._task is not None:
                    await self._task
                return Published(self._count, self._latest)
            case Saturate():
                work = self._saturate(order)
            case Pace():
                work = self._keep_pace(order)
        self._stopped.clear()
        self._latest = 0.0
        self._task = asyncio.create_task(work)
        return None

    async def _publish(self, due: int) -> None:
        self._count += 1
        await self._send(make_message(self._count, due, self._size))

    async def _saturate(self, order: Saturate) -> None:
        published = 0
        started = sum(self._counters)
        seen, seen_at = 0, time.monotonic()
        while not self._stopped.is_set():
            delivered = sum(self._counters) - started
            now = time.monotonic()
            if delivered > seen:
                seen, seen_at = delivered, now
            elif now - seen_at > _STALL:
                started -= published * order.sockets - delivered
                seen_at = now
            if published * order.sockets - delivered < order.in_flight * order.sockets:
                published += 1
                await self._publish(time.monotonic_ns())
            else:
                await asyncio.sleep(_LOOK_AGAIN)

    async def _keep_pace(self, order: Pace) -> None:
        interval = int(1e9 / order.per_second)
        due = time.monotonic_ns() + interval
        while not self._stopped.is_set():
            wait = (due - time.monotonic_ns()) / 1e9
            if wait > 0:
                await asyncio.sleep(wait)
            self._latest = max(self._latest, (time.monotonic_ns() - due) / 1e9)
            # With the time when it was due: a publisher that is held up hides no wait.
            await self._publish(due)
            due += interval


def _sender(kind: str, stream: str) -> Send:
    import django

    django.setup()
    if kind == "cable":
        from cable import abroadcast

        return lambda message: abroadcast(stream, message)

    from channels.layers import get_channel_layer

    layer: Any = get_channel_layer()

    async def send(message: dict[str, str]) -> None:
        await layer.group_send(stream, {"type": "room.message", "message": message})

    return send
