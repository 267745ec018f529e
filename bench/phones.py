"""Technicians' phones: processes that upload, as fast as they are answered or by a schedule."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import re
import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.clocks import unix_ahead_ns
from bench.drivers import Counters
from bench.machine import RigError
from bench.tracks import BEHIND_SECONDS, STEP_SECONDS, Track
from bench.uploads import Line, Phone
from bench.workers import Worker, context

ANSWER_SECONDS = 60.0
#: What is under way at the end of a round is waited for so long; then it counts as unanswered.
LAST_ANSWER_SECONDS = 20.0
#: Requests that are made in advance hold at most so many bytes in each process.
STOCK_BYTES = 64 * 2**20
_FIX_BYTES = 200
# A few answers that were wrong tell as much as thousands.
_MOST_REASONS = 20
_STORED = re.compile(rb'"stored":\s*(\d+)')


@dataclass(frozen=True)
class Begin:
    """Upload `size` fixes at a time, from now on.

    With a rate (uploads a second of this process) by a schedule, whatever the answers do; else
    `at_once` uploads are always under way, after `stock` of each phone were made in advance.
    `live`: what is uploaded is of the moment when it was due, and not of hours ago.
    """

    size: int
    rate: float | None = None
    at_once: int = 0
    stock: int = 0
    live: bool = False


@dataclass(frozen=True)
class Take:
    """What was measured since the last one; uploading goes on."""


@dataclass(frozen=True)
class End:
    """Begin no more uploads, and wait for those under way."""


@dataclass
class Seen:
    """Of one process, or of several together."""

    #: From when an upload was due until its answer was read, seconds.
    latencies: array[float] = field(default_factory=lambda: array("d"))
    #: How late the latest upload was sent though its phone was free, seconds.
    latest: float = 0.0
    #: Fixes that the server says it stored, by the company's number.
    stored: Counter[int] = field(default_factory=Counter)
    uploads: int = 0
    #: Of them: why they were not answered as they should be.
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, other: Seen) -> None:
        self.latencies.extend(other.latencies)
        self.latest = max(self.latest, other.latest)
        self.stored += other.stored
        self.uploads += other.uploads
        self.failed += other.failed


class Fleet:
    """The parent's end of all phones."""

    def __init__(self, processes: int, port: int, phones: Sequence[Phone], *, reuse: bool) -> None:
        """`reuse`: the server keeps connections open for the next request."""
        processes = min(processes, len(phones))
        self.counters: Counters = context.RawArray(ctypes.c_ulonglong, processes)
        self._workers = [
            Worker(
                f"phones {index}",
                partial(Phones, reuse=reuse),
                *(port, list(phones[index::processes]), self.counters, index),
            )
            for index in range(processes)
        ]

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self._workers]

    def stored(self) -> int:
        """Fixes that were acknowledged, ever."""
        return sum(self.counters)

    def begin(
        self,
        size: int,
        *,
        rate: float | None = None,
        at_once: int = 0,
        stock: int = 0,
        live: bool = False,
    ) -> None:
        """As `Begin`, where `rate` and `at_once` are of all together; raises `RigError`."""
        count = len(self._workers)
        shared = None if rate is None else rate / count
        self._ask_all(Begin(size, shared, max(1, at_once // count), stock, live))

    def take(self) -> Seen:
        """Of all processes; raises `RigError`."""
        return self._together(self._ask_all(Take()))

    def end(self) -> Seen:
        """What was measured since the last `take`; raises `RigError`."""
        return self._together(self._ask_all(End()))

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()

    @staticmethod
    def _together(answers: Sequence[Seen]) -> Seen:
        seen = Seen()
        for each in answers:
            seen.add(each)
        return seen

    def _ask_all(self, order: object) -> list[Any]:
        for worker in self._workers:
            worker.send(order)
        return [worker.answer(within=ANSWER_SECONDS) for worker in self._workers]


class _Sender:
    """One technician's phone: its uploads go one after the other."""

    def __init__(self, phone: Phone, port: int, owner: Phones) -> None:
        self.phone = phone
        self.track = Track(phone.company, phone.technician, starts_at=time.time() - BEHIND_SECONDS)
        self.line = Line(port, self._answered)
        self.stock: deque[bytes] = deque()
        #: When the uploads that wait for the one under way were due, monotonic nanoseconds.
        self.waiting: deque[int] = deque()
        self.due = 0
        self.busy = False
        self._head = phone.head
        self._owner = owner

    def request(self, size: int, now: float | None = None) -> bytes:
        body = self.track.fixes(size, time.time() if now is None else now)
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)

    def send(self, due: int, size: int) -> None:
        self.busy, self.due = True, due
        if (clock := self._owner.live_clock_ns) is not None:
            moment = (due + clock) / 1e9
            self.track.moment = moment - STEP_SECONDS * size
            self.line.send(self.request(size, moment))
            return
        self.line.send(self.stock.popleft() if self.stock else self.request(size))

    def _answered(self, status: int, answer: bytes, now: int) -> None:
        self.busy = False
        self._owner.answered(self, status, answer, now)


class Phones:
    """The process' own end."""

    def __init__(
        self,
        port: int,
        phones: Sequence[Phone],
        counters: Counters,
        index: int,
        *,
        reuse: bool,
    ) -> None:
        self._senders = [_Sender(phone, port, self) for phone in phones]
        self._reuse = reuse
        self._counters, self._index = counters, index
        self._seen = Seen()
        self._order: Begin | None = None
        self._size = 1
        self._idle: deque[_Sender] = deque()
        self._under_way = 0
        #: UNIX time ahead of the monotonic clock, when what is sent is of the moment it was due.
        self.live_clock_ns: int | None = None
        #: Uploads that were due and wait for their phone's answer.
        self.waiting = 0
        self._caught_up = asyncio.Event()
        self._all_answered = asyncio.Event()
        self._schedule: asyncio.Task[None] | None = None

    async def handle(self, order: Begin | Take | End) -> Seen | None:
        match order:
            case Begin():
                await self._begin(order)
                return None
            case Take():
                if self._schedule is not None and self._schedule.done():
                    await self._schedule  # it failed; say how
                return self._taken()
            case End():
                await self._end()
                return self._taken()

    def answered(self, sender: _Sender, status: int, answer: bytes, now: int) -> None:
        order = self._order
        self._seen.uploads += 1
        stored = self._stored(status, answer)
        if stored:
            self._seen.stored[sender.phone.company] += stored
            self._counters[self._index] += stored
        self._seen.latencies.append((now - sender.due) / 1e9)
        self._under_way -= 1
        if order is None:
            if not self._under_way:
                self._all_answered.set()
        elif order.rate is not None:
            if sender.waiting:
                self.waiting -= 1
                if not self.waiting:
                    self._caught_up.set()
                self._send(sender, sender.waiting.popleft())
        else:
            self._idle.append(sender)
            self._send(self._idle.popleft(), now)

    def _stored(self, status: int, answer: bytes) -> int:
        """The fixes that an answer acknowledges; another answer than due is counted as failed."""
        size = self._size
        if size == 1 and status == 201:
            return 1
        if size > 1 and status == 200:
            found = _STORED.search(answer)
            stored = int(found[1]) if found else 0
            if stored == size:
                return stored
        else:
            stored = 0
        why = f"{status}: {answer[-200:].decode(errors='replace')}"
        if why in self._seen.failed or len(self._seen.failed) < _MOST_REASONS:
            self._seen.failed[why] += 1
        else:
            self._seen.failed["others"] += 1
        return stored

    async def _begin(self, order: Begin) -> None:
        if self._order is not None:
            raise RigError("the phones upload already")
        self._size = order.size
        self.live_clock_ns = unix_ahead_ns() if order.live else None
        self._all_answered.clear()
        per_phone = STOCK_BYTES // (len(self._senders) * order.size * _FIX_BYTES)
        for sender in self._senders:
            sender.stock.extend(
                sender.request(order.size) for _ in range(min(order.stock, per_phone))
            )
        if self._reuse:
            for sender in self._senders:
                await sender.line.connect()
        self._order = order
        if order.rate is not None:
            self._schedule = asyncio.create_task(self._keep_schedule(order.rate))
            return
        self._idle = deque(self._senders)
        now = time.monotonic_ns()
        for _ in range(min(order.at_once, len(self._senders))):
            self._send(self._idle.popleft(), now)

    async def _keep_schedule(self, rate: float) -> None:
        interval = 1e9 / rate
        started, number = time.monotonic_ns(), 0
        while True:
            now = time.monotonic_ns()
            while (due := started + int(number * interval)) <= now:
                sender = self._senders[number % len(self._senders)]
                number += 1
                if sender.busy:
                    sender.waiting.append(due)
                    self.waiting += 1
                else:
                    self._seen.latest = max(self._seen.latest, (now - due) / 1e9)
                    self._send(sender, due)
            await asyncio.sleep((due - now) / 1e9)

    async def _end(self) -> None:
        if self._schedule is not None:
            self._schedule.cancel()
            await asyncio.gather(self._schedule, return_exceptions=True)
            self._schedule = None
        if self._order is not None and self._order.rate is not None:
            # Those that were due are sent; a server that is behind is not let off.
            self._caught_up.clear()
            if self.waiting:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._caught_up.wait(), LAST_ANSWER_SECONDS)
        self._order = None
        if self._under_way:
            try:
                await asyncio.wait_for(self._all_answered.wait(), LAST_ANSWER_SECONDS)
            except TimeoutError:
                self._seen.failed["not answered"] += self._under_way
        # An idle connection that the server closes at this moment would lose the next upload.
        self._under_way = self.waiting = 0
        for sender in self._senders:
            sender.busy = False
            if sender.waiting:
                self._seen.failed["not sent in time"] += len(sender.waiting)
                sender.waiting.clear()
            sender.line.close()
            sender.stock.clear()

    def _send(self, sender: _Sender, due: int) -> None:
        self._under_way += 1
        sender.send(due, self._size)

    def _taken(self) -> Seen:
        seen, self._seen = self._seen, Seen()
        return seen
