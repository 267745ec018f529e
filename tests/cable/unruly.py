"""A store that fails, loses answers or takes its time when told to."""

from __future__ import annotations

import asyncio
from typing import Any

from cable.store import HistoryOptions, StoreError
from tests.cable.stores import MemoryWorld

#: As for streams that the settings say nothing of.
OPTIONS = HistoryOptions(limit=100, seconds=300.0, meta_seconds=48 * 3600.0)


class UnrulyStore:
    """The store of a process; its methods' names go into `fails`, `loses` and `gates`."""

    def __init__(self, world: MemoryWorld) -> None:
        self.world = world
        #: Nothing is done.
        self.fails: set[str] = set()
        #: It is done, but the answer is lost.
        self.loses: set[str] = set()
        #: It is done when the gate opens.
        self.gates: dict[str, asyncio.Event] = {}
        #: It is done, but the answer comes when the gate opens.
        self.late: dict[str, asyncio.Event] = {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.world.store, name)

        async def call(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            if {name, "all"} & self.fails:
                raise StoreError("away")
            if name in self.gates:
                await self.gates[name].wait()
            answer = await method(*args, **options)
            if name in self.late:
                await self.late[name].wait()
            if name in self.loses:
                raise StoreError("the answer was lost")
            return answer

        return call

    def gate(self, name: str) -> asyncio.Event:
        """Hold calls of this method until the event is set."""
        self.gates[name] = asyncio.Event()
        return self.gates[name]

    async def keep(self, message: str, stream: str = "stream") -> int:
        """Store a message that nobody publishes; its offset."""
        head = await self.world.store.append(stream, message, message_id=message, options=OPTIONS)
        return head.offset

    async def epoch(self, stream: str = "stream") -> str:
        return (await self.world.store.head(stream, OPTIONS)).epoch

    async def messages(self, stream: str = "stream") -> list[str]:
        log = await self.world.store.read(stream, OPTIONS)
        return [entry.message for entry in log.entries]

    def forget_newest(self, count: int, stream: str = "stream") -> None:
        """As a server that failed over to a copy that was behind."""
        kept = self.world.store._streams.get(stream, self.world.time)  # type: ignore[attr-defined]
        for _ in range(count):
            kept.log.pop()
        kept.offset -= count
        kept.time = kept.log[-1][1].time_ms if kept.log else 0
