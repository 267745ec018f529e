"""Sessions of extended clients: what a socket that was cut had open, for its successor.

A session holds names, not rights: whoever takes it up is authenticated anew and each channel
decides anew, so nobody keeps by it what was taken from them meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from cable.background import keep_running
from cable.conf import CableSettings
from cable.store.interface import Store, StoreError

if TYPE_CHECKING:
    from cable.connection import Connection

logger = logging.getLogger(__name__)

#: Sessions are kept alive when this part of their time has passed.
_TOUCH_PART = 1 / 3
#: Records written in one round trip.
_SAVED_AT_ONCE = 500
#: While the store is away; whose session is dropped subscribes anew.
_MAX_UNSAVED = 10_000


class OpenSubscription(msgspec.Struct, frozen=True):
    """One subscription: its identifier, and where its streams with history were joined."""

    identifier: str
    #: Stream → epoch and offset. A client that has received nothing of a stream has no position
    #: of its own to ask from.
    joined: dict[str, tuple[str, int]]


class SessionRecord(msgspec.Struct, frozen=True):
    """What the store keeps under a session's id."""

    key: str
    subscriptions: list[OpenSubscription]


def new_sid() -> str:
    """144 random bits: an id is only known to whom it was given."""
    return secrets.token_urlsafe(18)


class SessionKeeper:
    """Saves the sessions of this process' sockets, many in one round trip."""

    def __init__(self, store: Store, settings: CableSettings) -> None:
        self._store = store
        self._settings = settings
        self._kept: set[Connection] = set()
        self._changed: set[Connection] = set()
        # What is being saved, of sockets that may be gone.
        self._last: dict[str, SessionRecord] = {}
        self._ended: list[str] = []
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def changed(self, connection: Connection) -> None:
        """Save this socket's session soon."""
        self._kept.add(connection)
        self._changed.add(connection)
        self._start()

    def end(self, connection: Connection) -> None:
        """The client was told to go: it will not ask for this session."""
        if connection in self._kept:
            self.remove(connection)
            self._last.pop(connection.sid, None)
            self._ended.append(connection.sid)
            self._start()

    def cut(self, connection: Connection) -> None:
        """The socket is gone, its channels still open: its session can be taken up from here."""
        if connection in self._changed:
            self._last[connection.sid] = connection.session_record()
            self._wake.set()
        self.remove(connection)

    def remove(self, connection: Connection) -> None:
        """Keep this session no more; what the store has of it stays until it expires."""
        self._kept.discard(connection)
        self._changed.discard(connection)

    async def take(self, sid: str, *, key: str) -> SessionRecord | None:
        """The session of this id, once, if it is of the same user."""
        try:
            text = await self._store.load_session(sid)
            if text is None:
                return None
            record = msgspec.json.decode(text, type=SessionRecord)
            if record.key != key:
                logger.warning("%s asked for the session of %s", key, record.key)
                return None
            if not await self._store.delete_sessions([sid]):
                return None  # another socket was faster
        except (StoreError, msgspec.MsgspecError) as error:
            logger.warning("a session of %s is not taken up: %s", key, error)
            return None
        return record

    async def give_back(self, sid: str, record: SessionRecord) -> None:
        """The socket that took it up was cut before its client heard of that."""
        text = msgspec.json.encode(record).decode()
        try:
            await self._store.save_sessions({sid: text}, seconds=self._settings.session_seconds)
        except StoreError as error:
            logger.warning("a session of %s is lost: %s", record.key, error)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _start(self) -> None:
        if self._task is None:
            self._task = keep_running(self._run, "cable-sessions")
        self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        settings = self._settings
        next_touch = loop.time() + settings.session_seconds * _TOUCH_PART
        while True:
            try:
                async with asyncio.timeout_at(next_touch):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._save()
                if loop.time() >= next_touch:
                    await self._touch()
            except StoreError as error:
                logger.warning("%d sessions are not saved yet: %s", len(self._last), error)
                while len(self._last) > _MAX_UNSAVED:
                    del self._last[next(iter(self._last))]
                del self._ended[:-_MAX_UNSAVED]  # they expire
                if self._last or self._ended:
                    self._wake.set()
            if loop.time() >= next_touch:
                next_touch = loop.time() + settings.session_seconds * _TOUCH_PART
            await asyncio.sleep(settings.session_save_interval)

    async def _save(self) -> None:
        seconds = self._settings.session_seconds
        for connection in self._changed:
            self._last[connection.sid] = connection.session_record()
        self._changed.clear()
        while self._last:
            batch = dict(islice(self._last.items(), _SAVED_AT_ONCE))
            texts = {sid: msgspec.json.encode(record).decode() for sid, record in batch.items()}
            limit = self._settings.max_session_bytes
            kept = {sid: text for sid, text in texts.items() if len(text) <= limit}
            await self._store.save_sessions(kept, seconds=seconds)
            self._ended += texts.keys() - kept.keys()  # what was saved before is outdated
            for sid, record in batch.items():
                if self._last.get(sid) is record:  # else it changed meanwhile
                    del self._last[sid]
        while self._ended:
            ended = self._ended[:_SAVED_AT_ONCE]
            await self._store.delete_sessions(ended)
            del self._ended[: len(ended)]

    async def _touch(self) -> None:
        sids = [connection.sid for connection in self._kept]
        for start in range(0, len(sids), _SAVED_AT_ONCE):
            await self._store.touch_sessions(
                sids[start : start + _SAVED_AT_ONCE], seconds=self._settings.session_seconds
            )
