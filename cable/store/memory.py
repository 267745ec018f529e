"""The store in this process's memory: for one process, and for tests."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from cable.store.interface import (
    Entry,
    Head,
    HistoryOptions,
    Log,
    milliseconds,
    new_epoch,
)

#: Streams, and sessions, that are kept; the one unused for longest is forgotten. A forgotten
#: stream gets a new epoch, so that its clients are told. Some 100 MB when all have messages.
MAX_KEPT = 100_000
_PURGE_INTERVAL_MS = 10_000

_Kept = TypeVar("_Kept", bound="_Expiring")


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000


class _Expiring:
    expires: int = 0

    def purge(self, now: int) -> None:
        """Drop what is old within."""


class _Session(_Expiring):
    def __init__(self, record: str, expires: int) -> None:
        self.record = record
        self.expires = expires


class _Stream(_Expiring):
    def __init__(self) -> None:
        self.keep = 0
        self.data_expires = 0
        self.begin(lost=0)

    def begin(self, *, lost: int) -> None:
        self.epoch = new_epoch()
        self.offset = 0
        self.time = 0
        self.lost = lost
        self.log: deque[tuple[str, Entry]] = deque()

    @property
    def head(self) -> Head:
        return Head(self.epoch, self.offset, self.time)

    def renew(self, now: int, keep: int) -> None:
        self.keep = keep
        self.expires = now + keep

    def drop_aged(self, horizon: int) -> None:
        while self.log and self.log[0][1].time_ms <= horizon:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        self.lost = self.log.popleft()[1].time_ms

    def purge(self, now: int) -> None:
        if self.data_expires <= now and self.log:
            self.lost = self.time
            self.log.clear()


class MemoryStore:
    """Safe to use from several threads and event loops."""

    def __init__(self, *, clock: Callable[[], int] = _unix_ms, max_kept: int = MAX_KEPT) -> None:
        """`clock` returns UNIX ms."""
        self._clock = clock
        self._max_kept = max_kept
        self._lock = threading.Lock()
        # In the order of last use.
        self._streams: dict[str, _Stream] = {}
        self._sessions: dict[str, _Session] = {}
        self._next_purge = 0

    async def append(
        self,
        stream: str,
        message: str,
        *,
        message_id: str,
        options: HistoryOptions,
        again: bool = False,
    ) -> Head:
        with self._lock:
            now = self._now()
            kept = self._open(stream, options, now)
            if again:
                for known_id, entry in kept.log:
                    if known_id == message_id:
                        return Head(kept.epoch, entry.offset, entry.time_ms)
            kept.offset += 1
            kept.time = max(now, kept.time, kept.lost)
            kept.log.append((message_id, Entry(kept.offset, kept.time, message)))
            kept.data_expires = now + options.age_ms
            while len(kept.log) > options.limit:
                kept.drop_oldest()
            return kept.head

    async def head(self, stream: str, options: HistoryOptions) -> Head:
        with self._lock:
            return self._open(stream, options, self._now()).head

    async def heads(self, streams: Sequence[str]) -> list[Head | None]:
        with self._lock:
            now = self._now()
            found: list[Head | None] = []
            for stream in streams:
                kept = _live(self._streams, stream, now)
                if kept is not None:
                    kept.renew(now, kept.keep)
                found.append(None if kept is None else kept.head)
            return found

    async def read(self, stream: str, options: HistoryOptions, *, after: int = 0) -> Log:
        with self._lock:
            kept = self._open(stream, options, self._now())
            entries = [entry for _, entry in kept.log if entry.offset > after]
            return Log(kept.head, kept.lost, entries)

    async def restart(self, stream: str, options: HistoryOptions) -> Head:
        with self._lock:
            now = self._now()
            kept = self._open(stream, options, now)
            kept.begin(lost=max(now, kept.time, kept.lost))
            return kept.head

    async def save_sessions(self, records: Mapping[str, str], *, seconds: float) -> None:
        with self._lock:
            expires = self._now() + milliseconds(seconds)
            for sid, record in records.items():
                self._keep(self._sessions, sid, _Session(record, expires))

    async def touch_sessions(self, sids: Sequence[str], *, seconds: float) -> None:
        with self._lock:
            now = self._now()
            for sid in sids:
                session = _live(self._sessions, sid, now)
                if session is not None:
                    session.expires = now + milliseconds(seconds)

    async def load_session(self, sid: str) -> str | None:
        with self._lock:
            session = _live(self._sessions, sid, self._now())
            return None if session is None else session.record

    async def delete_sessions(self, sids: Sequence[str]) -> None:
        with self._lock:
            for sid in sids:
                self._sessions.pop(sid, None)

    async def close(self) -> None:
        """Nothing is open."""

    def _open(self, stream: str, options: HistoryOptions, now: int) -> _Stream:
        kept = _live(self._streams, stream, now)
        if kept is None:
            kept = _Stream()
            self._keep(self._streams, stream, kept)
        kept.purge(now)
        kept.drop_aged(now - options.age_ms)
        kept.renew(now, options.meta_ms)
        return kept

    def _keep(self, group: dict[str, _Kept], key: str, kept: _Kept) -> None:
        group.pop(key, None)
        if len(group) >= self._max_kept:
            del group[next(iter(group))]
        group[key] = kept

    def _now(self) -> int:
        """The time; drops what is old once in a while."""
        now = self._clock()
        if now >= self._next_purge:
            self._next_purge = now + _PURGE_INTERVAL_MS
            _purge(self._streams, now)
            _purge(self._sessions, now)
        return now


def _live(group: dict[str, _Kept], key: str, now: int) -> _Kept | None:
    """What is kept under a key, now the last used of its group."""
    kept = group.pop(key, None)
    if kept is None or kept.expires <= now:
        return None
    group[key] = kept
    return kept


def _purge(group: dict[str, _Kept], now: int) -> None:
    for key, kept in list(group.items()):
        if kept.expires <= now:
            del group[key]
        else:
            kept.purge(now)
