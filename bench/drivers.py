"""Load drivers: processes that hold the client sockets and count what arrives."""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bench.websocket import Reader, Socket, Target
from bench.workers import Worker, context

ANSWER_SECONDS = 20.0
#: What is known to saturate a driver and to falsify latencies is about 800 busy sockets.
LATENCY_SOCKETS_PER_DRIVER = 800

Counters = ctypes.Array[ctypes.c_ulonglong]


class Tally(Protocol):
    """What a bench counts in each driver; must be picklable by its class alone."""

    def reader(self) -> Reader:
        """What reads the messages of one more socket."""

    def take(self) -> Any:
        """What was counted since the last call."""


@dataclass(frozen=True)
class Open:
    """Open these sockets, at most so many at the same time, each within `timeout` seconds."""

    targets: Sequence[Target]
    at_once: int
    timeout: float


@dataclass(frozen=True)
class Take:
    pass


@dataclass(frozen=True)
class CloseAll:
    pass


@dataclass
class Opened:
    """How it went: seconds of each that opened, and why how many others did not."""

    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    #: Of all together, from the first start to the last end.
    wall: float = 0.0


@dataclass(frozen=True)
class Taken:
    """What each driver's tally gave, and why how many open sockets were lost."""

    tallies: list[Any]
    lost: Counter[str]


class Drivers:
    """The parent's end of all drivers."""

    def __init__(self, count: int, tally: Callable[..., Tally]) -> None:
        """`tally` is called in each driver with the counters and the driver's own index."""
        self.counters: Counters = context.RawArray(ctypes.c_ulonglong, count)
        self._workers = [
            Worker(f"driver {index}", Driver, tally, self.counters, index) for index in range(count)
        ]

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self._workers]

    def delivered(self) -> int:
        """Messages that arrived at all sockets, ever."""
        return sum(self.counters)

    def open(self, targets: Sequence[Target], *, at_once: int, timeout: float) -> Opened:
        """Open sockets, spread over all drivers; `at_once` counts over all of them too.

        Raises:
            RigError: a driver failed.
        """
        count = len(self._workers)
        # A driver works off its sockets in rounds, the last of which may time out as a whole.
        bound = timeout * (len(targets) / max(at_once, 1) + 2) + ANSWER_SECONDS
        started = time.monotonic()
        orders = [
            Open(targets[index::count], max(1, at_once // count), timeout) for index in range(count)
        ]
        together = Opened()
        for opened in self._ask_all(orders, within=bound):
            together.seconds += opened.seconds
            together.failures += opened.failures
        together.wall = time.monotonic() - started
        return together

    def take(self) -> Taken:
        """What was counted since the last call; raises as `open` does."""
        answers = self._ask_all([Take()] * len(self._workers), within=ANSWER_SECONDS)
        lost: Counter[str] = Counter()
        for _, of_one in answers:
            lost += of_one
        return Taken([tally for tally, _ in answers], lost)

    def close_all(self) -> None:
        """Cut all sockets; raises as `open` does."""
        self._ask_all([CloseAll()] * len(self._workers), within=ANSWER_SECONDS)

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()

    def _ask_all(self, orders: Sequence[object], *, within: float) -> list[Any]:
        for worker, order in zip(self._workers, orders, strict=True):
            worker.send(order)
        return [worker.answer(within=within) for worker in self._workers]


class Driver:
    """The process' own end."""

    def __init__(self, tally: Callable[..., Tally], counters: Counters, index: int) -> None:
        self._tally = tally(counters, index)
        self._sockets: list[Socket] = []
        self._lost: Counter[str] = Counter()

    async def handle(self, order: Open | Take | CloseAll) -> Any:
        match order:
            case Open():
                return await self._open(order)
            case Take():
                lost, self._lost = self._lost, Counter()
                return self._tally.take(), lost
            case CloseAll():
                for socket in self._sockets:
                    socket.close()
                self._sockets.clear()
                return None

    async def _open(self, order: Open) -> Opened:
        result = Opened()
        places = asyncio.Semaphore(order.at_once)

        async def open_one(target: Target) -> None:
            async with places:
                socket = Socket(target, self._tally.reader(), self._on_lost)
                try:
                    async with asyncio.timeout(order.timeout):
                        result.seconds.append(await socket.open())
                except (OSError, TimeoutError) as error:
                    socket.close()
                    result.failures[str(error) or f"not open after {order.timeout:g} s"] += 1
                else:
                    self._sockets.append(socket)

        await asyncio.gather(*map(open_one, order.targets))
        return result

    def _on_lost(self, why: str) -> None:
        self._lost[why] += 1
