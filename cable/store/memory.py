"""The store in this process's memory: for one process, and for tests."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from cable.store.expiring import Expiring, ExpiringDict
from cable.store.interface import (
    Entry,
    Head,
    HistoryOptions,
    Log,
    PresenceJoin,
    milliseconds,
    new_epoch,
)
from cable.store.memory_presence import Presence

#: Streams, sessions, and streams with presence that are kept; beyond it the one unused for
#: longest is forgotten. A forgotten stream gets a new epoch, so that its clients are told.
MAX_KEPT = 100_000
#: Characters of all logs together; beyond it the same happens.
MAX_LOG_SIZE = 256 * 1024 * 1024
#: Each time, everything is looked at once.
PURGE_INTERVAL_MS = 10_000


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000


class _Session(Expiring):
    def __init__(self, record: str, expires: int) -> None:
        self.record = record
        self.expires = expires


class _Stream(Expiring):
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
        self.size = 0

    @property
    def head(self) -> Head:
        return Head(self.epoch, self.offset, self.time)

    def renew(self, now: int, keep: int) -> None:
        self.keep = keep
        self.expires = now + keep

    def drop_aged(self, horizon: int) -> None:
        while self.log and self.log[0][1].time_ms <= horizon:
            self.drop_oldest()

    def add(self, now: int, message_id: str, message: str) -> None:
        self.offset += 1
        self.time = max(now, self.time, self.lost)
        self.log.append((message_id, Entry(self.offset, self.time, message)))
        self.size += len(message)

    def drop_oldest(self) -> None:
        _, entry = self.log.popleft()
        self.lost = entry.time_ms
        self.size -= len(entry.message)

    def purge(self, now: int) -> None:
        if self.data_expires <= now and self.log:
            self.lost = self.time
            self.log.clear()
            self.size = 0


class MemoryStore:
    """Safe to use from several threads and event loops."""

    def __init__(
        self,
        *,
        clock: Callable[[], int] = _unix_ms,
        max_kept: int = MAX_KEPT,
        max_log_size: int = MAX_LOG_SIZE,
    ) -> None:
        """`clock` returns UNIX ms."""
        self._clock = clock
        self._max_log_size = max_log_size
        self._lock = threading.Lock()
        self._streams = ExpiringDict[_Stream](max_kept)
        self._sessions = ExpiringDict[_Session](max_kept)
        self._present = ExpiringDict[Presence](max_kept)
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
                for known_id, entry in reversed(kept.log):
                    if known_id == message_id:
                        return Head(kept.epoch, entry.offset, entry.time_ms)
            kept.add(now, message_id, message)
            kept.renew(now, options.meta_ms)
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
                kept = self._streams.get(stream, now)
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
            kept.renew(now, options.meta_ms)
            return kept.head

    async def save_sessions(self, records: Mapping[str, str], *, seconds: float) -> None:
        with self._lock:
            expires = self._now() + milliseconds(seconds)
            for sid, record in records.items():
                self._sessions.put(sid, _Session(record, expires))

    async def touch_sessions(self, sids: Sequence[str], *, seconds: float) -> None:
        with self._lock:
            now = self._now()
            for sid in sids:
                session = self._sessions.get(sid, now)
                if session is not None:
                    session.expires = now + milliseconds(seconds)

    async def load_session(self, sid: str) -> str | None:
        with self._lock:
            session = self._sessions.get(sid, self._now())
            return None if session is None else session.record

    async def delete_sessions(self, sids: Sequence[str]) -> int:
        with self._lock:
            now = self._now()
            known = [sid for sid in dict.fromkeys(sids) if self._sessions.get(sid, now)]
            for sid in known:
                self._sessions.discard(sid)
            return len(known)

    async def presence_join(
        self,
        stream: str,
        sid: str,
        *,
        id: str,  # noqa: A002 (the protocol's word)
        info: str,
        seconds: float,
    ) -> PresenceJoin:
        with self._lock:
            now = self._now()
            present = self._present.get(stream, now)
            if present is None:
                present = Presence()
                self._present.put(stream, present)
            expires = now + milliseconds(seconds)
            return present.join(sid, member=id, info=info, now=now, expires=expires)

    async def presence_leave(self, stream: str, sid: str) -> str | None:
        with self._lock:
            present = self._present.get(stream, self._now())
            if present is None:
                return None
            left = present.leave(sid)
            self._discard_empty(stream, present)
            return left

    async def presence_expire(self, stream: str, sid: str, *, seconds: float) -> None:
        await self.presence_touch([(stream, sid)], seconds=seconds)

    async def presence_touch(
        self, members: Sequence[tuple[str, str]], *, seconds: float
    ) -> list[tuple[str, str]]:
        with self._lock:
            now = self._now()
            missing = []
            for stream, sid in members:
                present = self._present.get(stream, now)
                if present is None or not present.touch(sid, expires=now + milliseconds(seconds)):
                    missing.append((stream, sid))
            return missing

    async def presence_sweep(self, stream: str) -> list[str]:
        with self._lock:
            now = self._now()
            present = self._present.get(stream, now)
            if present is None:
                return []
            left = present.sweep(now)
            self._discard_empty(stream, present)
            return left

    async def presence_members(self, stream: str) -> dict[str, str]:
        with self._lock:
            now = self._now()
            present = self._present.get(stream, now)
            return {} if present is None else present.members(now)

    async def close(self) -> None:
        """Nothing is open."""

    def _open(self, stream: str, options: HistoryOptions, now: int) -> _Stream:
        kept = self._streams.get(stream, now)
        if kept is None:
            kept = _Stream()
            self._streams.put(stream, kept)
        kept.drop_aged(now - options.age_ms)
        # Of a stream that never had a message, nothing is missed when its epoch is forgotten early.
        kept.renew(now, options.meta_ms if kept.offset or kept.lost else options.unused_ms)
        return kept

    def _discard_empty(self, stream: str, present: Presence) -> None:
        if present.empty:
            self._present.discard(stream)

    def _now(self) -> int:
        """The time; drops what is old once in a while."""
        now = self._clock()
        if now >= self._next_purge:
            self._next_purge = now + PURGE_INTERVAL_MS
            self._streams.purge(now)
            self._sessions.purge(now)
            self._present.purge(now)
            self._shrink()
        return now

    def _shrink(self) -> None:
        excess = sum(kept.size for kept in self._streams.values()) - self._max_log_size
        while excess > 0:
            excess -= self._streams.pop_oldest().size
