"""The store in Valkey or Redis, shared by all processes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from redis.asyncio import BlockingConnectionPool
from redis.exceptions import NoScriptError, RedisError

from cable.store import scripts
from cable.store.connections import Connections, open_pool
from cable.store.interface import (
    Entry,
    Head,
    HistoryOptions,
    Log,
    PresenceJoin,
    StoreError,
    milliseconds,
    new_epoch,
)
from cable.store.scripts import Script

# No braces, which would move the cluster's hash tag, and no `#`, which marks a digest.
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]{1,100}", re.ASCII)

_Call = tuple[Script, list[str], list[str | int]]


class ValkeyStore:
    """Connections per event loop; a call that takes longer than `timeout` seconds fails."""

    def __init__(self, url: str, *, prefix: str, max_connections: int, timeout: float) -> None:
        """Opens no connection yet.

        Raises:
            ValueError: not a URL of a Redis server.
        """
        self._url = url
        self._prefix = prefix
        self._max_connections = max_connections
        self._timeout = timeout
        parts = urlsplit(url)
        #: Without account and query, where passwords are.
        self.name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Connections] = (
            WeakKeyDictionary()
        )
        self._pool()  # to complain of a bad URL now

    async def append(
        self,
        stream: str,
        message: str,
        *,
        message_id: str,
        options: HistoryOptions,
        again: bool = False,
    ) -> Head:
        more = (options.limit, message_id, message, int(again))
        return _head(await self._run(scripts.APPEND, *self._log_call(stream, options, *more)))

    async def head(self, stream: str, options: HistoryOptions) -> Head:
        return _head(await self._run(scripts.READ, *self._log_call(stream, options, -1)))

    async def heads(self, streams: Sequence[str]) -> list[Head | None]:
        answers = await self._run_all(
            [(scripts.KNOWN_HEAD, [self._key(stream, "meta")], []) for stream in streams]
        )
        return [_head(answer) if answer else None for answer in answers]

    async def read(self, stream: str, options: HistoryOptions, *, after: int = 0) -> Log:
        call = self._log_call(stream, options, max(0, after))
        answer = await self._run(scripts.READ, *call)
        head = _head(answer)
        times, messages = answer[4::2], answer[5::2]
        entries = [
            Entry(offset, int(time), message)
            for offset, (time, message) in enumerate(
                zip(times, messages, strict=True), start=head.offset - len(times) + 1
            )
        ]
        return Log(head, int(answer[3]), entries)

    async def restart(self, stream: str, options: HistoryOptions) -> Head:
        return _head(await self._run(scripts.RESTART, *self._log_call(stream, options)))

    async def save_sessions(self, records: Mapping[str, str], *, seconds: float) -> None:
        await self._pipeline(
            [
                ("SET", self._session_key(sid), record, "PX", milliseconds(seconds))
                for sid, record in records.items()
            ]
        )

    async def touch_sessions(self, sids: Sequence[str], *, seconds: float) -> None:
        await self._pipeline(
            [("PEXPIRE", self._session_key(sid), milliseconds(seconds)) for sid in sids]
        )

    async def load_session(self, sid: str) -> str | None:
        record: str | None = (await self._pipeline([("GET", self._session_key(sid))]))[0]
        return record

    async def delete_sessions(self, sids: Sequence[str]) -> int:
        return sum(await self._pipeline([("DEL", self._session_key(sid)) for sid in sids]))

    async def presence_join(
        self,
        stream: str,
        sid: str,
        *,
        id: str,  # noqa: A002 (the protocol's word)
        info: str,
        seconds: float,
    ) -> PresenceJoin:
        arguments: list[str | int] = [sid, id, info, milliseconds(seconds)]
        answer: PresenceJoin = await self._run(scripts.JOIN, self._present_keys(stream), arguments)
        return answer

    async def presence_leave(self, stream: str, sid: str) -> str | None:
        left: str | None = await self._run(scripts.LEAVE, self._present_keys(stream), [sid])
        return left

    async def presence_expire(self, stream: str, sid: str, *, seconds: float) -> None:
        await self.presence_touch([(stream, sid)], seconds=seconds)

    async def presence_touch(
        self, members: Sequence[tuple[str, str]], *, seconds: float
    ) -> list[tuple[str, str]]:
        arguments: dict[str, list[str | int]] = {}
        for stream, sid in members:
            arguments.setdefault(stream, [milliseconds(seconds)]).append(sid)
        answers = await self._run_all(
            [(scripts.TOUCH, self._present_keys(stream), a) for stream, a in arguments.items()]
        )
        missing = zip(arguments, answers, strict=True)
        return [(stream, sid) for stream, sids in missing for sid in sids]

    async def presence_sweep(self, stream: str) -> list[str]:
        left: list[str] = await self._run(scripts.SWEEP, self._present_keys(stream), [])
        return left

    async def presence_members(self, stream: str) -> dict[str, str]:
        answer = await self._run(scripts.MEMBERS, self._present_keys(stream), [])
        return dict(zip(answer[::2], answer[1::2], strict=True))

    async def close(self) -> None:
        connections = self._by_loop.pop(asyncio.get_running_loop(), None)
        if connections is not None:
            with contextlib.suppress(RedisError, OSError):
                await connections.close()

    def _key(self, stream: str, kind: str) -> str:
        return f"{self._prefix}:{{{_plain(stream)}}}:{kind}"

    def _session_key(self, sid: str) -> str:
        return f"{self._prefix}:session:{_plain(sid)}"

    def _present_keys(self, stream: str) -> list[str]:
        return [self._key(stream, k) for k in ("present", "present-expiry", "present-ids")]

    def _log_call(
        self, stream: str, options: HistoryOptions, *more: str | int
    ) -> tuple[list[str], list[str | int]]:
        keys = [self._key(stream, "meta"), self._key(stream, "log")]
        return keys, [new_epoch(), options.age_ms, options.meta_ms, *more]

    async def _run(self, script: Script, keys: list[str], arguments: list[str | int]) -> Any:
        return (await self._run_all([(script, keys, arguments)]))[0]

    async def _run_all(self, calls: Sequence[_Call]) -> list[Any]:
        """Run scripts in one round trip; in a second one those that the server did not know."""
        answers = await self._pipeline(
            [("EVALSHA", script.sha, len(keys), *keys, *args) for script, keys, args in calls]
        )
        unknown = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            texts = await self._pipeline(
                [
                    ("EVAL", script.text, len(keys), *keys, *args)
                    for script, keys, args in (calls[i] for i in unknown)
                ]
            )
            for i, answer in zip(unknown, texts, strict=True):
                answers[i] = answer
        return answers

    async def _pipeline(self, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        """Answers in order, among them only NoScriptError of the errors.

        Raises:
            StoreError: the server did not answer, or one command failed.
        """
        if not commands:
            return []
        # Encoded here, so that text that cannot be is the caller's error alone.
        encoded = [[a.encode() if isinstance(a, str) else a for a in c] for c in commands]
        answers = await self._connections().execute(encoded)
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, NoScriptError):
                raise StoreError(f"{self.name}: {answer}") from answer
        return answers

    def _connections(self) -> Connections:
        loop = asyncio.get_running_loop()
        connections = self._by_loop.get(loop)
        if connections is None:
            # Open connections refer to their loop, so a closed one is not collected by itself.
            for other in [other for other in self._by_loop if other.is_closed()]:
                del self._by_loop[other]
            connections = self._by_loop[loop] = Connections(
                self._pool(), name=self.name, timeout=self._timeout
            )
        return connections

    def _pool(self) -> BlockingConnectionPool:
        return open_pool(self._url, max_connections=self._max_connections, timeout=self._timeout)


def _head(answer: Sequence[str]) -> Head:
    return Head(answer[0], int(answer[1]), int(answer[2]))


def _plain(name: str) -> str:
    """The name where it is safe in a key, else a digest; never the same for two names."""
    if _PLAIN.fullmatch(name):
        return name
    return f"#{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()}"
