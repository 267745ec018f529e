"""Stores whose time the test moves: in memory, and in the real Valkey of this run."""

from __future__ import annotations

import os
import uuid
from typing import Any, Protocol

from redis.asyncio import Redis

from cable.store import Store, scripts
from cable.store.memory import MemoryStore
from cable.store.scripts import CLOCK, Script
from cable.store.valkey import ValkeyStore


class World(Protocol):
    """A store, and the clock that it lives by."""

    store: Store

    async def now(self) -> int:
        """UNIX ms."""

    async def advance(self, milliseconds: int) -> None: ...

    async def close(self) -> None: ...


class MemoryWorld:
    def __init__(self, **options: Any) -> None:
        self.time = 1_700_000_000_000
        self.store: Store = MemoryStore(clock=lambda: self.time, **options)

    async def now(self) -> int:
        return self.time

    async def advance(self, milliseconds: int) -> None:
        self.time += milliseconds

    async def close(self) -> None:
        await self.store.close()


class ValkeyWorld:
    """Keys of its own. Its scripts add a shift to the server's clock; keys expire that earlier."""

    def __init__(self, url: str | None = None, *, timeout: float = 5.0) -> None:
        self.url = url or os.environ["REDIS_URL"]
        self.prefix = f"test-{uuid.uuid4().hex}"
        self.store: Store = ValkeyStore(
            self.url, prefix=self.prefix, max_connections=4, timeout=timeout
        )
        self.client = Redis.from_url(self.url, decode_responses=True)
        self._shift = 0

    async def now(self) -> int:
        seconds, microseconds = await self.client.time()
        return int(seconds) * 1000 + int(microseconds) // 1000 + self._shift

    async def advance(self, milliseconds: int) -> None:
        self._shift += milliseconds
        await self.client.set(_SHIFT_KEY, self._shift)
        for key in await self.keys():
            ttl = await self.client.pttl(key)
            assert ttl != -1, f"{key} never expires"
            if ttl <= milliseconds:
                await self.client.delete(key)
            else:
                await self.client.pexpire(key, ttl - milliseconds)

    async def keys(self) -> list[str]:
        return sorted([key async for key in self.client.scan_iter(f"{self.prefix}:*")])

    async def close(self) -> None:
        if keys := await self.keys():
            await self.client.delete(*keys)
        await self.client.delete(_SHIFT_KEY)
        await self.store.close()
        await self.client.aclose()


_SHIFT_KEY = f"test-shift-{os.getpid()}"


def shifted_scripts() -> dict[str, Script]:
    """The scripts by name, as they are with the clock of `ValkeyWorld`."""
    clock = f"{CLOCK}\nnow = now + (redis.call('GET', '{_SHIFT_KEY}') or 0)\n"
    found = {name: value for name, value in vars(scripts).items() if isinstance(value, Script)}
    return {name: Script(script.text.replace(CLOCK, clock)) for name, script in found.items()}
