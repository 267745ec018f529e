"""Channel layers that misbehave on purpose."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any


class ScriptedLayer:
    """Delivers like pub/sub, records what it is asked, and can fail, hang, or lose messages."""

    def __init__(self, *, group_expiry: float | None = None) -> None:
        if group_expiry is not None:
            self.group_expiry = group_expiry
        self.groups: dict[str, set[str]] = defaultdict(set)
        self.queues: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self.calls: list[tuple[str, str]] = []
        #: Messages to groups that are lost before one arrives, as before a SUBSCRIBE took effect.
        self.lose = 0
        self.down = False
        self.hanging = False

    async def new_channel(self, prefix: str = "specific") -> str:
        await self._answer()
        name = f"{prefix}{len(self.queues)}"
        self.queues[name] = asyncio.Queue()
        return name

    async def receive(self, channel: str) -> dict[str, Any]:
        return await self.queues[channel].get()

    async def group_add(self, group: str, channel: str) -> None:
        self.calls.append(("add", group))
        await self._answer()
        self.groups[group].add(channel)

    async def group_discard(self, group: str, channel: str) -> None:
        self.calls.append(("discard", group))
        await self._answer()
        self.groups[group].discard(channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await self._answer()
        if self.lose:
            self.lose -= 1
            return
        for channel in self.groups[group]:
            self.queues[channel].put_nowait(message)

    def joins(self, group: str) -> list[str]:
        """What was asked about one group, in order."""
        return [call for call, name in self.calls if name == group]

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.hanging:
            await asyncio.Event().wait()
        if self.down:
            raise ConnectionError("the broker is away")
